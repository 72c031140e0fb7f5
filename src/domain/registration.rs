//! Pending registrations: what may wait, and what may be registered at all.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{
    domain::{email::Email, settings::Settings},
    error::Fault,
};

/// How long a registration waits to be proved.
pub const LIFETIME: Duration = Duration::from_hours(24);
/// Pending registrations of one address; the newest pushes out the oldest.
pub const MAX_PENDING: i64 = 10;
/// Pending registrations of one address from one client network.
pub const MAX_PENDING_FROM_NETWORK: i64 = 3;
/// Bytes of `custom_data` as compact JSON.
pub const MAX_CUSTOM_DATA: usize = 16 * 1024;
/// Members of `custom_data`.
pub const MAX_CUSTOM_KEYS: usize = 64;

/// Whether the tenant takes addresses of this domain.
#[must_use]
pub fn takes_domain(settings: &Settings, email: &Email) -> bool {
    let is_in = |list: &[String]| list.iter().any(|domain| domain == email.domain());
    !is_in(&settings.blocked_email_domains)
        && settings.allowed_email_domains.as_deref().is_none_or(is_in)
}

/// The form faults of `custom_data`: its size, its keys.
#[must_use]
pub fn custom_data_faults(data: &Map<String, Value>) -> Vec<Fault> {
    let size = serde_json::to_string(data).map_or(usize::MAX, |text| text.len());
    let sentence = if size > MAX_CUSTOM_DATA {
        Some("custom_data has at most 16 KiB")
    } else if data.len() > MAX_CUSTOM_KEYS {
        Some("custom_data has at most 64 members")
    } else if data
        .keys()
        .any(|key| key.starts_with("__") || key.starts_with('$') || key.contains('\0'))
    {
        Some("the names in custom_data must not begin with '__' or '$'")
    } else {
        None
    };
    sentence.map(|text| vec![Fault::at_field("custom_data", text)]).unwrap_or_default()
}
