//! What proves at a form that no machine fills it in.

use serde::Serialize;

/// A captcha within a form.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptchaShown {
    /// A puzzle that our script solves, as JSON.
    Puzzle(String),
    /// What a provider's script shows.
    Widget(WidgetShown),
}

/// What a provider's script shows.
#[derive(Debug, Clone, Serialize)]
pub struct WidgetShown {
    /// The class of the element that it is shown in.
    pub class: &'static str,
    /// What the provider knows the page by.
    pub site_key: String,
    /// His script.
    pub script: &'static str,
    /// What the page may load from him: sources of a content security policy.
    #[serde(skip)]
    pub sources: &'static str,
}

impl CaptchaShown {
    /// What a page with it may load from elsewhere: sources of a content security policy.
    #[must_use]
    pub fn sources(&self) -> &'static str {
        match self {
            Self::Puzzle(_) => "",
            Self::Widget(widget) => widget.sources,
        }
    }
}
