//! Who is next. First come, first served; the one place to change when that is not fair enough.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::crypto::kernel::Argon2;

/// Something to be done by a hash thread.
pub(super) trait Work: Send {
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
    /// Does it, and tells whoever waits.
    fn perform(self: Box<Self>, argon2: &mut Argon2);
}

/// What a thread is to do.
pub(super) enum Next {
    /// This.
    Work(Box<dyn Work>),
    /// Nothing for now: nothing has come for the whole time.
    Idle,
    /// End.
    Closed,
}

/// A bounded queue.
pub(super) struct Queue {
    state: Mutex<State>,
    arrival: Condvar,
    capacity: usize,
}

struct State {
    waiting: VecDeque<Box<dyn Work>>,
    closed: bool,
}

impl Queue {
    /// An empty queue that holds `capacity` jobs at most.
    pub(super) fn new(capacity: usize) -> Self {
        let state = State { waiting: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), arrival: Condvar::new(), capacity }
    }

    /// Appends `work`; false where the queue is full or closed.
    pub(super) fn push(&self, work: Box<dyn Work>) -> bool {
        let mut state = self.lock();
        if state.waiting.len() >= self.capacity {
            // Those whose callers have gone must not keep others out.
            state.waiting.retain(|work| work.is_wanted());
        }
        if state.closed || state.waiting.len() >= self.capacity {
            return false;
        }
        state.waiting.push_back(work);
        report(&state);
        drop(state);
        self.arrival.notify_one();
        true
    }

    /// The next job that somebody still waits for, waiting `patience` for it at most.
    pub(super) fn next(&self, patience: Duration) -> Next {
        let mut state = self.lock();
        loop {
            while let Some(work) = state.waiting.pop_front() {
                report(&state);
                if work.is_wanted() {
                    return Next::Work(work);
                }
            }
            if state.closed {
                return Next::Closed;
            }
            let waited = self.arrival.wait_timeout(state, patience);
            let (after, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            state = after;
            if timed_out.timed_out() && state.waiting.is_empty() && !state.closed {
                return Next::Idle;
            }
        }
    }

    /// Drops what waits and ends the threads.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        report(&state);
        drop(state);
        self.arrival.notify_all();
    }

    /// Jobs that wait.
    pub(super) fn depth(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a queue is far shorter than 2^52")]
fn report(state: &State) {
    metrics::gauge!("countersign_hash_queue_depth").set(state.waiting.len() as f64);
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}
