//! The threads that hash passwords, and the queue before them.
//!
//! A hash takes milliseconds of one core and megabytes of memory, so a fixed number of threads
//! does them, each with memory it keeps, and what cannot be done in time is refused at once
//! rather than promised. Whoever asks says whose hash it is: tenants have equal parts of the
//! threads (`schedule`), and one that floods fills its own line. It never runs on the async
//! runtime's own threads. What is computed is not here (`crypto::password`).

mod order;
mod queue;
mod schedule;

use std::{
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

pub use self::order::{Class, Order, Share, Weight};
use crate::{
    clock::Stopwatch,
    config::{Kernel, PasswordConfig},
    crypto::kernel::{self, Argon2},
    error::{Code, Context, Error, Result},
};

use queue::{Next, Queue, Work, micros};
use schedule::{Lane, Limits};

/// How long a caller waits for its turn before it is told that we are overloaded, and how long for
/// a hash that has begun: to give up what is being done anyway would waste it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a thread without work keeps its memory.
const IDLE: Duration = Duration::from_secs(30);

/// A guess at the time of one hash until one has been measured.
const FIRST_GUESS: Duration = Duration::from_millis(20);

/// The pace is kept in nanoseconds for so many units of work.
const PACE_UNITS: u64 = 1024;

/// The threads and their queue. Dropping it ends the threads; what still waits is not done.
#[derive(Debug)]
pub struct Hasher {
    shared: Arc<Shared>,
    patience: Duration,
}

#[derive(Debug)]
struct Shared {
    queue: Queue,
    kernel: Kernel,
    /// Memory that a thread keeps between hashes; what a foreign hash needed beyond it goes back.
    keep_kib: usize,
    /// A moving average of the nanoseconds that [`PACE_UNITS`] of work take.
    pace: AtomicU64,
}

impl Hasher {
    /// Tests the kernel and starts the threads.
    ///
    /// # Errors
    /// Where the operating system gives no thread.
    pub fn new(config: &PasswordConfig) -> Result<Self> {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        let threads = if config.threads == 0 { cores() } else { config.threads };
        let limits = Limits {
            total: config.queue.max(1),
            per_share: config.queue.max(1).div_ceil(2),
            threads,
            patience: micros(PATIENCE),
        };
        let usual = u64::from(config.memory_kib) * u64::from(config.passes);
        let shared = Arc::new(Shared {
            queue: Queue::new(limits),
            kernel: kernel::tested(config.kernel),
            keep_kib: usize::try_from(config.memory_kib).unwrap_or(usize::MAX),
            pace: AtomicU64::new(pace(FIRST_GUESS, usual)),
        });
        // Made first, so that the threads already started end where the next one cannot start.
        let hasher = Self { shared, patience: PATIENCE };
        for number in 0..threads {
            hasher.start(format!("hash-{number}"), Lane::Common, config.nice)?;
        }
        hasher.start("hash-express".to_owned(), Lane::Express, 0)?;
        Ok(hasher)
    }

    fn start(&self, name: String, lane: Lane, nice: u8) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name(name).spawn(move || {
            give_way(nice);
            shared.serve(lane);
        });
        thread.map(drop).doing("starting a hash thread")
    }

    /// Has `work`, of so much `weight`, done by a hash thread and waits for its result.
    ///
    /// Work whose caller has gone away, or has waited for ten seconds, is not started. What has begun
    /// may take ten seconds more.
    ///
    /// # Errors
    /// [`Error::Busy`] at once where the share's line is full or could not be worked off in time,
    /// and later where others had to be let in first; otherwise what `work` returns. A panic in
    /// `work` is an internal error of this call only.
    pub async fn run<T, W>(&self, order: Order, weight: Weight, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&mut Argon2) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Job { work, weight, shared: Arc::clone(&self.shared), reply };
        let cost = self.shared.expected(weight);
        self.shared.queue.push(order, cost, Box::new(job)).map_err(overloaded)?;
        match tokio::time::timeout(2 * self.patience, answer).await {
            Ok(Ok(result)) => result,
            // A panic drops the sender; so does the end of the threads.
            Ok(Err(_)) => Err(Error::internal("hashing", "the hash thread gave no answer")),
            Err(_) => Err(overloaded(cost)),
        }
    }

    /// Jobs that wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.shared.queue.depth()
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

/// When to come back: in whole seconds, 1 to 30.
fn overloaded(retry: Duration) -> Error {
    let seconds = retry.as_millis().div_ceil(1000).clamp(1, 30);
    let retry = Duration::from_secs(u64::try_from(seconds).unwrap_or(30));
    Error::Busy { code: Code::Overloaded, retry }
}

/// Lets threads of a lower niceness go first, where the operating system knows that for single
/// threads. It is a wish: without it everything works.
fn give_way(nice: u8) {
    #[cfg(target_os = "linux")]
    if nice > 0
        && let Err(cause) = rustix::process::nice(i32::from(nice))
    {
        tracing::warn!(%cause, "hash threads keep the usual niceness");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

fn pace(spent: Duration, units: u64) -> u64 {
    let nanos = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
    nanos.saturating_mul(PACE_UNITS) / units.max(1)
}

impl Shared {
    /// How long so much work takes on this machine.
    fn expected(&self, weight: Weight) -> Duration {
        let pace = self.pace.load(Ordering::Relaxed);
        Duration::from_nanos(weight.units().saturating_mul(pace) / PACE_UNITS)
    }

    /// What has been computed tells how fast the machine is.
    fn learn(&self, weight: Weight, spent: Duration) {
        let Weight::Exact(units) = weight else { return };
        // Threads may overwrite one another's step; it is an estimate.
        let before = self.pace.load(Ordering::Relaxed);
        let after = before.saturating_mul(7).saturating_add(pace(spent, units)) / 8;
        self.pace.store(after, Ordering::Relaxed);
    }

    /// What a hash thread does all its life.
    fn serve(&self, lane: Lane) {
        let mut argon2 = Argon2::new(self.kernel);
        loop {
            // A thread that holds nothing has no reason to wake up for nothing.
            let patience = if argon2.kept_kib() == 0 { Duration::MAX } else { IDLE };
            match self.queue.next(lane, patience) {
                Next::Work(work, ticket) => {
                    let watch = Stopwatch::start();
                    self.perform(work, &mut argon2);
                    self.queue.done(lane, &ticket, watch.elapsed());
                }
                Next::Idle => argon2.release(),
                Next::Closed => return,
            }
            if argon2.kept_kib() > self.keep_kib {
                argon2.release();
            }
        }
    }

    fn perform(&self, work: Box<dyn Work>, argon2: &mut Argon2) {
        if catch_unwind(AssertUnwindSafe(|| work.perform(argon2))).is_err() {
            tracing::error!("a password hash panicked; its caller gets an internal error");
            // Whatever state the panic left behind is not used again.
            *argon2 = Argon2::new(self.kernel);
        }
    }
}

struct Job<T, W> {
    work: W,
    weight: Weight,
    shared: Arc<Shared>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, W> Work for Job<T, W>
where
    T: Send,
    W: FnOnce(&mut Argon2) -> Result<T> + Send,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn perform(self: Box<Self>, argon2: &mut Argon2) {
        let Self { work, weight, shared, reply } = *self;
        let watch = Stopwatch::start();
        let result = work(argon2);
        let spent = watch.elapsed();
        metrics::histogram!("countersign_hash_seconds").record(spent.as_secs_f64());
        shared.learn(weight, spent);
        // The caller may have gone in the meantime; then nobody wants to know.
        drop(reply.send(result));
    }

    fn shed(self: Box<Self>, retry: Duration) {
        drop(self.reply.send(Err(overloaded(retry))));
    }
}

#[cfg(test)]
mod tests;
