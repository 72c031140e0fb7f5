//! The schedule under a lock, and threads that wait for their turn at it.

use std::{
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    order::{Class, Order},
    schedule::{Lane, Limits, Offer, Reason, Schedule, Taken, Ticket, Waiter},
};
use crate::{clock::Stopwatch, crypto::kernel::Argon2};

/// Something to be done by a hash thread.
pub(super) trait Work: Send {
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
    /// Does it, and tells whoever waits.
    fn perform(self: Box<Self>, argon2: &mut Argon2);
    /// Tells whoever waits that it is not done, and when to come back.
    fn shed(self: Box<Self>, retry: Duration);
}

impl Waiter for Box<dyn Work> {
    fn is_wanted(&self) -> bool {
        self.as_ref().is_wanted()
    }
}

/// What a thread is to do.
pub(super) enum Next {
    /// This; the ticket goes to [`Queue::done`].
    Work(Box<dyn Work>, Ticket),
    /// Nothing for now: nothing has come for the whole time.
    Idle,
    /// End.
    Closed,
}

/// A bounded queue.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Wakes threads of the common lane.
    arrival: Condvar,
    /// Wakes the thread of the express lane.
    express: Condvar,
    /// Threads of the common lane.
    threads: usize,
    since: Stopwatch,
}

struct State {
    schedule: Schedule<Box<dyn Work>>,
    /// Threads of the common lane that are at work.
    busy: usize,
    closed: bool,
}

impl Queue {
    /// An empty queue.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            state: Mutex::new(State { schedule: Schedule::new(limits), busy: 0, closed: false }),
            arrival: Condvar::new(),
            express: Condvar::new(),
            threads: limits.threads,
            since: Stopwatch::start(),
        }
    }

    /// Lets `work` wait, which is thought to take `cost`.
    ///
    /// # Errors
    /// When there may be room, where there is none or the time would not do.
    pub(super) fn push(
        &self,
        order: Order,
        cost: Duration,
        work: Box<dyn Work>,
    ) -> Result<(), Duration> {
        let now = self.now();
        let mut state = self.lock();
        if state.closed {
            return Err(Duration::ZERO);
        }
        let offer = state.schedule.offer(order, micros(cost), now, work);
        report(&state.schedule);
        self.call_express(&state);
        drop(state);
        match offer {
            Offer::Queued(out) => {
                self.arrival.notify_one();
                if let Some((class, work)) = out {
                    count_shed(Reason::PushedOut, class);
                    work.shed(cost);
                }
                Ok(())
            }
            Offer::Refused { reason, retry } => {
                count_shed(reason, order.class);
                Err(Duration::from_micros(retry))
            }
        }
    }

    /// The next job that somebody still waits for, waiting `patience` for it at most.
    pub(super) fn next(&self, lane: Lane, patience: Duration) -> Next {
        let mut state = self.lock();
        loop {
            let (mut overdue, mut gone) = (Vec::new(), Vec::new());
            // The express lane is for what no thread of the common one is free for.
            let taken = if lane == Lane::Common || state.busy >= self.threads {
                state.schedule.take(lane, self.now(), &mut overdue, &mut gone)
            } else {
                None
            };
            if taken.is_some() && lane == Lane::Common {
                state.busy += 1;
                self.call_express(&state);
            }
            if taken.is_some() || !overdue.is_empty() || !gone.is_empty() {
                report(&state.schedule);
                drop(state);
                settle(overdue, &gone);
                if let Some(Taken { item, ticket, class, waited }) = taken {
                    let waited = Duration::from_micros(waited).as_secs_f64();
                    metrics::histogram!("countersign_hash_wait_seconds", "class" => class.label())
                        .record(waited);
                    return Next::Work(item, ticket);
                }
                state = self.lock();
                continue;
            }
            if state.closed {
                return Next::Closed;
            }
            let timed_out;
            (state, timed_out) = self.wait(state, lane, patience);
            if timed_out && state.schedule.total() == 0 && !state.closed {
                return Next::Idle;
            }
        }
    }

    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        lane: Lane,
        patience: Duration,
    ) -> (MutexGuard<'a, State>, bool) {
        let bell = match lane {
            Lane::Common => &self.arrival,
            Lane::Express => &self.express,
        };
        let waited = bell.wait_timeout(state, patience);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        (state, timeout.timed_out())
    }

    /// Wakes the express lane where there is something for it.
    fn call_express(&self, state: &State) {
        if state.busy >= self.threads && state.schedule.has_fresh() {
            self.express.notify_one();
        }
    }

    /// The end of a job of a thread of `lane`, which took `spent`.
    pub(super) fn done(&self, lane: Lane, ticket: &Ticket, spent: Duration) {
        let mut state = self.lock();
        state.schedule.done(ticket, micros(spent));
        if lane == Lane::Common {
            state.busy = state.busy.saturating_sub(1);
        }
    }

    /// Drops what waits and ends the threads.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.schedule.clear();
        report(&state.schedule);
        drop(state);
        self.arrival.notify_all();
        self.express.notify_all();
    }

    /// Jobs that wait.
    pub(super) fn depth(&self) -> usize {
        self.lock().schedule.total()
    }

    fn now(&self) -> u64 {
        micros(self.since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells those whose time was up, and counts those who have gone.
fn settle(overdue: Vec<(Class, Box<dyn Work>)>, gone: &[Class]) {
    for (class, work) in overdue {
        count_shed(Reason::Expired, class);
        work.shed(Duration::ZERO);
    }
    for class in gone {
        count_shed(Reason::Gone, *class);
    }
}

pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn count_shed(reason: Reason, class: Class) {
    let reason = match reason {
        Reason::Full => "full",
        Reason::Late => "late",
        Reason::PushedOut => "pushed_out",
        Reason::Expired => "expired",
        Reason::Gone => "gone",
    };
    metrics::counter!("countersign_hash_shed_total", "reason" => reason, "class" => class.label())
        .increment(1);
}

#[expect(clippy::cast_precision_loss, reason = "a queue is far shorter than 2^52")]
fn report(schedule: &Schedule<Box<dyn Work>>) {
    for class in Class::ALL {
        metrics::gauge!("countersign_hash_queue_depth", "class" => class.label())
            .set(schedule.depth(class) as f64);
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}
