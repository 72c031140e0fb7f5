//! Randomness, as a value that is handed in.
//!
//! The one place that draws random bytes. Tests hand in a seeded source, so that ids and tokens
//! in their snapshots are the same on every run.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::{digest, rand};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    error::{Error, Result},
};

/// Where random bytes come from.
#[derive(Debug, Clone)]
pub enum Entropy {
    /// The operating system's generator.
    Os,
    /// A repeatable sequence, for tests: a seed and a counter.
    Seeded(Arc<(u64, AtomicU64)>),
}

impl Entropy {
    /// A repeatable sequence from `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new((seed, AtomicU64::new(0))))
    }

    /// `N` random bytes.
    ///
    /// # Errors
    /// Where the operating system has none to give.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N]> {
        let mut out = [0; N];
        match self {
            Self::Os => rand::fill(&mut out)
                .map_err(|_| Error::internal("drawing random bytes", "the generator failed"))?,
            Self::Seeded(state) => {
                for chunk in out.chunks_mut(32) {
                    let step = state.1.fetch_add(1, Ordering::SeqCst);
                    let block = [state.0.to_be_bytes(), step.to_be_bytes()].concat();
                    let hash = digest::digest(&digest::SHA256, &block);
                    for (to, from) in chunk.iter_mut().zip(hash.as_ref()) {
                        *to = *from;
                    }
                }
            }
        }
        Ok(out)
    }

    /// A time-ordered id (UUID version 7, RFC 9562 §5.7) for something made at `now`.
    ///
    /// # Errors
    /// As [`Entropy::bytes`].
    pub fn id(&self, now: Timestamp) -> Result<Uuid> {
        Ok(uuid::Builder::from_unix_timestamp_millis(now.millis(), &self.bytes()?).into_uuid())
    }

    /// A number in `0..=max`, for jitter; never for secrets.
    ///
    /// # Errors
    /// As [`Entropy::bytes`].
    pub fn up_to(&self, max: u64) -> Result<u64> {
        let drawn = u64::from_be_bytes(self.bytes()?);
        Ok(max.checked_add(1).map_or(drawn, |span| drawn % span))
    }
}
