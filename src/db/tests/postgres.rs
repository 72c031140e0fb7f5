//! What only a server at the other end of a wire can do to us.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Mutex, atomic::AtomicBool},
};

use tokio::time::{sleep, timeout};

use super::*;

async fn both(name: &str) -> Vec<World> {
    let mut worlds = Vec::new();
    worlds.extend(on_postgres(name, true).await);
    worlds.extend(on_postgres(name, false).await);
    worlds
}

const OPEN: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'countersign' AND state LIKE 'idle in transaction%'";
const OTHERS: &str = "SELECT CAST(COUNT(pg_terminate_backend(pid)) AS BIGINT) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn a_cancelled_write_leaves_no_open_transaction() {
    for World { db, .. } in both("cancelled").await {
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
        let write: Work<'_, ()> = Box::pin(db.write((), |tx, ()| {
            Box::pin(async move {
                sql("INSERT INTO t (id) VALUES (1)").execute(tx).await?;
                std::future::pending().await
            })
        }));
        assert!(timeout(Duration::from_millis(200), write).await.is_err());
        // The same row can be written, so nothing holds it.
        run(&db, "INSERT INTO t (id) VALUES (1)").await;
        assert_eq!(count(&db, OPEN).await, 0);
        assert_eq!(count(&db, "SELECT COUNT(*) FROM t").await, 1);
    }
}

#[tokio::test]
async fn serialization_failures_are_run_again() {
    for World { db, .. } in both("serialization").await {
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await;
        run(&db, "INSERT INTO t (id, v) VALUES (1, 0)").await;
        let runs = Runs::default();
        let writes = (0..3).map(|_| {
            db.write(runs.clone(), |tx, runs| {
                Box::pin(async move {
                    runs.add();
                    sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").execute(tx).await?;
                    let v: i64 = sql("SELECT v FROM t WHERE id = 1").one(tx).await?;
                    sleep(Duration::from_millis(10)).await;
                    sql("UPDATE t SET v = $1 WHERE id = 1").bind(v + 1).execute(tx).await
                })
            })
        });
        for result in join_all(writes).await {
            result.unwrap();
        }
        assert_eq!(count(&db, "SELECT v FROM t").await, 3);
        assert!(runs.get() > 3, "nothing conflicted, so nothing was tested");
    }
}

#[tokio::test]
async fn deadlocks_are_run_again() {
    for World { db, .. } in both("deadlock").await {
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await;
        run(&db, "INSERT INTO t (id, v) VALUES (1, 0), (2, 0)").await;
        let runs = Runs::default();
        let writes = [[1_i64, 2], [2, 1]].map(|ids| {
            db.write((ids, runs.clone()), |tx, (ids, runs)| {
                Box::pin(async move {
                    runs.add();
                    for id in ids {
                        let step = "UPDATE t SET v = v + 1 WHERE id = $1";
                        sql(step).bind(*id).execute(tx).await?;
                        sleep(Duration::from_millis(100)).await;
                    }
                    Ok(())
                })
            })
        });
        for result in join_all(writes).await {
            result.unwrap();
        }
        assert_eq!(count(&db, "SELECT CAST(SUM(v) AS BIGINT) FROM t").await, 4);
        assert!(runs.get() > 2, "nothing conflicted, so nothing was tested");
    }
}

#[tokio::test]
async fn a_killed_connection_is_replaced() {
    for World { db, config, .. } in both("killed").await {
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
        let killer = Db::open(&config).await.unwrap();
        count(&killer, "SELECT CAST(1 AS BIGINT)").await;
        // Killed while idle, and killed between two statements: either is not the caller's affair.
        assert!(count(&killer, OTHERS).await > 0);
        run(&db, "INSERT INTO t (id) VALUES (1)").await;
        let cx = (killer, Runs::default());
        let attempts = cx.1.clone();
        db.write(cx, |tx, (killer, runs)| {
            Box::pin(async move {
                sql("INSERT INTO t (id) VALUES (2)").execute(tx).await?;
                if runs.add() == 1 {
                    assert!(count(killer, OTHERS).await > 0);
                }
                sql("INSERT INTO t (id) VALUES (3)").execute(tx).await
            })
        })
        .await
        .unwrap();
        assert_eq!(attempts.get(), 2);
        assert_eq!(count(&db, "SELECT COUNT(*) FROM t").await, 3);
    }
}

#[tokio::test]
async fn too_few_connections_say_overloaded() {
    let Some(World { mut config, .. }) = on_postgres("few", true).await else { return };
    (config.max_connections, config.wait) = (1, Duration::from_millis(100));
    let db = Db::open(&config).await.unwrap();
    let nap = |_| db.read((), |tx, ()| Box::pin(sql("SELECT pg_sleep(0.5)").execute(tx)));
    let results = join_all((0..2).map(nap)).await;
    assert_eq!(results[0].as_ref().ok(), Some(&1));
    let overloaded = matches!(results[1], Err(Error::Busy { code: Code::Overloaded, .. }));
    assert!(overloaded, "{:?}", results[1]);
}

#[tokio::test]
async fn unprepared_statements_leave_nothing_on_the_server() {
    for (prepared, expected) in [(true, 1), (false, 0)] {
        let Some(World { mut config, .. }) = on_postgres("unnamed", prepared).await else { return };
        config.max_connections = 1;
        let db = Db::open(&config).await.unwrap();
        count(&db, "SELECT COUNT(*) FROM pg_prepared_statements").await;
        let left = count(&db, "SELECT COUNT(*) FROM pg_prepared_statements").await;
        assert_eq!(left, expected);
    }
}

/// A wire to the server that can be cut, and held.
struct Wire {
    url: String,
    cut: Arc<AtomicBool>,
    held: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    /// `None` where the server is not reached by TCP.
    fn to(target: &str) -> Option<Self> {
        let mut url = url::Url::parse(target).unwrap();
        let host = url.host_str().filter(|host| !host.contains('%'))?;
        let server = format!("{host}:{}", url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let wire = Self {
            url: url.to_string(),
            cut: Arc::default(),
            held: Arc::default(),
            streams: Arc::default(),
        };
        let (cut, held) = (Arc::clone(&wire.cut), Arc::clone(&wire.held));
        let streams = Arc::clone(&wire.streams);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(std::result::Result::ok) {
                if cut.load(Ordering::SeqCst) {
                    continue;
                }
                let far = TcpStream::connect(&server).unwrap();
                streams
                    .lock()
                    .unwrap()
                    .extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                copy(near.try_clone().unwrap(), far.try_clone().unwrap(), Arc::clone(&held));
                copy(far, near, Arc::clone(&held));
            }
        });
        Some(wire)
    }

    fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    async fn open(&self, config: &DatabaseConfig) -> Db {
        let url = DatabaseUrl::Postgres(Secret::new(self.url.clone()));
        Db::open(&DatabaseConfig { url, ..config.clone() }).await.unwrap()
    }
}

/// Copies until either side ends; swallows everything while `held`.
fn copy(mut from: TcpStream, mut to: TcpStream, held: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut block = [0; 4096];
        while let Ok(length) = from.read(&mut block) {
            let held = held.load(Ordering::SeqCst);
            if length == 0 || (!held && to.write_all(&block[..length]).is_err()) {
                break;
            }
        }
        let _gone = to.shutdown(Shutdown::Both);
    });
}

fn plain(world: &World) -> Option<Wire> {
    match &world.config.url {
        DatabaseUrl::Postgres(url) => Wire::to(url.expose()),
        DatabaseUrl::Sqlite(_) => None,
    }
}

#[tokio::test]
async fn a_lost_server_is_busy_and_comes_back() {
    for world in both("lost").await {
        let Some(wire) = plain(&world) else { return };
        let db = wire.open(&world.config).await;
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
        wire.cut(true);
        let write =
            db.write((), |tx, ()| Box::pin(sql("INSERT INTO t (id) VALUES (1)").execute(tx))).await;
        for result in [write.map(drop), db.ping().await] {
            assert!(is_unavailable(&result), "{result:?}");
        }
        wire.cut(false);
        run(&db, "INSERT INTO t (id) VALUES (1)").await;
        assert_eq!(count(&db, "SELECT COUNT(*) FROM t").await, 1);
    }
}

#[tokio::test]
async fn a_silent_server_is_busy_and_comes_back() {
    let Some(world) = on_postgres("silent", true).await else { return };
    let Some(wire) = plain(&world) else { return };
    let db = wire.open(&world.config).await;
    db.ping().await.unwrap();
    wire.held.store(true, Ordering::SeqCst);
    let result = timeout(Duration::from_secs(8), db.ping()).await.expect("no answer in time");
    assert!(is_unavailable(&result), "{result:?}");
    wire.held.store(false, Ordering::SeqCst);
    db.ping().await.unwrap();
}

#[tokio::test]
async fn a_lost_commit_is_not_run_again() {
    let Some(world) = on_postgres("lost_commit", true).await else { return };
    let Some(wire) = plain(&world) else { return };
    let db = wire.open(&world.config).await;
    run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    let cx = (Runs::default(), Arc::clone(&wire.held));
    let attempts = cx.0.clone();
    let write = db.write(cx, |tx, (runs, held)| {
        Box::pin(async move {
            runs.add();
            sql("INSERT INTO t (id) VALUES (1)").execute(tx).await?;
            // From here on the server hears nothing, not even the COMMIT.
            held.store(true, Ordering::SeqCst);
            Ok(())
        })
    });
    let cutting = async {
        sleep(Duration::from_millis(300)).await;
        wire.cut(false);
        wire.held.store(false, Ordering::SeqCst);
    };
    let (result, ()) = futures_util::future::join(write, cutting).await;
    assert!(matches!(result, Err(Error::Busy { .. })), "{result:?}");
    assert_eq!(attempts.get(), 1);
}
