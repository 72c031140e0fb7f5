//! The contexts of the portal's lists: devices and sessions, applications, what happened; and of
//! taking everything along, and giving the account up.

use serde::Serialize;

use super::Portal;
use crate::view::{Page, Shown, pages::sign_in::ScopeShown};

/// A session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionShown {
    /// Its public handle.
    pub id: String,
    /// The device, such as `Firefox on Linux`.
    pub device: String,
    /// The network address that it was opened from.
    pub address: String,
    /// When it was opened.
    pub created_at: i64,
    /// When it was last used.
    pub last_seen_at: i64,
    /// Whether it is the one of this page.
    pub is_current: bool,
    /// Whether it outlives the browser.
    pub is_remembered: bool,
}

/// A device on which a second factor is not asked for.
#[derive(Debug, Clone, Serialize)]
pub struct TrustedDeviceShown {
    /// Which one.
    pub id: String,
    /// The device, such as `Firefox on Linux`.
    pub device: String,
    /// The network address that it was trusted from.
    pub address: String,
    /// Since when.
    pub created_at: i64,
    /// When it last spared its user a second factor.
    pub last_used_at: Option<i64>,
    /// Until when.
    pub expires_at: i64,
}

/// Devices and sessions.
#[derive(Debug, Clone, Serialize)]
pub struct DevicesPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// The live sessions, newest first.
    pub sessions: Vec<SessionShown>,
    /// Whether there is one beside this.
    pub has_others: bool,
    /// The trusted devices, newest first.
    pub devices: Vec<TrustedDeviceShown>,
}

impl Page for DevicesPage {
    const TEMPLATE: &'static str = "account/devices.html";
}

/// An application that acts for somebody.
#[derive(Debug, Clone, Serialize)]
pub struct ApplicationRow {
    /// Its name.
    pub name: String,
    /// Its logo: our own copy.
    pub logo: Option<Shown>,
    /// What it may do.
    pub scopes: Vec<ScopeShown>,
    /// Since when.
    pub granted_at: i64,
    /// When it last got tokens.
    pub last_used_at: Option<i64>,
    /// The page that asks whether it is to go.
    pub revoke_url: String,
}

/// The applications that act for somebody.
#[derive(Debug, Clone, Serialize)]
pub struct ApplicationsPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// Which.
    pub applications: Vec<ApplicationRow>,
}

impl Page for ApplicationsPage {
    const TEMPLATE: &'static str = "account/applications.html";
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub struct HappeningShown {
    /// When.
    pub at: i64,
    /// What, in plain words.
    pub text: String,
    /// Whether it did not come to pass.
    pub is_failure: bool,
    /// Who, where it was not the owner.
    pub by: Option<String>,
    /// The device, such as `Firefox on Linux`.
    pub device: Option<String>,
    /// The network address.
    pub address: Option<String>,
    /// How whoever it was proved who he is.
    pub method: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
pub struct ActivityPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// Newest first.
    pub happenings: Vec<HappeningShown>,
    /// The page, from 1 on.
    pub page: i64,
    /// The page of newer things.
    pub newer_url: Option<String>,
    /// The page of older things.
    pub older_url: Option<String>,
}

impl Page for ActivityPage {
    const TEMPLATE: &'static str = "account/activity.html";
}

/// Taking everything along, and giving the account up.
#[derive(Debug, Clone, Serialize)]
pub struct DataPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// Whether the tenant lets people delete their accounts.
    pub can_delete: bool,
    /// When the account is deleted, where its owner has given it up.
    pub deletion_due_at: Option<i64>,
}

impl Page for DataPage {
    const TEMPLATE: &'static str = "account/data.html";
}

/// Giving the account up.
#[derive(Debug, Clone, Serialize)]
pub struct DeletionPage {
    /// What surrounds it.
    #[serde(flatten)]
    pub portal: Portal,
    /// When the account would be deleted; `None`: at once.
    pub due_at: Option<i64>,
    /// Whether the box that says so was left empty.
    pub is_unsure: bool,
}

impl Page for DeletionPage {
    const TEMPLATE: &'static str = "account/delete.html";
}
