//! Transactions that are sent as a whole.

use super::*;

const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)";

fn set(id: i64, v: i64) -> Query {
    sql("UPDATE t SET v = $2 WHERE id >= $1 AND v <> $2").bind(id).bind(v)
}

fn insert(id: i64) -> Query {
    sql("INSERT INTO t (id, v) SELECT $1, 0 WHERE NOT EXISTS (SELECT 1 FROM t WHERE id = $1)")
        .bind(id)
}

async fn sum(db: &Db) -> i64 {
    count(db, "SELECT CAST(COALESCE(SUM(v), 0) AS BIGINT) FROM t").await
}

#[tokio::test]
async fn everything_is_written_or_nothing_where_a_row_is_missing_or_one_too_many() {
    for World { db, .. } in worlds("whole").await {
        run(&db, TABLE).await;
        let all = db.write_all(vec![insert(1), insert(2)], vec![set(2, 5)]).await.unwrap();
        assert_eq!((all, sum(&db).await), (Written::All, 5));
        // None, then two, where it has to be one; before and after one that holds.
        for must in [
            vec![set(1, 7), insert(3)],
            vec![set(9, 7)],
            vec![set(1, 7)],
            vec![insert(3), insert(3)],
            vec![insert(2), insert(3)],
        ] {
            let written = db.write_all(must, vec![set(1, 9)]).await.unwrap();
            assert_eq!((written, sum(&db).await), (Written::Nothing, 5));
            assert_eq!(count(&db, "SELECT COUNT(*) FROM t").await, 2);
        }
        // What need not change anything may change nothing.
        assert_eq!(db.write_all(Vec::new(), vec![set(9, 9)]).await.unwrap(), Written::All);
        assert_eq!(db.write_all(Vec::new(), Vec::new()).await.unwrap(), Written::All);
    }
}

#[tokio::test]
async fn what_was_looked_at_is_told_whatever_is_written() {
    for World { db, .. } in worlds("whole_look").await {
        run(&db, TABLE).await;
        run(&db, "INSERT INTO t (id, v) VALUES (1, 3)").await;
        let look = || Whole::new().look(sql("SELECT v FROM t WHERE id = $1").bind(1_i64));
        let seen = db.write_whole::<i64>(look().must([set(1, 4)])).await.unwrap();
        assert_eq!(seen, (Some(3), Written::All));
        let seen = db.write_whole::<i64>(look().also([set(1, 5)]).must([insert(1)])).await.unwrap();
        assert_eq!(seen, (Some(4), Written::Nothing));
        let nobody = Whole::new().look(sql("SELECT v FROM t WHERE id = 9")).must([set(1, 6)]);
        assert_eq!(db.write_whole::<i64>(nobody).await.unwrap(), (None, Written::All));
        assert_eq!(sum(&db).await, 6);
    }
}

#[tokio::test]
async fn a_fault_is_none_of_the_two_and_leaves_nothing_behind() {
    for World { db, .. } in worlds("whole_fault").await {
        run(&db, TABLE).await;
        let twice = || sql("INSERT INTO t (id, v) VALUES (1, 1)");
        for (must, also) in [(vec![twice(), twice()], vec![]), (vec![twice()], vec![twice()])] {
            let failed = db.write_all(must, also).await;
            assert!(matches!(failed, Err(Error::Internal(_))), "{failed:?}");
            assert_eq!(count(&db, "SELECT COUNT(*) FROM t").await, 0);
        }
        // A division by nought of the statement's own is a fault, too.
        if db.engine() == Engine::Postgres {
            let own = sql("INSERT INTO t (id, v) VALUES (1, 1 / (1 - 1))");
            let failed = db.write_all(Vec::new(), vec![own]).await;
            assert!(matches!(failed, Err(Error::Internal(_))), "{failed:?}");
        }
        assert_eq!(db.write_all(vec![twice()], Vec::new()).await.unwrap(), Written::All);
    }
}

#[tokio::test]
async fn of_many_at_the_same_time_one_is_written() {
    for World { db, .. } in worlds("whole_race").await {
        run(&db, TABLE).await;
        run(&db, "INSERT INTO t (id, v) VALUES (1, 0)").await;
        let tries = (1..=20).map(|number: i64| {
            let take = sql("UPDATE t SET v = $1 WHERE id = 1 AND v = 0").bind(number);
            db.write_all(vec![take], vec![insert(100 + number)])
        });
        let written = join_all(tries).await;
        let made = written.iter().filter(|it| matches!(it, Ok(Written::All))).count();
        assert!(written.iter().all(Result::is_ok), "{written:?}");
        assert_eq!((made, count(&db, "SELECT COUNT(*) FROM t").await), (1, 2));
    }
}
