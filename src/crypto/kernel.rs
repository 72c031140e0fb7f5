//! Argon2 (RFC 9106) on memory that is kept from one hash to the next.
//!
//! Two kernels give the same tags: a vectorised one, about twice as fast, and a portable one. The
//! fast one is used only after it has answered known questions on this very machine. What a
//! password hash looks like as text is not here (`crypto::password`), nor is who waits for whom
//! (`crypto::hasher`).

use std::{fmt, panic::catch_unwind};

use argon2::{Block, Params};
use argon2_rust::{
    Hasher, Params as FastParams,
    params::{Memory, TagLen},
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    config,
    error::{Context, Result},
};

/// The three kinds of RFC 9106 §3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Data-dependent. Only ever imported.
    D,
    /// Data-independent. Only ever imported.
    I,
    /// Both in turn. Ours.
    Id,
}

/// The version of the algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 16, of before RFC 9106. Only ever imported.
    V10,
    /// 19, of RFC 9106.
    V13,
}

/// Everything that decides what a hash costs and how it is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// The kind.
    pub variant: Variant,
    /// The version.
    pub version: Version,
    /// Memory in KiB, at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over the memory, at least 1.
    pub passes: u32,
    /// Lanes, at least 1. They run one after another: there are more hashes than cores.
    pub lanes: u32,
}

impl Cost {
    /// Whether both kernels can compute it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let least = self.lanes.checked_mul(8);
        self.lanes >= 1 && self.passes >= 1 && least.is_some_and(|least| self.memory_kib >= least)
    }
}

/// Argon2 with the memory of earlier hashes. One for each hash thread.
pub enum Argon2 {
    /// The vectorised kernel. It wipes its memory after each hash.
    Fast(Box<Hasher>),
    /// The portable kernel, and its memory, wiped after each hash.
    Portable(Vec<Block>),
}

impl Argon2 {
    /// The kernel of this name, without any memory yet.
    #[must_use]
    pub fn new(kernel: config::Kernel) -> Self {
        match kernel {
            config::Kernel::Fast => Self::Fast(Box::new(
                argon2_rust::Argon2::new(
                    argon2_rust::Algorithm::Argon2id,
                    argon2_rust::Version::V0x13,
                    FastParams::DEFAULT,
                )
                .hasher(),
            )),
            config::Kernel::Portable => Self::Portable(Vec::new()),
        }
    }

    /// The tag of `length` bytes (4 at least) of `password` with `salt` (8 bytes at least).
    ///
    /// # Errors
    /// Where the cost is not sound, the salt or tag too short, or the memory cannot be had.
    pub fn tag(
        &mut self,
        cost: &Cost,
        password: &[u8],
        salt: &[u8],
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let mut tag = Zeroizing::new(vec![0; length]);
        #[cfg(test)]
        WORK.set(WORK.get() + u64::from(cost.memory_kib) * u64::from(cost.passes));
        match self {
            Self::Fast(hasher) => fast(hasher, cost, (password, salt), &mut tag)?,
            Self::Portable(blocks) => portable(blocks, cost, (password, salt), &mut tag)?,
        }
        Ok(tag)
    }

    /// Memory kept for the next hash, in KiB.
    #[must_use]
    pub fn kept_kib(&self) -> usize {
        match self {
            Self::Fast(hasher) => hasher.reserved_blocks(),
            Self::Portable(blocks) => blocks.capacity(),
        }
    }

    /// Gives the memory back.
    pub fn release(&mut self) {
        match self {
            Self::Fast(hasher) => hasher.clear(),
            Self::Portable(blocks) => *blocks = Vec::new(),
        }
    }
}

impl fmt::Debug for Argon2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the memory itself.
        let name = match self {
            Self::Fast(_) => "Fast",
            Self::Portable(_) => "Portable",
        };
        f.debug_struct(name).field("kept_kib", &self.kept_kib()).finish()
    }
}

#[cfg(test)]
thread_local! {
    /// What this thread has computed, in KiB times passes: tests compare work rather than time.
    pub(super) static WORK: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

fn fast(
    hasher: &mut Hasher,
    cost: &Cost,
    (password, salt): (&[u8], &[u8]),
    tag: &mut [u8],
) -> Result<()> {
    let algorithm = match cost.variant {
        Variant::D => argon2_rust::Algorithm::Argon2d,
        Variant::I => argon2_rust::Algorithm::Argon2i,
        Variant::Id => argon2_rust::Algorithm::Argon2id,
    };
    let version = match cost.version {
        Version::V10 => argon2_rust::Version::V0x10,
        Version::V13 => argon2_rust::Version::V0x13,
    };
    let params = fast_params(cost, tag.len()).doing("setting up Argon2")?;
    hasher.set_argon2(argon2_rust::Argon2::new(algorithm, version, params));
    hasher.hash_into(password, salt, tag).doing("hashing with Argon2")
}

fn fast_params(cost: &Cost, length: usize) -> Result<FastParams, argon2_rust::Error> {
    FastParams::builder()
        .memory(Memory::kib(cost.memory_kib.into()))
        .passes(cost.passes)
        .lanes(cost.lanes)
        .threads(1)
        .tag_len(TagLen::bytes(u64::try_from(length).unwrap_or(u64::MAX)))
        .build()
}

fn portable(
    blocks: &mut Vec<Block>,
    cost: &Cost,
    (password, salt): (&[u8], &[u8]),
    tag: &mut [u8],
) -> Result<()> {
    let algorithm = match cost.variant {
        Variant::D => argon2::Algorithm::Argon2d,
        Variant::I => argon2::Algorithm::Argon2i,
        Variant::Id => argon2::Algorithm::Argon2id,
    };
    let version = match cost.version {
        Version::V10 => argon2::Version::V0x10,
        Version::V13 => argon2::Version::V0x13,
    };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(tag.len()))
        .doing("setting up Argon2")?;
    let needed = params.block_count();
    if blocks.len() < needed {
        blocks.try_reserve_exact(needed - blocks.len()).doing("finding memory for Argon2")?;
        blocks.resize(needed, Block::new());
    }
    let used = blocks.get_mut(..needed).unwrap_or_default();
    let done = argon2::Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password, salt, tag, &mut *used);
    used.iter_mut().for_each(Zeroize::zeroize);
    done.doing("hashing with Argon2")
}

/// The kernel to use where `wanted` is wished for: the fast one only if it answers rightly here.
#[must_use]
pub fn tested(wanted: config::Kernel) -> config::Kernel {
    chosen(wanted, || {
        catch_unwind(|| answers_rfc_9106() && agrees_with_portable()).unwrap_or(false)
    })
}

fn chosen(wanted: config::Kernel, answers: impl FnOnce() -> bool) -> config::Kernel {
    if wanted == config::Kernel::Fast && !answers() {
        tracing::warn!("the fast Argon2 kernel fails its self-test; the portable one is used");
        return config::Kernel::Portable;
    }
    wanted
}

/// Whether the fast kernel gives the tag of RFC 9106 §5.3.
fn answers_rfc_9106() -> bool {
    const TAG: [u8; 32] = [
        0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53,
        0xc9, 0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01,
        0xe6, 0x59,
    ];
    let cost =
        Cost { variant: Variant::Id, version: Version::V13, memory_kib: 32, passes: 3, lanes: 4 };
    let Ok(params) = fast_params(&cost, TAG.len()) else { return false };
    let algorithm = argon2_rust::Algorithm::Argon2id;
    let mut hasher =
        argon2_rust::Argon2::new(algorithm, argon2_rust::Version::V0x13, params).hasher();
    let mut tag = [0; 32];
    let done = hasher.hash_into_with_ad(&[1; 32], &[2; 16], &[3; 8], &[4; 12], &mut tag);
    done.is_ok() && tag == TAG
}

/// Whether both kernels agree in the form that is used all day: one lane, memory used again.
fn agrees_with_portable() -> bool {
    let mut fast = Argon2::new(config::Kernel::Fast);
    let mut portable = Argon2::new(config::Kernel::Portable);
    let cost = |memory_kib, passes| Cost {
        variant: Variant::Id,
        version: Version::V13,
        memory_kib,
        passes,
        lanes: 1,
    };
    [cost(1024, 2), cost(512, 1), cost(768, 2)].iter().all(|cost| {
        let one = fast.tag(cost, b"self-test", &[7; 16], 32);
        let other = portable.tag(cost, b"self-test", &[7; 16], 32);
        matches!((one, other), (Ok(one), Ok(other)) if one == other)
    })
}

#[cfg(test)]
mod tests;
