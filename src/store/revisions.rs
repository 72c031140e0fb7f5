//! What has changed of what nodes keep in memory. It is of no tenant: a node asks once for all.

use crate::{
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{ApplicationId, PartnerId, TenantId},
};

/// What nodes keep in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A tenant.
    Tenant(TenantId),
    /// A partner, whose settings are part of its tenants'.
    Partner(PartnerId),
    /// An application.
    Application(ApplicationId),
}

impl Subject {
    fn text(self) -> String {
        match self {
            Self::Tenant(id) => id.to_string(),
            Self::Partner(id) => id.to_string(),
            Self::Application(id) => id.to_string(),
        }
    }

    /// Reads what [`note`] wrote; `None` for what a later version keeps.
    fn parse(text: &str) -> Option<Self> {
        let tenant = text.parse().ok().map(Self::Tenant);
        let partner = || text.parse().ok().map(Self::Partner);
        tenant.or_else(partner).or_else(|| text.parse().ok().map(Self::Application))
    }
}

/// Notes a change, in the transaction that makes it. Nobody else notes one before this has
/// committed.
pub fn note(subject: Subject) -> [Query; 2] {
    [
        sql("UPDATE instance SET revision = revision + 1 WHERE id = 1"),
        sql("INSERT INTO revisions (subject, revision) SELECT $1, revision FROM instance \
             WHERE id = 1 ON CONFLICT (subject) DO UPDATE SET revision = excluded.revision")
        .bind(subject.text()),
    ]
}

/// The number of the last change.
pub async fn last(tx: &mut Tx) -> Result<i64> {
    sql("SELECT revision FROM instance WHERE id = 1").one(tx).await
}

/// A change: its number and what it was to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// Its number.
    pub revision: i64,
    /// To what; `None`: to something that a later version keeps.
    pub subject: Option<Subject>,
}

impl FromRow for Changed {
    fn from_row(row: &Row) -> Result<Self> {
        let subject: String = row.get("subject")?;
        Ok(Self { revision: row.get("revision")?, subject: Subject::parse(&subject) })
    }
}

/// The first `limit` changes after the number `seen`, in their order. Of several changes to one
/// thing the last is told.
pub async fn since(tx: &mut Tx, seen: i64, limit: i64) -> Result<Vec<Changed>> {
    sql("SELECT subject, revision FROM revisions WHERE revision > $1 ORDER BY revision LIMIT $2")
        .bind(seen)
        .bind(limit)
        .all(tx)
        .await
}
