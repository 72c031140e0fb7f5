//! The schema's versions: what has been applied, and applying what is missing.
//!
//! Everything happens in one transaction under a lock that ends with it, so that any number of
//! servers may start at once, also behind a pooler that shares connections between transactions.
//! There is no way back down: a migration only adds.

use aws_lc_rs::digest::{SHA256, digest};

use super::{Db, Engine, FromRow, Row, Tx, sql};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
};

/// The lock's number on PostgreSQL: "countrsn" in ASCII.
const LOCK: i64 = 0x636f_756e_7472_736e;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    digest BYTEA NOT NULL,
    applied_at BIGINT NOT NULL
)";

/// One step of the schema. Its text must never change once it has been released.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number; they are applied in ascending order.
    pub version: i64,
    /// What it is about.
    pub name: &'static str,
    /// Statements that both engines understand.
    pub sql: &'static str,
}

/// A step that the database has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Its number.
    pub version: i64,
    /// What it is about.
    pub name: String,
    /// When it was applied.
    pub applied_at: Timestamp,
}

/// What the database has and lacks.
#[derive(Debug, Clone)]
pub struct MigrationState {
    /// The steps it has, in order.
    pub applied: Vec<AppliedMigration>,
    /// The steps it lacks, in order.
    pub pending: Vec<Migration>,
}

/// A row of `schema_migrations`.
struct Record {
    migration: AppliedMigration,
    digest: Vec<u8>,
}

impl FromRow for Record {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let migration = AppliedMigration {
            version: row.get("version")?,
            name: row.get("name")?,
            applied_at: row.get("applied_at")?,
        };
        Ok(Self { migration, digest: row.get("digest")? })
    }
}

impl Db {
    /// Applies those of `migrations` that are missing, all or none, and returns them. Waits for
    /// whoever else is doing so.
    ///
    /// # Errors
    /// A fault that names the version where the text of an applied step is no longer the same,
    /// where the database has a step that `migrations` has not (it is newer than the program), and
    /// where `migrations` is not in ascending order.
    pub async fn migrate(
        &self,
        migrations: &[Migration],
        now: Timestamp,
    ) -> Result<Vec<AppliedMigration>> {
        let cx = (self.engine(), migrations.to_vec(), now);
        self.write_within(None, cx, |tx, (engine, migrations, now)| {
            Box::pin(async move {
                if *engine == Engine::Postgres {
                    sql("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(tx).await?;
                }
                tx.script(TABLE).await?;
                let mut done = Vec::new();
                for migration in compare(migrations, &records(tx).await?)? {
                    done.push(apply(tx, migration, *now).await?);
                }
                Ok(done)
            })
        })
        .await
    }

    /// What the database has and lacks of `migrations`. Changes nothing.
    ///
    /// # Errors
    /// As [`Db::migrate`].
    pub async fn migration_state(&self, migrations: &[Migration]) -> Result<MigrationState> {
        let cx = (self.engine(), migrations.to_vec());
        self.read(cx, |tx, (engine, migrations)| {
            Box::pin(async move {
                let known = if has_table(tx, *engine).await? { records(tx).await? } else { vec![] };
                let pending = compare(migrations, &known)?;
                let applied = known.into_iter().map(|record| record.migration).collect();
                Ok(MigrationState { applied, pending })
            })
        })
        .await
    }
}

async fn has_table(tx: &mut Tx, engine: Engine) -> Result<bool> {
    let query = match engine {
        Engine::Sqlite => sql("SELECT COUNT(*) > 0 FROM sqlite_master
            WHERE type = 'table' AND name = 'schema_migrations'"),
        Engine::Postgres => sql("SELECT to_regclass('schema_migrations') IS NOT NULL"),
    };
    query.one(tx).await
}

async fn records(tx: &mut Tx) -> Result<Vec<Record>> {
    sql("SELECT version, name, digest, applied_at FROM schema_migrations ORDER BY version")
        .all(tx)
        .await
}

async fn apply(tx: &mut Tx, migration: Migration, now: Timestamp) -> Result<AppliedMigration> {
    let Migration { version, name, sql: text } = migration;
    tx.script(text).await?;
    sql(
        "INSERT INTO schema_migrations (version, name, digest, applied_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(version)
    .bind(name)
    .bind(digest(&SHA256, text.as_bytes()).as_ref())
    .bind(now)
    .execute(tx)
    .await?;
    tracing::info!(version, name, "applied a migration");
    Ok(AppliedMigration { version, name: name.to_owned(), applied_at: now })
}

/// Those of `ours` that are not among `theirs`, after a check that the rest agrees.
fn compare(ours: &[Migration], theirs: &[Record]) -> Result<Vec<Migration>> {
    let refused = |reason: String| Err(Error::internal("comparing migrations", reason));
    if !ours.is_sorted_by(|one, next| one.version < next.version) {
        return refused("the program's migrations are not in ascending order".to_owned());
    }
    for Record { migration: AppliedMigration { version, name, .. }, digest: stored } in theirs {
        let Some(known) = ours.iter().find(|migration| migration.version == *version) else {
            return refused(format!(
                "the database has migration {version} ({name}), which this program does not know: \
                 the database is newer than the program"
            ));
        };
        if digest(&SHA256, known.sql.as_bytes()).as_ref() != stored.as_slice() {
            return refused(format!(
                "migration {version} ({name}) is not the one that was applied: its text differs"
            ));
        }
    }
    let lacks = |ours: &&Migration| theirs.iter().all(|it| it.migration.version != ours.version);
    Ok(ours.iter().filter(lacks).copied().collect())
}
