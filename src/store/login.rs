//! Everything that a sign-in has to know, in one read.

use crate::{
    clock::Timestamp,
    db::{FromRow, Row, Tx, sql},
    domain::{
        factor::Method,
        guessing::Count,
        user::{IdentitySource, User},
    },
    error::Result,
    id::{DeviceId, RegistrationId, TenantId, TrustedDeviceId, UserId},
};

/// What to look for.
#[derive(Debug, Clone)]
pub struct Search {
    /// The canonical address.
    pub email_key: String,
    /// Whom failures are counted for: the account.
    pub account: [u8; 32],
    /// The client network, or the application that asks for its users.
    pub network: [u8; 32],
    /// All hosts of one customer of a provider.
    pub wide: Option<[u8; 32]>,
    /// The device, by the digest of its cookie.
    pub device: Option<[u8; 32]>,
    /// The device's own count.
    pub device_subject: [u8; 32],
    /// The kind of device and its network.
    pub place: String,
    /// The token of a trusted device, by its digest.
    pub trusted_device: Option<[u8; 32]>,
    /// The trusted device's own count.
    pub trusted_subject: [u8; 32],
    /// The time now.
    pub now: Timestamp,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The account, where there is one.
    pub user: Option<User>,
    /// The epoch of its credentials.
    pub epoch: i64,
    /// Its password, where it has one, and when that was set.
    pub password: Option<(String, Timestamp)>,
    /// The known device whose cookie was shown.
    pub device: Option<DeviceId>,
    /// Whether the user has signed in from this kind of device and network before.
    pub place_known: bool,
    /// The account's failures.
    pub account_count: Option<Count>,
    /// The device's failures.
    pub device_count: Option<Count>,
    /// The trusted device's failures.
    pub trusted_count: Option<Count>,
    /// The network's failures.
    pub network_count: Option<Count>,
    /// Those of all hosts of one customer of a provider.
    pub wide_count: Option<Count>,
    /// The newest pending registration, where there is no account.
    pub pending: Option<Pending>,
    /// The second factors that are enrolled, strongest first.
    pub methods: Vec<Method>,
    /// The one the user wants to be asked for first.
    pub default_method: Option<Method>,
    /// The trusted device whose token was shown.
    pub trusted_device: Option<Trusted>,
}

/// A trusted device.
#[derive(Debug, Clone, Copy)]
pub struct Trusted {
    /// Which one.
    pub id: TrustedDeviceId,
    /// Since when.
    pub since: Timestamp,
}

/// A pending registration's password and where its mail goes.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Which registration.
    pub id: RegistrationId,
    /// The id its account would have.
    pub user_id: UserId,
    /// The password hash.
    pub password_hash: String,
}

/// Looks up account, password, device, counters and pending registration.
pub async fn facts(tx: &mut Tx, tenant: TenantId, search: &Search) -> Result<Found> {
    sql("SELECT u.id, u.tenant_id, u.email, u.email_key, u.email_verified_at, u.status, u.first_name, \
                u.last_name, u.locale, u.identity_source, u.identity_provider, \
                u.must_change_password, u.created_at, u.epoch, p.hash, p.changed_at, \
                u.default_method, td.id AS trusted_device_id, \
                td.created_at AS trusted_since, \
                EXISTS (SELECT 1 FROM factors f WHERE f.tenant_id = $1 AND f.user_id = u.id \
                         AND f.kind = 'totp') AS has_totp, \
                EXISTS (SELECT 1 FROM factors f WHERE f.tenant_id = $1 AND f.user_id = u.id \
                         AND f.kind = 'email') AS has_email, \
                EXISTS (SELECT 1 FROM passkeys k WHERE k.tenant_id = $1 AND k.user_id = u.id) \
                    AS has_webauthn, \
                EXISTS (SELECT 1 FROM backup_codes b WHERE b.tenant_id = $1 AND b.user_id = u.id \
                         AND b.used_at IS NULL) AS has_backup_code, \
                d.id AS device_id, dp.id AS place_id, \
                aa.failures AS account_failures, aa.first_at AS account_first, aa.last_at AS account_last, \
                ad.failures AS device_failures, ad.first_at AS device_first, ad.last_at AS device_last, \
                ac.failures AS trusted_failures, ac.first_at AS trusted_first, ac.last_at AS trusted_last, \
                an.failures AS network_failures, an.first_at AS network_first, an.last_at AS network_last, \
                aw.failures AS wide_failures, aw.first_at AS wide_first, aw.last_at AS wide_last, \
                r.id AS registration_id, r.user_id AS registration_user, \
                r.password_hash AS registration_hash \
         FROM (SELECT 1 AS one) AS always \
         LEFT JOIN users u ON u.tenant_id = $1 AND u.email_key = $2 AND u.deleted_at IS NULL \
         LEFT JOIN passwords p ON p.tenant_id = $1 AND p.user_id = u.id \
         LEFT JOIN devices d ON d.tenant_id = $1 AND d.user_id = u.id AND d.digest = $3 \
         LEFT JOIN devices dp ON dp.tenant_id = $1 AND dp.user_id = u.id AND dp.place = $4 \
         LEFT JOIN trusted_devices td ON td.tenant_id = $1 AND td.user_id = u.id \
              AND td.digest = $9 AND td.epoch = u.epoch AND td.expires_at > $8 \
         LEFT JOIN attempts aa ON aa.tenant_id = $1 AND aa.subject = $5 \
         LEFT JOIN attempts ad ON ad.tenant_id = $1 AND ad.subject = $6 \
         LEFT JOIN attempts ac ON ac.tenant_id = $1 AND ac.subject = $10 \
         LEFT JOIN attempts an ON an.tenant_id = $1 AND an.subject = $7 \
         LEFT JOIN attempts aw ON aw.tenant_id = $1 AND aw.subject = $11 \
         LEFT JOIN registrations r ON r.tenant_id = $1 AND u.id IS NULL AND r.id = \
              (SELECT n.id FROM registrations n \
                WHERE n.tenant_id = $1 AND n.email_key = $2 AND n.expires_at > $8 \
                ORDER BY n.id DESC LIMIT 1)")
        .bind(tenant)
        .bind(search.email_key.as_str())
        .bind(search.device.map(|digest| digest.to_vec()))
        .bind(search.place.as_str())
        .bind(search.account)
        .bind(search.device_subject)
        .bind(search.network)
        .bind(search.now)
        .bind(search.trusted_device.map(|digest| digest.to_vec()))
        .bind(search.trusted_subject)
        .bind(search.wide.map(|digest| digest.to_vec()))
        .one(tx)
        .await
}

impl FromRow for Found {
    fn from_row(row: &Row) -> Result<Self> {
        let user = match row.get::<Option<UserId>>("id")? {
            Some(_) => Some(User::from_row(row)?),
            None => None,
        };
        let password = match (row.get("hash")?, row.get("changed_at")?) {
            (Some(hash), Some(at)) => Some((hash, at)),
            _ => None,
        };
        let pending = match row.get::<Option<RegistrationId>>("registration_id")? {
            Some(id) => Some(Pending {
                id,
                user_id: row.get("registration_user")?,
                password_hash: row.get("registration_hash")?,
            }),
            None => None,
        };
        let trusted = match (row.get("trusted_device_id")?, row.get("trusted_since")?) {
            (Some(id), Some(since)) => Some(Trusted { id, since }),
            _ => None,
        };
        // Somebody signed in by an identity provider has no password here, whatever the table says.
        let federated = matches!(&user, Some(user) if user.source != IdentitySource::Local);
        Ok(Self {
            password: if federated { None } else { password },
            epoch: row.get::<Option<i64>>("epoch")?.unwrap_or_default(),
            device: row.get("device_id")?,
            place_known: row.get::<Option<DeviceId>>("place_id")?.is_some(),
            account_count: count(row, ["account_failures", "account_first", "account_last"])?,
            device_count: count(row, ["device_failures", "device_first", "device_last"])?,
            trusted_count: count(row, ["trusted_failures", "trusted_first", "trusted_last"])?,
            network_count: count(row, ["network_failures", "network_first", "network_last"])?,
            wide_count: count(row, ["wide_failures", "wide_first", "wide_last"])?,
            methods: methods(row)?,
            default_method: default_method(row)?,
            trusted_device: trusted,
            user,
            pending,
        })
    }
}

/// The methods that the columns `has_…` tell of, strongest first.
pub(super) fn methods(row: &Row) -> Result<Vec<Method>> {
    let columns = ["has_webauthn", "has_totp", "has_email", "has_backup_code"];
    let mut methods = Vec::new();
    for (method, column) in Method::ALL.into_iter().zip(columns) {
        if row.get(column)? {
            methods.push(method);
        }
    }
    Ok(methods)
}

/// The method of the column `default_method`.
pub(super) fn default_method(row: &Row) -> Result<Option<Method>> {
    let text: Option<String> = row.get("default_method")?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// A count, from its three columns.
pub(super) fn count(row: &Row, [failures, first, last]: [&str; 3]) -> Result<Option<Count>> {
    let (Some(failures), Some(first_at), Some(last_at)) = (
        row.get::<Option<i64>>(failures)?,
        row.get::<Option<Timestamp>>(first)?,
        row.get::<Option<Timestamp>>(last)?,
    ) else {
        return Ok(None);
    };
    Ok(Some(Count { failures: u32::try_from(failures).unwrap_or(u32::MAX), first_at, last_at }))
}

/// Whom to look for, where it is known who it is.
#[derive(Debug, Clone)]
pub struct KnownSearch {
    /// Who.
    pub user: UserId,
    /// The device, by the digest of its cookie.
    pub device: Option<[u8; 32]>,
    /// The kind of device and its network.
    pub place: String,
}

/// Somebody who is known without an address.
#[derive(Debug, Clone)]
pub struct Known {
    /// The account.
    pub user: User,
    /// The epoch of its credentials.
    pub epoch: i64,
    /// The known device whose cookie was shown.
    pub device: Option<DeviceId>,
    /// Whether the user has signed in from this kind of device and network before.
    pub place_known: bool,
}

impl FromRow for Known {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            user: User::from_row(row)?,
            epoch: row.get("epoch")?,
            device: row.get("device_id")?,
            place_known: row.get::<Option<DeviceId>>("place_id")?.is_some(),
        })
    }
}

/// Looks up an account by its id, and the device it is used from.
pub async fn known(tx: &mut Tx, tenant: TenantId, search: &KnownSearch) -> Result<Option<Known>> {
    sql("SELECT u.id, u.tenant_id, u.email, u.email_key, u.email_verified_at, u.status, u.first_name, \
                u.last_name, u.locale, u.identity_source, u.identity_provider, \
                u.must_change_password, u.created_at, u.epoch, \
                d.id AS device_id, dp.id AS place_id \
         FROM users u \
         LEFT JOIN devices d ON d.tenant_id = $1 AND d.user_id = u.id AND d.digest = $3 \
         LEFT JOIN devices dp ON dp.tenant_id = $1 AND dp.user_id = u.id AND dp.place = $4 \
         WHERE u.tenant_id = $1 AND u.id = $2 AND u.deleted_at IS NULL")
        .bind(tenant)
        .bind(search.user)
        .bind(search.device.map(|digest| digest.to_vec()))
        .bind(search.place.as_str())
        .optional(tx)
        .await
}
