//! The few files that pages load, compiled in. Nothing comes from another host.

/// A file that pages load.
#[derive(Debug)]
pub struct Asset {
    /// Its path on this server, such as `/static/app.css`.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// What it holds.
    pub body: &'static str,
}

impl Asset {
    /// The stylesheet of all pages.
    pub const CSS: Self = Self {
        path: "/static/app.css",
        content_type: "text/css; charset=utf-8",
        body: include_str!("../../static/app.css"),
    };

    /// The script of all pages. They work without it.
    pub const JS: Self = Self {
        path: "/static/app.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("../../static/app.js"),
    };

    /// The script by which a page speaks with a passkey or security key.
    pub const PASSKEY_JS: Self = Self {
        path: "/static/passkey.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("../../static/passkey.js"),
    };

    /// The script that solves the captcha.
    pub const CAPTCHA_JS: Self = Self {
        path: "/static/captcha.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("../../static/captcha.js"),
    };

    /// The script of the account portal.
    pub const ACCOUNT_JS: Self = Self {
        path: "/static/account.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("../../static/account.js"),
    };

    /// Every file there is.
    pub const ALL: [Self; 5] =
        [Self::CSS, Self::JS, Self::PASSKEY_JS, Self::CAPTCHA_JS, Self::ACCOUNT_JS];

    /// The address to link to: the path and a mark of the content, so that an answer to it may be
    /// cached for ever and a new release is seen at once.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}?v={:016x}", self.path, fingerprint(self.body.as_bytes()))
    }
}

/// FNV-1a, 64 bits. It tells releases apart and protects nothing.
const fn fingerprint(mut bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    while let [byte, rest @ ..] = bytes {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0100_0000_01b3);
        bytes = rest;
    }
    hash
}
