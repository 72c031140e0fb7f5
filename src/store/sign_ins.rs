//! What was made of each sign-in by password, for operators who ask why, and for the look at what
//! is going on.

use crate::{
    clock::Timestamp,
    db::{FromRow, Query, Row, Tx, sql},
    error::Result,
    id::{SignInId, TenantId, UserId},
};

/// One try.
#[derive(Debug, Clone)]
pub struct New {
    /// Which.
    pub id: SignInId,
    /// When.
    pub at: Timestamp,
    /// The address, as a digest.
    pub subject: [u8; 32],
    /// The account, where there is one.
    pub user: Option<UserId>,
    /// The client's network.
    pub network: String,
    /// Its digest.
    pub network_subject: [u8; 32],
    /// The application that asks for its users.
    pub client_id: Option<String>,
    /// Whether a device that the user has signed in from was shown.
    pub known_device: bool,
    /// What came of it.
    pub outcome: &'static str,
    /// How suspicious it was.
    pub score: u32,
    /// What was asked for.
    pub verdict: &'static str,
    /// Why, as JSON.
    pub signals: String,
    /// In which request.
    pub request_id: String,
}

/// Keeps one.
pub fn insert(tenant: TenantId, new: New) -> Query {
    sql("INSERT INTO sign_ins (tenant_id, id, at, subject, user_id, network, network_subject, \
                               client_id, known_device, outcome, score, verdict, signals, \
                               request_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)")
    .bind(tenant)
    .bind(new.id)
    .bind(new.at)
    .bind(new.subject)
    .bind(new.user)
    .bind(new.network)
    .bind(new.network_subject)
    .bind(new.client_id)
    .bind(i64::from(new.known_device))
    .bind(new.outcome)
    .bind(i64::from(new.score))
    .bind(new.verdict)
    .bind(new.signals)
    .bind(new.request_id)
}

/// Forgets those of an account.
pub fn forget(tenant: TenantId, user: UserId) -> Query {
    sql("DELETE FROM sign_ins WHERE tenant_id = $1 AND user_id = $2").bind(tenant).bind(user)
}

/// What came of strangers' tries in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfTenant {
    /// Which.
    pub tenant: TenantId,
    /// Passwords that were looked at.
    pub tries: i64,
    /// Those that were wrong.
    pub failures: i64,
    /// Addresses that they were wrong for.
    pub accounts: i64,
}

impl FromRow for OfTenant {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            tenant: row.get("tenant_id")?,
            tries: row.get("tries")?,
            failures: row.get("failures")?,
            accounts: row.get("accounts")?,
        })
    }
}

/// Tenants in which strangers were wrong `least` times since `since`.
pub async fn of_all_tenants(tx: &mut Tx, since: Timestamp, least: i64) -> Result<Vec<OfTenant>> {
    // Grouped by an expression: for groups in the order of the key SQLite would read all of the
    // table in that order.
    sql("SELECT tenant_id || '' AS tenant_id, COUNT(*) AS tries, \
                COUNT(CASE WHEN outcome = 'wrong_password' THEN 1 END) AS failures, \
                COUNT(DISTINCT CASE WHEN outcome = 'wrong_password' THEN subject END) AS accounts \
         FROM sign_ins \
         WHERE at > $1 AND known_device = 0 AND outcome <> 'stopped' \
         GROUP BY tenant_id || '' \
         HAVING COUNT(CASE WHEN outcome = 'wrong_password' THEN 1 END) >= $2")
    .bind(since)
    .bind(least)
    .all(tx)
    .await
}

/// The same, for a network in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfNetwork {
    /// In which tenant.
    pub tenant: TenantId,
    /// The network's digest.
    pub subject: [u8; 32],
    /// The network.
    pub network: String,
    /// Passwords that were looked at.
    pub tries: i64,
    /// Those that were wrong.
    pub failures: i64,
    /// Addresses that they were wrong for.
    pub accounts: i64,
}

impl FromRow for OfNetwork {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            tenant: row.get("tenant_id")?,
            subject: row.get("network_subject")?,
            network: row.get("network")?,
            tries: row.get("tries")?,
            failures: row.get("failures")?,
            accounts: row.get("accounts")?,
        })
    }
}

/// Networks from which strangers were wrong for `least` addresses of a tenant since `since`; what
/// applications hand on for their users comes from all their networks, and is not among them.
pub async fn of_networks_all_tenants(
    tx: &mut Tx,
    since: Timestamp,
    least: i64,
    most: i64,
) -> Result<Vec<OfNetwork>> {
    sql("SELECT tenant_id, network_subject, MIN(network) AS network, COUNT(*) AS tries, \
                COUNT(CASE WHEN outcome = 'wrong_password' THEN 1 END) AS failures, \
                COUNT(DISTINCT CASE WHEN outcome = 'wrong_password' THEN subject END) AS accounts \
         FROM sign_ins \
         WHERE at > $1 AND known_device = 0 AND outcome <> 'stopped' AND client_id IS NULL \
         GROUP BY tenant_id, network_subject \
         HAVING COUNT(DISTINCT CASE WHEN outcome = 'wrong_password' THEN subject END) >= $2 \
         ORDER BY failures DESC LIMIT $3")
    .bind(since)
    .bind(least)
    .bind(most)
    .all(tx)
    .await
}

/// One try, as an operator sees it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// When.
    pub at: Timestamp,
    /// The account, where there is one.
    pub user: Option<UserId>,
    /// The client's network.
    pub network: String,
    /// The application that asked for its user.
    pub client_id: Option<String>,
    /// Whether a device that the user has signed in from was shown.
    pub known_device: bool,
    /// What came of it.
    pub outcome: String,
    /// How suspicious it was.
    pub score: i64,
    /// What was asked for.
    pub verdict: String,
    /// Why, as JSON.
    pub signals: String,
    /// In which request.
    pub request_id: String,
}

impl FromRow for Listed {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            at: row.get("at")?,
            user: row.get("user_id")?,
            network: row.get("network")?,
            client_id: row.get("client_id")?,
            known_device: row.get::<i64>("known_device")? != 0,
            outcome: row.get("outcome")?,
            score: row.get("score")?,
            verdict: row.get("verdict")?,
            signals: row.get("signals")?,
            request_id: row.get("request_id")?,
        })
    }
}

/// Which tries an operator wants to see; all where nothing is said.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of an address, by its digest.
    pub subject: Option<[u8; 32]>,
    /// From a network.
    pub network: Option<String>,
    /// Of a request.
    pub request_id: Option<String>,
    /// How many.
    pub limit: i64,
}

/// The newest tries.
pub async fn list(tx: &mut Tx, tenant: TenantId, wanted: &Wanted) -> Result<Vec<Listed>> {
    sql("SELECT at, user_id, network, client_id, known_device, outcome, score, verdict, signals, \
                request_id \
         FROM sign_ins \
         WHERE tenant_id = $1 \
           AND (CAST($2 AS BYTEA) IS NULL OR subject = $2) \
           AND (CAST($3 AS TEXT) IS NULL OR network = $3) \
           AND (CAST($4 AS TEXT) IS NULL OR request_id = $4) \
         ORDER BY id DESC LIMIT $5")
    .bind(tenant)
    .bind(wanted.subject.map(|digest| digest.to_vec()))
    .bind(wanted.network.clone())
    .bind(wanted.request_id.clone())
    .bind(wanted.limit)
    .all(tx)
    .await
}
