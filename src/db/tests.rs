//! What holds on both engines. PostgreSQL takes part, with and without prepared statements, where
//! `COUNTERSIGN_TEST_DATABASE_URL` names a server on which databases may be made.

mod pooler;
mod postgres;
mod sqlite;
mod whole;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::{
    clock::Timestamp,
    config::{DatabaseConfig, DatabaseUrl},
    error::Code,
    id::{TenantId, UserId},
    secret::Secret,
};

const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

/// A fresh, empty database and what must live as long as it.
struct World {
    db: Db,
    config: DatabaseConfig,
    _folder: Option<TempDir>,
}

#[expect(clippy::disallowed_methods, reason = "a test has no config.rs to read it for it")]
fn server() -> Option<String> {
    std::env::var("COUNTERSIGN_TEST_DATABASE_URL").ok()
}

fn config(url: DatabaseUrl, prepared_statements: bool) -> DatabaseConfig {
    DatabaseConfig { url, max_connections: 8, prepared_statements, wait: Duration::from_secs(5) }
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

async fn on_sqlite() -> World {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/on/the/way/data.db");
    let config = config(DatabaseUrl::Sqlite(path), true);
    World { db: Db::open(&config).await.unwrap(), config, _folder: Some(folder) }
}

/// `name` must be unlike that of any other test.
async fn on_postgres(name: &str, prepared: bool) -> Option<World> {
    let server = server()?;
    let name = format!("countersign_db_{name}_{prepared}");
    let admin = config(DatabaseUrl::Postgres(Secret::new(server.clone())), false);
    let admin = Db::open(&admin).await.unwrap();
    run(&admin, leak(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).await;
    run(&admin, leak(format!("CREATE DATABASE {name}"))).await;
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    let config = config(DatabaseUrl::Postgres(Secret::new(url.to_string())), prepared);
    Some(World { db: Db::open(&config).await.unwrap(), config, _folder: None })
}

async fn worlds(name: &str) -> Vec<World> {
    let mut worlds = vec![on_sqlite().await];
    worlds.extend(on_postgres(name, true).await);
    worlds.extend(on_postgres(name, false).await);
    worlds
}

/// One statement on its own; on PostgreSQL outside any transaction.
async fn run(db: &Db, text: &'static str) {
    if db.engine() == Engine::Postgres {
        db.read(text, |tx, text| Box::pin(sql(text).execute(tx))).await.unwrap();
    } else {
        db.write(text, |tx, text| Box::pin(sql(text).execute(tx))).await.unwrap();
    }
}

async fn count(db: &Db, text: &'static str) -> i64 {
    db.read(text, |tx, text| Box::pin(sql(text).one(tx))).await.unwrap()
}

fn is_unavailable<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Busy { code: Code::DatabaseUnavailable, .. }))
}

fn says<T: std::fmt::Debug>(result: &Result<T>) -> String {
    format!("{:?}", result.as_ref().unwrap_err())
}

#[tokio::test]
async fn values_come_back_as_they_went_in() {
    type Found = (Option<String>, Option<i64>, Option<bool>, Option<Vec<u8>>, Option<f64>);
    for World { db, .. } in worlds("values").await {
        run(
            &db,
            "CREATE TABLE things (id BIGINT PRIMARY KEY, t TEXT, n BIGINT, b BOOLEAN,
             y BYTEA, r DOUBLE PRECISION)",
        )
        .await;
        let full: Found = (
            Some("Zürich 'quoted'".to_owned()),
            Some(i64::MIN),
            Some(true),
            Some(vec![0, 255, 1]),
            Some(-0.25),
        );
        let plain: Found = (Some(String::new()), Some(0), Some(false), Some(Vec::new()), Some(2.0));
        for (id, (t, n, b, y, r)) in
            [(1_i64, full.clone()), (2, plain.clone()), (3, Found::default())]
        {
            let cx = (id, t, n, b, y, r);
            db.write(cx, |tx, (id, t, n, b, y, r)| {
                Box::pin(
                    sql("INSERT INTO things (id, t, n, b, y, r) VALUES ($1, $2, $3, $4, $5, $6)")
                        .bind(*id)
                        .bind(t.clone())
                        .bind(*n)
                        .bind(*b)
                        .bind(y.clone())
                        .bind(*r)
                        .execute(tx),
                )
            })
            .await
            .unwrap();
        }
        let found: Vec<Found> = db
            .read((), |tx, ()| {
                Box::pin(sql("SELECT t, n, b, y, r FROM things ORDER BY id").all(tx))
            })
            .await
            .unwrap();
        assert_eq!(found, [full, plain, Found::default()], "{db:?}");
        assert_eq!(count(&db, "SELECT COUNT(*) FROM things WHERE b").await, 1);
    }
}

/// A row with the columns that are types of ours.
#[derive(Debug, PartialEq)]
struct Person {
    id: UserId,
    tenant: Option<TenantId>,
    made: Timestamp,
    key: [u8; 4],
}

impl FromRow for Person {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            tenant: row.get("tenant")?,
            made: row.get("made")?,
            key: row.get("key")?,
        })
    }
}

#[tokio::test]
async fn our_own_types_have_columns_too() {
    for World { db, .. } in worlds("own_types").await {
        run(&db, "CREATE TABLE people (id TEXT, tenant TEXT, made BIGINT, key BYTEA)").await;
        let id: UserId = "usr_01h45ytscbebyvny4gc8cr8ma2".parse().unwrap();
        db.write(id, |tx, id| {
            Box::pin(
                sql("INSERT INTO people (id, tenant, made, key) VALUES ($1, $2, $3, $4)")
                    .bind(*id)
                    .bind(None::<TenantId>)
                    .bind(NOW)
                    .bind([1, 2, 3, 4])
                    .execute(tx),
            )
        })
        .await
        .unwrap();
        let person: Person =
            db.read((), |tx, ()| Box::pin(sql("SELECT * FROM people").one(tx))).await.unwrap();
        assert_eq!(person, Person { id, tenant: None, made: NOW, key: [1, 2, 3, 4] });
        // A column of another type is told by its name and never by its value.
        run(&db, "UPDATE people SET id = 'secret'").await;
        let fault = says(
            &db.read((), |tx, ()| Box::pin(sql("SELECT * FROM people").one::<Person>(tx))).await,
        );
        assert!(fault.contains("`id`") && !fault.contains("secret"), "{fault}");
        let fault = says(
            &db.read((), |tx, ()| Box::pin(sql("SELECT key FROM people").one::<Person>(tx))).await,
        );
        assert!(fault.contains("no column `id`"), "{fault}");
    }
}

#[tokio::test]
async fn binds_are_numbered_alike() {
    for World { db, .. } in worlds("binds").await {
        let found: (String, String, i64, bool) = db
            .read((), |tx, ()| {
                Box::pin(
                    sql("SELECT $2, $1 || $1, $3 + $3, ($4 IS NULL OR $4 = $1)")
                        .bind("a")
                        .bind("b")
                        .bind(4_i64)
                        .bind(None::<String>)
                        .one(tx),
                )
            })
            .await
            .unwrap();
        assert_eq!(found, ("b".to_owned(), "aa".to_owned(), 8, true), "{db:?}");
        let missing = db.read((), |tx, ()| Box::pin(sql("SELECT $1").one::<String>(tx))).await;
        assert!(matches!(missing, Err(Error::Internal(_))));
    }
}

#[tokio::test]
async fn rows_are_counted_alike() {
    for World { db, .. } in worlds("counts").await {
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT)").await;
        let counts = db
            .write((), |tx, ()| {
                Box::pin(async move {
                    let insert = "INSERT INTO t (id, v) VALUES ($1, 0) ON CONFLICT DO NOTHING";
                    let mut counts = Vec::new();
                    for id in [1_i64, 2, 2] {
                        counts.push(sql(insert).bind(id).execute(tx).await?);
                    }
                    counts.push(sql("UPDATE t SET v = 1").execute(tx).await?);
                    counts.push(sql("UPDATE t SET v = 2 RETURNING id").execute(tx).await?);
                    counts.push(sql("SELECT id FROM t").execute(tx).await?);
                    counts.push(sql("DELETE FROM t WHERE id = 7").execute(tx).await?);
                    Ok(counts)
                })
            })
            .await
            .unwrap();
        assert_eq!(counts, [1, 1, 0, 2, 2, 2, 0], "{db:?}");
        let first = db
            .write((), |tx, ()| Box::pin(sql("UPDATE t SET v = 3 RETURNING v").optional::<i64>(tx)))
            .await;
        assert_eq!(first.unwrap(), Some(3));
        assert_eq!(count(&db, "SELECT COUNT(*) FROM t WHERE v = 3").await, 2, "{db:?}");
        let none: Option<i64> = db
            .read((), |tx, ()| Box::pin(sql("SELECT id FROM t WHERE id = 9").optional(tx)))
            .await
            .unwrap();
        assert_eq!(none, None);
        let fault = says(
            &db.read((), |tx, ()| Box::pin(sql("SELECT id FROM t WHERE id = 9").one::<i64>(tx)))
                .await,
        );
        assert!(fault.contains("SELECT id FROM t WHERE id = 9"), "{fault}");
    }
}

#[tokio::test]
async fn a_pipeline_runs_in_order() {
    for World { db, .. } in worlds("pipeline").await {
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await;
        let steps = || {
            vec![
                sql("INSERT INTO t (id, v) VALUES ($1, $2)").bind(1_i64).bind(10_i64),
                sql("UPDATE t SET v = v + $1 WHERE id = 1").bind(5_i64),
                sql("INSERT INTO t (id, v) SELECT 2, v FROM t WHERE id = $1").bind(1_i64),
                sql("UPDATE t SET v = v * 2"),
            ]
        };
        let counts = db
            .write((), move |tx, ()| Box::pin(async move { tx.pipeline(steps()).await }))
            .await
            .unwrap();
        assert_eq!(counts, [1, 1, 1, 2], "{db:?}");
        assert_eq!(count(&db, "SELECT v FROM t WHERE id = 2").await, 30);
        // The second time it fails at its first step, says so, and leaves nothing behind.
        let again =
            db.write((), move |tx, ()| Box::pin(async move { tx.pipeline(steps()).await })).await;
        let fault = says(&again);
        assert!(fault.contains("INSERT INTO t (id, v) VALUES"), "{fault}");
        assert_eq!(count(&db, "SELECT CAST(SUM(v) AS BIGINT) FROM t").await, 60);
    }
}

#[tokio::test]
async fn a_group_of_writers_loses_nothing() {
    for World { db, .. } in worlds("group").await {
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
        run(&db, "CREATE TABLE sums (total BIGINT NOT NULL)").await;
        run(&db, "INSERT INTO sums (total) VALUES (0)").await;
        let writes = (0..64_i64).map(|id| {
            db.write(id, |tx, id| {
                Box::pin(async move {
                    sql("INSERT INTO t (id) VALUES ($1)").bind(*id).execute(tx).await?;
                    sql("UPDATE sums SET total = total + $1").bind(*id).execute(tx).await
                })
            })
        });
        for written in join_all(writes).await {
            assert_eq!(written.unwrap(), 1);
        }
        assert_eq!(count(&db, "SELECT COUNT(*) FROM t").await, 64);
        assert_eq!(count(&db, "SELECT total FROM sums").await, 63 * 32, "{db:?}");
    }
}

#[tokio::test]
async fn a_failing_job_is_undone_alone() {
    for World { db, .. } in worlds("failing").await {
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
        let writes = (0..32_i64).map(|id| {
            db.write(id, |tx, id| {
                Box::pin(async move {
                    sql("INSERT INTO t (id) VALUES ($1)").bind(*id).execute(tx).await?;
                    if id % 4 == 0 { Err(Error::NotFound) } else { Ok(()) }
                })
            })
        });
        for (id, result) in join_all(writes).await.into_iter().enumerate() {
            assert_eq!(matches!(result, Err(Error::NotFound)), id % 4 == 0, "{result:?}");
            assert_eq!(result.is_ok(), id % 4 != 0);
        }
        assert_eq!(count(&db, "SELECT COUNT(*) FROM t").await, 24, "{db:?}");
        assert_eq!(count(&db, "SELECT COUNT(*) FROM t WHERE id % 4 = 0").await, 0);
    }
}

#[tokio::test]
async fn a_swallowed_failure_is_not_committed() {
    for World { db, .. } in worlds("swallowed").await {
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
        let result = db
            .write((), |tx, ()| {
                Box::pin(async move {
                    sql("INSERT INTO t (id) VALUES (1)").execute(tx).await?;
                    let _hidden = sql("INSERT INTO t (id) VALUES (1)").execute(tx).await;
                    Ok(())
                })
            })
            .await;
        assert!(says(&result).contains("swallowed"));
        assert_eq!(count(&db, "SELECT COUNT(*) FROM t").await, 0, "{db:?}");
    }
}

#[tokio::test]
async fn a_foreign_key_is_checked_before_the_answer() {
    for World { db, .. } in worlds("foreign").await {
        run(&db, "CREATE TABLE a (id BIGINT PRIMARY KEY)").await;
        run(&db, "CREATE TABLE b (id BIGINT PRIMARY KEY, a BIGINT NOT NULL REFERENCES a (id))")
            .await;
        let insert = |a: i64| {
            db.write(a, |tx, a| {
                let insert = "INSERT INTO b (id, a) VALUES ($1, $1) RETURNING id";
                Box::pin(sql(insert).bind(*a).optional::<i64>(tx))
            })
        };
        run(&db, "INSERT INTO a (id) VALUES (1)").await;
        let results = join_all([9, 1].map(insert)).await;
        assert!(says(&results[0]).contains("INSERT INTO b"), "{db:?}: {results:?}");
        assert_eq!(results[1].as_ref().ok(), Some(&Some(1)), "{db:?}: {results:?}");
        assert_eq!(count(&db, "SELECT COUNT(*) FROM b").await, 1);
    }
}

#[tokio::test]
async fn a_race_for_one_row_has_one_winner() {
    for World { db, .. } in worlds("race").await {
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY, used_at BIGINT)").await;
        run(&db, "INSERT INTO t (id) VALUES (1)").await;
        let writes = (0..50).map(|_| {
            db.write((), |tx, ()| {
                Box::pin(
                    sql("UPDATE t SET used_at = $1 WHERE id = 1 AND used_at IS NULL RETURNING id")
                        .bind(NOW)
                        .optional::<i64>(tx),
                )
            })
        });
        let won = join_all(writes).await.into_iter().filter_map(Result::unwrap).count();
        assert_eq!(won, 1, "{db:?}");
    }
}

#[tokio::test]
async fn full_queues_and_closed_databases_say_busy() {
    for World { db, .. } in worlds("closed").await {
        db.ping().await.unwrap();
        db.close().await;
        let write = db.write((), |tx, ()| Box::pin(sql("SELECT 1").execute(tx))).await;
        let read = db.read((), |tx, ()| Box::pin(sql("SELECT 1").execute(tx))).await;
        for result in [write.map(drop), read.map(drop), db.ping().await] {
            assert!(is_unavailable(&result), "{db:?}: {result:?}");
        }
    }
}

const FIRST: Migration = Migration {
    version: 1,
    name: "people",
    sql: "CREATE TABLE people (id TEXT PRIMARY KEY, made BIGINT NOT NULL);
          CREATE INDEX people_made ON people (made);",
};
const SECOND: Migration = Migration {
    version: 2,
    name: "names",
    sql: "-- The name; it may be missing.\nALTER TABLE people ADD COLUMN name TEXT;
          INSERT INTO people (id, made, name) VALUES ('a;b', 1, 'x');",
};

#[tokio::test]
async fn migrations_are_applied_once() {
    for World { db, config, .. } in worlds("migrations").await {
        let other = Db::open(&config).await.unwrap();
        let before = db.migration_state(&[FIRST, SECOND]).await.unwrap();
        assert_eq!((before.applied.len(), before.pending.len()), (0, 2));
        assert_eq!(db.migrate(&[FIRST], NOW).await.unwrap().len(), 1);
        // Each needs a connection of its own from the start, or they come one after the other.
        let warm = [&db, &other, &db, &other].map(|db| async {
            let nap = "SELECT 1 FROM people WHERE id = 'none'";
            join_all((0..4).map(|_| db.read((), move |tx, ()| Box::pin(sql(nap).execute(tx)))))
                .await
        });
        join_all(warm).await;
        let races = [&db, &other, &db, &other].map(|db| db.migrate(&[FIRST, SECOND], NOW));
        let applied: Vec<_> = join_all(races).await.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(
            applied,
            [AppliedMigration { version: 2, name: "names".to_owned(), applied_at: NOW }]
        );
        assert_eq!(count(&other, "SELECT COUNT(*) FROM people").await, 1, "{db:?}");
        let after = db.migration_state(&[FIRST, SECOND]).await.unwrap();
        assert_eq!((after.applied.len(), after.pending.len()), (2, 0));
    }
}

#[tokio::test]
async fn migrations_that_do_not_fit_are_refused() {
    for World { db, .. } in worlds("refused").await {
        db.migrate(&[FIRST, SECOND], NOW).await.unwrap();
        let changed = Migration { sql: "SELECT 1", ..SECOND };
        let fault = says(&db.migrate(&[FIRST, changed], NOW).await);
        assert!(fault.contains("migration 2 (names)") && fault.contains("differs"), "{fault}");
        let fault = says(&db.migrate(&[FIRST], NOW).await);
        assert!(fault.contains("migration 2 (names)") && fault.contains("newer"), "{fault}");
        let fault = says(&db.migrate(&[SECOND, FIRST], NOW).await);
        assert!(fault.contains("ascending"), "{fault}");
        // A broken step takes those before it along.
        let third = Migration { version: 3, name: "third", sql: "CREATE TABLE third (id BIGINT)" };
        let broken = Migration { version: 4, name: "broken", sql: "CREATE TABLE fourth (" };
        assert!(db.migrate(&[FIRST, SECOND, third, broken], NOW).await.is_err());
        let state = db.migration_state(&[FIRST, SECOND, third]).await.unwrap();
        assert_eq!((state.applied.len(), state.pending.len()), (2, 1), "{db:?}");
        db.migrate(&[FIRST, SECOND, third], NOW).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_bound_is_never_shown() {
    let value = "hunter2".into_value();
    assert_eq!(format!("{value:?}"), "text(…)");
    assert!(!format!("{:?}", sql("SELECT $1").bind("hunter2")).contains("hunter2"));
    for World { db, .. } in worlds("shown").await {
        run(&db, "CREATE TABLE t (id TEXT PRIMARY KEY)").await;
        let result = db
            .write((), |tx, ()| {
                Box::pin(async move {
                    let insert = "INSERT INTO t (id) VALUES ($1)";
                    sql(insert).bind("hunter2").execute(tx).await?;
                    sql(insert).bind("hunter2").execute(tx).await
                })
            })
            .await;
        let fault = says(&result);
        assert!(!fault.contains("hunter2") && fault.contains("INSERT INTO t"), "{fault}");
    }
}

/// Counts how often a closure ran.
#[derive(Default, Clone)]
struct Runs(Arc<AtomicU32>);

impl Runs {
    fn add(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}
