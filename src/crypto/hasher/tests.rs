use std::sync::{
    atomic::{AtomicBool, AtomicUsize},
    mpsc,
};

use super::*;

fn config(threads: usize, queue: usize) -> PasswordConfig {
    PasswordConfig {
        memory_kib: 64,
        passes: 1,
        threads,
        queue,
        nice: 0,
        kernel: Kernel::Portable,
        pepper: None,
        previous_peppers: Vec::new(),
        breach_filter: None,
        breach_service: None,
    }
}

/// Whoever sends these.
const ONE: Order = Order { share: Share::of(1), class: Class::Stranger };

/// Somebody else.
const OTHER: Order = Order { share: Share::of(2), class: Class::Stranger };

const LIGHT: Weight = Weight::Exact(64);

/// Work that says when it has begun and goes on when it is told to.
fn gate() -> (impl FnOnce(&mut Argon2) -> Result<()> + Send + 'static, Gate) {
    let (begun, has_begun) = oneshot::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let work = move |_: &mut Argon2| {
        begun.send(()).unwrap();
        // An error means that the test has let go of its end, which is a "go" too.
        let _ = may_go.recv();
        Ok(())
    };
    (work, Gate { has_begun, go })
}

struct Gate {
    has_begun: oneshot::Receiver<()>,
    go: mpsc::Sender<()>,
}

/// Starts a gated job that occupies the only thread.
async fn occupied(hasher: &Arc<Hasher>) -> (impl Future<Output = Result<()>>, mpsc::Sender<()>) {
    let (work, gate) = gate();
    let hasher = Arc::clone(hasher);
    let mut running = Box::pin(async move { hasher.run(ONE, LIGHT, work).await });
    tokio::select! {
        _ = &mut running => panic!("it cannot be done yet"),
        begun = gate.has_begun => begun.unwrap(),
    }
    (running, gate.go)
}

#[tokio::test]
async fn work_is_done_on_a_hash_thread_and_its_result_comes_back() {
    let hasher = Hasher::new(&config(1, 4)).unwrap();
    let name =
        hasher.run(ONE, LIGHT, |_| Ok(thread::current().name().map(str::to_owned))).await.unwrap();
    assert!(name.is_some_and(|name| name.starts_with("hash-")));
    let refused = hasher.run(ONE, LIGHT, |_| Err::<(), _>(Error::NotFound)).await;
    assert!(matches!(refused, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let hasher = Arc::new(Hasher::new(&config(1, 1)).unwrap());
    let (running, go) = occupied(&hasher).await;
    let mut waiting = Box::pin(hasher.run(ONE, LIGHT, |_| Ok(7)));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    assert_eq!(hasher.depth(), 1);
    let refused = hasher.run(ONE, LIGHT, |_| Ok(())).await;
    let Err(Error::Busy { code: Code::Overloaded, retry }) = refused else {
        panic!("{refused:?}");
    };
    assert!((1..=30).contains(&retry.as_secs()), "{retry:?}");
    go.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(waiting.await.unwrap(), 7);
}

#[tokio::test]
async fn work_whose_caller_has_gone_is_skipped_and_keeps_nobody_out() {
    let hasher = Arc::new(Hasher::new(&config(1, 1)).unwrap());
    let (running, go) = occupied(&hasher).await;
    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&done);
    let mut gone = Box::pin(hasher.run(ONE, LIGHT, move |_| {
        seen.store(true, Ordering::SeqCst);
        Ok(())
    }));
    assert!(futures_util::poll!(&mut gone).is_pending());
    drop(gone);
    // The queue holds one job, and that one is given up: there is room.
    let mut next = Box::pin(hasher.run(ONE, LIGHT, |_| Ok(7)));
    assert!(futures_util::poll!(&mut next).is_pending());
    go.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(next.await.unwrap(), 7);
    assert!(!done.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_caller_gone_while_there_is_room_is_skipped_by_the_thread() {
    let hasher = Arc::new(Hasher::new(&config(1, 9)).unwrap());
    let (running, go) = occupied(&hasher).await;
    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&done);
    let mut gone = Box::pin(hasher.run(ONE, LIGHT, move |_| {
        seen.store(true, Ordering::SeqCst);
        Ok(())
    }));
    assert!(futures_util::poll!(&mut gone).is_pending());
    drop(gone);
    go.send(()).unwrap();
    running.await.unwrap();
    hasher.run(ONE, LIGHT, |_| Ok(())).await.unwrap();
    assert!(!done.load(Ordering::SeqCst));
}

#[tokio::test]
async fn waiting_has_an_end_and_late_work_is_not_started() {
    let mut hasher = Hasher::new(&config(1, 4)).unwrap();
    hasher.patience = Duration::from_millis(20);
    let hasher = Arc::new(hasher);
    let (work, gate) = gate();
    let slow = hasher.run(ONE, LIGHT, work).await;
    assert!(matches!(slow, Err(Error::Busy { code: Code::Overloaded, .. })), "{slow:?}");
    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&done);
    let late = hasher.run(ONE, LIGHT, move |_| {
        seen.store(true, Ordering::SeqCst);
        Ok(())
    });
    assert!(matches!(late.await, Err(Error::Busy { .. })));
    gate.go.send(()).unwrap();
    while hasher.run(ONE, LIGHT, |_| Ok(())).await.is_err() {}
    assert!(!done.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_panic_fails_its_own_job_only() {
    let hasher = Hasher::new(&config(1, 4)).unwrap();
    let failed = hasher.run(ONE, LIGHT, |_| -> Result<()> { panic!("on purpose") }).await;
    assert!(matches!(failed, Err(Error::Internal(_))), "{failed:?}");
    assert_eq!(hasher.run(ONE, LIGHT, |_| Ok(7)).await.unwrap(), 7);
}

#[tokio::test]
async fn as_many_jobs_run_at_once_as_there_are_threads() {
    let hasher = Arc::new(Hasher::new(&config(2, 4)).unwrap());
    let (first, go_first) = occupied(&hasher).await;
    let (second, go_second) = occupied(&hasher).await;
    drop((go_first, go_second));
    first.await.unwrap();
    second.await.unwrap();
}

#[tokio::test]
async fn a_thread_keeps_its_memory_but_not_that_of_a_costly_stranger() {
    use crate::crypto::kernel::{Cost, Variant, Version};
    let cost = |memory_kib| Cost {
        variant: Variant::Id,
        version: Version::V13,
        memory_kib,
        passes: 1,
        lanes: 1,
    };
    let hasher = Hasher::new(&config(1, 4)).unwrap();
    let hash = |memory_kib| {
        hasher.run(ONE, LIGHT, move |argon2| {
            argon2.tag(&cost(memory_kib), b"word", b"somesalt", 32).map(drop)
        })
    };
    let kept = || hasher.run(ONE, LIGHT, |argon2| Ok(argon2.kept_kib()));
    hash(64).await.unwrap();
    assert_eq!(kept().await.unwrap(), 64);
    hash(128).await.unwrap();
    assert_eq!(kept().await.unwrap(), 0);
}

#[tokio::test]
async fn dropping_the_hasher_ends_its_threads() {
    struct Told(Option<oneshot::Sender<()>>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    thread_local! {
        static ALIVE: std::cell::RefCell<Option<Told>> = const { std::cell::RefCell::new(None) };
    }
    let (told, ended) = oneshot::channel();
    let hasher = Hasher::new(&config(1, 4)).unwrap();
    let told = Told(Some(told));
    hasher
        .run(ONE, LIGHT, move |_| {
            ALIVE.set(Some(told));
            Ok(())
        })
        .await
        .unwrap();
    drop(hasher);
    let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
    ended.expect("the thread still runs").unwrap();
}

#[tokio::test]
async fn many_callers_are_all_answered() {
    let hasher = Arc::new(Hasher::new(&config(2, 400)).unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let calls = (0..100).map(|_| {
        let count = Arc::clone(&count);
        hasher.run(ONE, LIGHT, move |_| Ok(count.fetch_add(1, Ordering::SeqCst)))
    });
    let results = futures_util::future::join_all(calls).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(count.load(Ordering::SeqCst), 100);
}

#[test]
fn the_time_to_come_back_is_in_whole_seconds_and_has_bounds() {
    for (span, seconds) in [(0, 1), (1000, 1), (1001, 2), (30_000, 30), (90_000, 30)] {
        let Error::Busy { retry, .. } = overloaded(Duration::from_millis(span)) else { panic!() };
        assert_eq!(retry, Duration::from_secs(seconds), "{span} ms");
    }
}

#[tokio::test]
async fn somebody_else_is_served_while_every_thread_works_for_one() {
    let hasher = Arc::new(Hasher::new(&config(1, 100)).unwrap());
    let (running, go) = occupied(&hasher).await;
    let done = Arc::new(AtomicUsize::new(0));
    let flood = (0..30).map(|_| {
        let (hasher, done) = (Arc::clone(&hasher), Arc::clone(&done));
        let count = move |_: &mut Argon2| Ok(done.fetch_add(1, Ordering::SeqCst));
        Box::pin(async move { hasher.run(ONE, LIGHT, count).await })
    });
    let mut flood = futures_util::future::join_all(flood);
    assert!(futures_util::poll!(&mut flood).is_pending());
    // The one common thread is busy until it is told to go on.
    hasher.run(OTHER, LIGHT, |_| Ok(())).await.unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 0);
    go.send(()).unwrap();
    running.await.unwrap();
    assert!(flood.await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_costly_hash_is_refused_once_it_would_come_too_late() {
    let hasher = Arc::new(Hasher::new(&config(1, 100)).unwrap());
    let (running, go) = occupied(&hasher).await;
    // 64 units are thought to take 20 ms until something has been measured: this is 8 seconds.
    let heavy = Weight::Rough(64 * 400);
    let mut first = Box::pin(hasher.run(ONE, heavy, |_| Ok(())));
    assert!(futures_util::poll!(&mut first).is_pending());
    let refused = hasher.run(ONE, heavy, |_| Ok(())).await;
    assert!(matches!(refused, Err(Error::Busy { code: Code::Overloaded, .. })), "{refused:?}");
    go.send(()).unwrap();
    running.await.unwrap();
    first.await.unwrap();
}
