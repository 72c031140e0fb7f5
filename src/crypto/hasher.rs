//! The threads that hash passwords, and the queue before them.
//!
//! A hash takes milliseconds of one core and megabytes of memory, so a fixed number of threads
//! does them, each with memory it keeps, and what cannot be done in time is refused at once
//! rather than promised. It never runs on the async runtime's own threads. What is computed is
//! not here (`crypto::password`).

mod queue;

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

use crate::{
    clock::Stopwatch,
    config::{Kernel, PasswordConfig},
    crypto::kernel::{self, Argon2},
    error::{Code, Context, Error, Result},
};

use queue::{Next, Queue, Work};

/// How long a caller waits for its hash before it is told that we are overloaded.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a thread without work keeps its memory.
const IDLE: Duration = Duration::from_secs(30);

/// A guess at the time of one hash until one has been measured.
const FIRST_GUESS: Duration = Duration::from_millis(20);

/// The threads and their queue. Dropping it ends the threads; what still waits is not done.
#[derive(Debug)]
pub struct Hasher {
    shared: Arc<Shared>,
    threads: usize,
    patience: Duration,
}

#[derive(Debug)]
struct Shared {
    queue: Queue,
    kernel: Kernel,
    /// Memory that a thread keeps between hashes; what a foreign hash needed beyond it goes back.
    keep_kib: usize,
    /// A moving average of the time of one job, in microseconds.
    usual_micros: AtomicU64,
}

impl Hasher {
    /// Tests the kernel and starts the threads.
    ///
    /// # Errors
    /// Where the operating system gives no thread.
    pub fn new(config: &PasswordConfig) -> Result<Self> {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        let threads = if config.threads == 0 { cores() } else { config.threads };
        let shared = Arc::new(Shared {
            queue: Queue::new(config.queue.max(1)),
            kernel: kernel::tested(config.kernel),
            keep_kib: usize::try_from(config.memory_kib).unwrap_or(usize::MAX),
            usual_micros: AtomicU64::new(micros(FIRST_GUESS)),
        });
        // Made first, so that the threads already started end where the next one cannot start.
        let hasher = Self { shared, threads, patience: PATIENCE };
        for number in 0..threads {
            let shared = Arc::clone(&hasher.shared);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || shared.serve())
                .doing("starting a hash thread")?;
        }
        Ok(hasher)
    }

    /// Has `work` done by a hash thread and waits for its result.
    ///
    /// Work whose caller has gone away, or has waited for ten seconds, is not started.
    ///
    /// # Errors
    /// [`Error::Busy`] at once where the queue is full, or after ten seconds of waiting; otherwise
    /// what `work` returns. A panic in `work` is an internal error of this call only.
    pub async fn run<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&mut Argon2) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Job { work, reply });
        if !self.shared.queue.push(job) {
            return Err(self.overloaded());
        }
        match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(result)) => result,
            // A panic drops the sender; so does the end of the threads.
            Ok(Err(_)) => Err(Error::internal("hashing", "the hash thread gave no answer")),
            Err(_) => Err(self.overloaded()),
        }
    }

    /// Jobs that wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.shared.queue.depth()
    }

    fn overloaded(&self) -> Error {
        metrics::counter!("countersign_hash_shed_total").increment(1);
        let usual = Duration::from_micros(self.shared.usual_micros.load(Ordering::Relaxed));
        Error::Busy { code: Code::Overloaded, retry: retry(self.depth(), self.threads, usual) }
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

/// When the queue will have been worked off: whole seconds, 1 to 30.
fn retry(depth: usize, threads: usize, usual: Duration) -> Duration {
    let rounds = u32::try_from(depth.div_ceil(threads.max(1))).unwrap_or(u32::MAX);
    let seconds = usual.saturating_mul(rounds).as_millis().div_ceil(1000).clamp(1, 30);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(30))
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

impl Shared {
    /// What a hash thread does all its life.
    fn serve(&self) {
        let mut argon2 = Argon2::new(self.kernel);
        loop {
            // A thread that holds nothing has no reason to wake up for nothing.
            let patience = if argon2.kept_kib() == 0 { Duration::MAX } else { IDLE };
            match self.queue.next(patience) {
                Next::Work(work) => self.perform(work, &mut argon2),
                Next::Idle => argon2.release(),
                Next::Closed => return,
            }
            if argon2.kept_kib() > self.keep_kib {
                argon2.release();
            }
        }
    }

    fn perform(&self, work: Box<dyn Work>, argon2: &mut Argon2) {
        let watch = Stopwatch::start();
        if catch_unwind(AssertUnwindSafe(|| work.perform(argon2))).is_err() {
            tracing::error!("a password hash panicked; its caller gets an internal error");
            // Whatever state the panic left behind is not used again.
            *argon2 = Argon2::new(self.kernel);
            return;
        }
        let spent = watch.elapsed();
        metrics::histogram!("countersign_hash_seconds").record(spent.as_secs_f64());
        // Threads may overwrite one another's step; it is an estimate.
        let before = self.usual_micros.load(Ordering::Relaxed);
        let after = before.saturating_mul(7).saturating_add(micros(spent)) / 8;
        self.usual_micros.store(after, Ordering::Relaxed);
    }
}

struct Job<T, W> {
    work: W,
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
        let result = (self.work)(argon2);
        // The caller may have gone in the meantime; then nobody wants to know.
        drop(self.reply.send(result));
    }
}

#[cfg(test)]
mod tests;
