//! The contexts of the pages of devices without a browser, and of signing out.

use serde::Serialize;

use super::{Page, sign_in::ScopeShown};
use crate::view::Shown;

/// An account that the person at a page may mean.
#[derive(Debug, Clone, Serialize)]
pub struct AccountChoice {
    /// Its session's public handle.
    pub session: String,
    /// Its address.
    pub email: String,
    /// Its tenant.
    pub tenant: String,
}

/// Where a person types in the code that a device shows.
#[derive(Debug, Clone, Serialize)]
pub struct DevicePage {
    /// Where the form goes: a path of ours.
    pub action: String,
    /// What the form proves itself with.
    pub proof: String,
    /// What is in the field already.
    pub user_code: String,
    /// Whether the code that was typed in before was none.
    pub is_wrong: bool,
    /// What else is wrong.
    pub fault: Option<String>,
}

impl Page for DevicePage {
    const TEMPLATE: &'static str = "pages/device.html";
}

/// Where a person says yes or no to a device.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceConfirmPage {
    /// Where the form goes: a path of ours.
    pub action: String,
    /// What the form proves itself with.
    pub proof: String,
    /// The code, to be compared with what the device shows.
    pub user_code: String,
    /// The application's name.
    pub application: String,
    /// The application's logo.
    pub logo: Option<Shown>,
    /// What it asks for.
    pub scopes: Vec<ScopeShown>,
    /// In whose name; one at least.
    pub accounts: Vec<AccountChoice>,
    /// Whether one of several has to be chosen and was not.
    pub is_unclear: bool,
}

impl Page for DeviceConfirmPage {
    const TEMPLATE: &'static str = "pages/device_confirm.html";
}

/// The question whether to sign out.
#[derive(Debug, Clone, Serialize)]
pub struct LogoutPage {
    /// Where the form goes: a path of ours.
    pub action: String,
    /// What goes along: names and values.
    pub fields: Vec<(&'static str, String)>,
    /// What the form proves itself with.
    pub proof: String,
    /// The name of the application that wants it.
    pub application: Option<String>,
    /// The accounts that are signed in.
    pub accounts: Vec<AccountChoice>,
}

impl Page for LogoutPage {
    const TEMPLATE: &'static str = "pages/logout.html";
}

/// The sessions have ended.
#[derive(Debug, Clone, Serialize)]
pub struct SignedOutPage {
    /// What the browser loads, so that applications hear of it.
    pub frames: Vec<String>,
    /// Where to go on: an address that the application has registered.
    pub continue_url: Option<String>,
    /// The application's name.
    pub application: Option<String>,
}

impl Page for SignedOutPage {
    const TEMPLATE: &'static str = "pages/signed_out.html";
}
