//! What only SQLite's writer thread can get wrong.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn path(world: &World) -> std::path::PathBuf {
    match &world.config.url {
        DatabaseUrl::Sqlite(path) => path.clone(),
        DatabaseUrl::Postgres(_) => unreachable!(),
    }
}

/// Has `writes` share one transaction: the writer is kept waiting until all are in its queue.
async fn together<T>(
    world: &World,
    writes: impl Iterator<Item = impl Future<Output = T>>,
) -> Vec<T> {
    let other = rusqlite::Connection::open(path(world)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let first = world.db.write((), |tx, ()| Box::pin(sql("SELECT 1").execute(tx)));
    let release = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.execute_batch("ROLLBACK").unwrap();
    };
    // The first is taken alone, and waits for the lock; the rest queue behind it.
    let writes = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        join_all(writes).await
    };
    // On a busy machine the first may share the batch of the rest, and its fate.
    let (_, (), results) = futures_util::future::join3(first, release, writes).await;
    results
}

#[tokio::test]
async fn the_writer_outlives_bad_jobs() {
    let world = on_sqlite().await;
    let db = &world.db;
    run(db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    let writes = (0..12_i64).map(|id| {
        db.write(id, |tx, id| {
            Box::pin(async move {
                sql("INSERT INTO t (id) VALUES ($1)").bind(*id).execute(tx).await?;
                match id % 3 {
                    0 => panic!("a job's own fault"),
                    1 => std::future::pending().await,
                    _ => Ok(*id),
                }
            })
        })
    });
    for (id, result) in together(&world, writes).await.into_iter().enumerate() {
        match id % 3 {
            0 => assert!(says(&result).contains("panicked: a job's own fault")),
            1 => assert!(says(&result).contains("awaited something other")),
            _ => assert!(result.is_ok(), "{result:?}"),
        }
    }
    assert_eq!(count(db, "SELECT COUNT(*) FROM t").await, 4);
    run(db, "INSERT INTO t (id) VALUES (100)").await;
}

#[tokio::test]
async fn a_job_that_ends_the_transaction_fails_its_batch_and_no_more() {
    let World { db, _folder, .. } = on_sqlite().await;
    run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    for end in ["COMMIT", "ROLLBACK"] {
        let result = db.write(end, |tx, end| Box::pin(sql(end).execute(tx))).await;
        assert!(says(&result).contains("ended the transaction"));
    }
    run(&db, "INSERT INTO t (id) VALUES (1)").await;
    assert_eq!(count(&db, "SELECT COUNT(*) FROM t").await, 1);
}

#[tokio::test]
async fn a_failed_commit_fails_its_batch_and_no_more() {
    let world = on_sqlite().await;
    let db = &world.db;
    run(
        db,
        "CREATE TABLE t (id BIGINT PRIMARY KEY,
         up BIGINT REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    let insert = |up: Option<i64>| {
        db.write(up, |tx, up| Box::pin(sql("INSERT INTO t (up) VALUES ($1)").bind(*up).execute(tx)))
    };
    for result in together(&world, [None, Some(9), None].into_iter().map(insert)).await {
        assert!(says(&result).contains("COMMIT"), "{result:?}");
    }
    insert(None).await.unwrap();
    assert_eq!(count(db, "SELECT COUNT(*) FROM t").await, 1);
}

#[tokio::test]
async fn a_reader_cannot_write_or_wait() {
    let World { db, _folder, .. } = on_sqlite().await;
    run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    let write =
        db.read((), |tx, ()| Box::pin(sql("INSERT INTO t (id) VALUES (1)").execute(tx))).await;
    assert!(matches!(write, Err(Error::Internal(_))), "{write:?}");
    let wait: Result<()> = db.read((), |_, ()| Box::pin(std::future::pending())).await;
    assert!(says(&wait).contains("awaited something other"));
    assert_eq!(count(&db, "SELECT COUNT(*) FROM t").await, 0);
}

#[tokio::test]
async fn a_full_disk_is_told_and_got_over() {
    let world = on_sqlite().await;
    let db = &world.db;
    run(db, "CREATE TABLE t (id BIGINT PRIMARY KEY, fill BYTEA)").await;
    let fill = |id: i64| {
        db.write(id, |tx, id| {
            let insert = "INSERT INTO t (id, fill) VALUES ($1, $2)";
            Box::pin(sql(insert).bind(*id).bind(vec![7; 200_000]).execute(tx))
        })
    };
    run(db, "PRAGMA max_page_count = 10").await;
    for result in together(&world, (0..3).map(fill)).await {
        assert!(matches!(result, Err(Error::Busy { code: Code::StorageFull, .. })), "{result:?}");
    }
    run(db, "PRAGMA max_page_count = 100000").await;
    fill(9).await.unwrap();
    assert_eq!(count(db, "SELECT COUNT(*) FROM t").await, 1);
}

#[tokio::test]
async fn another_process_writing_makes_it_busy() {
    let mut world = on_sqlite().await;
    world.db.close().await;
    world.config.wait = Duration::from_millis(50);
    world.db = Db::open(&world.config).await.unwrap();
    run(&world.db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    let other = rusqlite::Connection::open(path(&world)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let result = world
        .db
        .write((), |tx, ()| Box::pin(sql("INSERT INTO t (id) VALUES (1)").execute(tx)))
        .await;
    assert!(is_unavailable(&result), "{result:?}");
    assert_eq!(count(&world.db, "SELECT COUNT(*) FROM t").await, 0);
    other.execute_batch("ROLLBACK").unwrap();
    run(&world.db, "INSERT INTO t (id) VALUES (1)").await;
}

#[tokio::test]
async fn closing_waits_for_the_queue_and_leaves_one_private_file() {
    let world = on_sqlite().await;
    run(&world.db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    let writes = (0..200_i64).map(|id| {
        world.db.write(id, |tx, id| {
            Box::pin(sql("INSERT INTO t (id) VALUES ($1)").bind(*id).execute(tx))
        })
    });
    // The writes are polled, and so queued, before the close.
    let (written, ()) = futures_util::future::join(join_all(writes), world.db.close()).await;
    assert!(written.iter().all(Result::is_ok));
    let path = path(&world);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    let again = Db::open(&world.config).await.unwrap();
    assert_eq!(count(&again, "SELECT COUNT(*) FROM t").await, 200);
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_skipped() {
    let world = on_sqlite().await;
    run(&world.db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    let other = rusqlite::Connection::open(path(&world)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The first waits for the other process's lock; the second, behind it, is given up.
    let first =
        world.db.write((), |tx, ()| Box::pin(sql("INSERT INTO t (id) VALUES (1)").execute(tx)));
    let second = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let runs = Runs::default();
        let write = world.db.write(runs.clone(), |tx, runs| {
            runs.add();
            Box::pin(sql("INSERT INTO t (id) VALUES (2)").execute(tx))
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), write).await.is_err());
        other.execute_batch("ROLLBACK").unwrap();
        runs
    };
    let (first, runs) = futures_util::future::join(first, second).await;
    assert_eq!(first.unwrap(), 1);
    run(&world.db, "INSERT INTO t (id) VALUES (3)").await;
    assert_eq!(runs.get(), 0);
    assert_eq!(count(&world.db, "SELECT COUNT(*) FROM t").await, 2);
}

#[tokio::test]
async fn a_statement_is_compiled_once_whatever_is_bound_to_it() {
    let world = on_sqlite().await;
    run(&world.db, "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT, b TEXT)").await;
    // Whether this one may be used depends on what is bound.
    run(&world.db, "CREATE INDEX t_b ON t (b) WHERE a = 'x'").await;
    let reader = crate::db::open::sqlite_reader(&path(&world), Duration::from_secs(1)).unwrap();
    let text = "SELECT id FROM t WHERE a = ?1 AND b > ?2";
    let mut statement = reader.prepare(text).unwrap();
    for round in ["x", "y", "z"] {
        statement.query([round, round]).unwrap().next().unwrap();
    }
    assert_eq!(statement.get_status(rusqlite::StatementStatus::RePrepare), 0);
}
