//! Devices without a browser (RFC 8628): the short code that a person carries from the device to
//! the browser of another one.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scope::Scope;

/// How long a device's codes are good.
pub const LIFETIME: Duration = Duration::from_mins(10);
/// How long a device waits between two polls, at first.
pub const INTERVAL: Duration = Duration::from_secs(5);
/// How much longer it has to wait each time that it did not (RFC 8628 §3.5).
pub const SLOWER: Duration = Duration::from_secs(5);

/// Letters that make no words and are not taken for one another (RFC 8628 §6.1).
pub const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Eight of twenty letters are 34 bits.
pub const LENGTH: usize = 8;

/// What a person types in, canonical: eight capital letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCode(String);

impl UserCode {
    /// Takes what somebody has typed: in either case, with whatever between the letters.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > 100 {
            return None;
        }
        let letters: String = typed
            .chars()
            .filter(|it| {
                !it.is_whitespace() && !matches!(it, '-' | '.' | '_' | '\u{2010}'..='\u{2015}')
            })
            .map(|it| it.to_ascii_uppercase())
            .collect();
        let fits = letters.len() == LENGTH && letters.bytes().all(|it| LETTERS.contains(&it));
        fits.then_some(Self(letters))
    }

    /// The letters alone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is shown: `WDJB-MJHT`.
    #[must_use]
    pub fn grouped(&self) -> String {
        let (first, second) = self.0.split_at_checked(LENGTH / 2).unwrap_or((&self.0, ""));
        format!("{first}-{second}")
    }
}

/// What a device asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// What is asked for.
    pub scope: Scope,
    /// What the access token is to be used at (RFC 8707).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    /// What is to be allowed in detail (RFC 9396), a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<Value>,
}

#[cfg(test)]
mod tests {
    use super::UserCode;

    #[test]
    fn a_code_is_taken_however_it_is_typed() {
        for typed in ["WDJB-MJHT", "wdjbmjht", " wdjb mjht ", "WDJB\u{2013}MJHT", "W.D.J.B_MJHT"] {
            let code = UserCode::parse(typed).unwrap();
            assert_eq!(code.as_str(), "WDJBMJHT", "{typed}");
            assert_eq!(code.grouped(), "WDJB-MJHT");
        }
    }

    #[test]
    fn nothing_else_is_a_code() {
        let long = "B".repeat(101);
        for typed in ["", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJHA", "WDJB-MJH1", "WDJB-MJHß", &long] {
            assert_eq!(UserCode::parse(typed), None, "{typed}");
        }
    }
}
