//! One at a time: whatever counts failures or mails of one account does so behind its gate.
//!
//! Counters are atomic in the database, but between reading a count and writing a failure a
//! password is hashed for milliseconds. Without the gate, two hundred parallel guesses would all
//! read a count of nought. Each node has gates of its own, and so has the portal, which does not
//! know the tenant beforehand and must not tell by waiting where an address has an account: with `n`
//! nodes at most `2n - 1` guesses more are checked than the rule allows.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Code, Context, Error, Result};

/// How many may wait before one gate.
const MAX_WAITING: usize = 64;

/// A subject: an account, by its digest.
pub type Subject = [u8; 32];

/// The gates of this node.
#[derive(Debug, Default)]
pub struct Gates(Mutex<HashMap<Subject, Arc<Semaphore>>>);

/// The right to be the one; given back on drop.
#[derive(Debug)]
pub struct Pass {
    gates: Arc<Gates>,
    subject: Subject,
    permit: Option<OwnedSemaphorePermit>,
}

impl Gates {
    /// Waits for the gate of `subject`.
    ///
    /// # Errors
    /// `overloaded` at once where 64 wait already.
    pub async fn enter(self: &Arc<Self>, subject: Subject) -> Result<Pass> {
        let gate = {
            let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let gate = open.entry(subject).or_insert_with(|| Arc::new(Semaphore::new(1)));
            if Arc::strong_count(gate) > MAX_WAITING {
                return Err(Error::Busy { code: Code::Overloaded, retry: Duration::from_secs(1) });
            }
            Arc::clone(gate)
        };
        // Made before waiting, so that a caller who goes away while waiting leaves no gate behind.
        let mut pass = Pass { gates: Arc::clone(self), subject, permit: None };
        pass.permit = Some(gate.acquire_owned().await.doing("waiting for an account's turn")?);
        Ok(pass)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut open = self.gates.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.permit = None;
        // Only the map itself still knows the gate: nobody waits.
        if open.get(&self.subject).is_some_and(|gate| Arc::strong_count(gate) == 1) {
            open.remove(&self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use futures_util::future::join_all;

    use super::Gates;

    #[tokio::test]
    async fn one_at_a_time_and_nothing_left_behind() {
        let gates = Arc::new(Gates::default());
        let inside = Arc::new(AtomicUsize::new(0));
        let tasks = (0..50).map(|_| {
            let (gates, inside) = (Arc::clone(&gates), Arc::clone(&inside));
            async move {
                let _pass = gates.enter([7; 32]).await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
            }
        });
        join_all(tasks).await;
        assert!(gates.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_crowd_is_turned_away_and_the_next_subject_is_not() {
        let gates = Arc::new(Gates::default());
        let all = join_all((0..200).map(|_| {
            let gates = Arc::clone(&gates);
            async move {
                let pass = gates.enter([7; 32]).await;
                tokio::task::yield_now().await;
                pass.is_ok()
            }
        }))
        .await;
        assert!(all.contains(&false) && all.contains(&true));
        assert!(gates.enter([8; 32]).await.is_ok());
        assert!(gates.0.lock().unwrap().is_empty());
    }
}
