//! The files that pages load, compiled in: one style sheet and one script. Nothing comes from
//! another host.
//!
//! A file's address holds a mark of its content, so that an answer may be kept for ever and a new
//! release is seen at once. They are packed when the program is built (`build.rs`). Pages themselves
//! are never packed: they hold secrets beside what a stranger can put into them (BREACH).

use std::sync::LazyLock;

/// A file as it was built.
#[derive(Debug)]
struct Source {
    /// What comes before the mark, such as `app`.
    name: &'static str,
    /// What comes after it, such as `css`.
    extension: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
    brotli: &'static [u8],
}

/// A file of `build.rs`.
macro_rules! built {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

const CSS: Source = Source {
    name: "app",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    plain: built!("app.css"),
    gzip: built!("app.css.gz"),
    brotli: built!("app.css.br"),
};

const JS: Source = Source {
    name: "app",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    plain: built!("app.js"),
    gzip: built!("app.js.gz"),
    brotli: built!("app.js.br"),
};

static ALL: LazyLock<[Asset; 2]> = LazyLock::new(|| [Asset::new(&CSS), Asset::new(&JS)]);

/// How a file is packed for its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Brotli (RFC 7932).
    Brotli,
    /// Gzip (RFC 1952).
    Gzip,
    /// As it is.
    Identity,
}

impl Coding {
    /// The best that a client takes, by its `Accept-Encoding` (RFC 9110 §12.5.3). A coding counts
    /// where it is named and not refused by `q=0`; `*` is not followed.
    #[must_use]
    pub fn choose(accept_encoding: &str) -> Self {
        let takes = |name: &str| {
            accept_encoding.split(',').any(|range| {
                let (coding, weight) = range.split_once(';').unwrap_or((range, "q=1"));
                let weight = weight.trim().strip_prefix("q=").map(str::trim).unwrap_or_default();
                coding.trim().eq_ignore_ascii_case(name)
                    && weight.parse::<f32>().is_ok_and(|weight| weight > 0.0)
            })
        };
        if takes("br") {
            Self::Brotli
        } else if takes("gzip") {
            Self::Gzip
        } else {
            Self::Identity
        }
    }

    /// Its name in `Content-Encoding`; `None` for what is as it is.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }
}

/// A file that pages load.
#[derive(Debug)]
pub struct Asset {
    /// Its path on this server, such as `/static/app.0123456789abcdef.css`.
    pub path: String,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    source: &'static Source,
}

impl Asset {
    fn new(source: &'static Source) -> Self {
        let mark = fingerprint(source.plain);
        Self {
            path: format!("/static/{}.{mark:016x}.{}", source.name, source.extension),
            content_type: source.content_type,
            source,
        }
    }

    /// The style sheet of all pages.
    #[must_use]
    pub fn css() -> &'static Self {
        let [css, _] = &*ALL;
        css
    }

    /// The script of all pages. They work without it, but for passkeys and the captcha.
    #[must_use]
    pub fn js() -> &'static Self {
        let [_, js] = &*ALL;
        js
    }

    /// Every file there is.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &*ALL
    }

    /// The file that a path of another release means: its name and its kind, whatever the mark.
    /// Two releases serve side by side while nodes are replaced, and a page of the one may ask the
    /// other.
    #[must_use]
    pub fn of_another_release(path: &str) -> Option<&'static Self> {
        let (name, rest) = path.strip_prefix("/static/")?.split_once('.')?;
        let (mark, extension) = rest.split_once('.')?;
        let is_mark = mark.len() == 16 && mark.bytes().all(|byte| byte.is_ascii_hexdigit());
        ALL.iter().find(|it| is_mark && it.source.name == name && it.source.extension == extension)
    }

    /// What it holds, packed.
    #[must_use]
    pub fn body(&self, coding: Coding) -> &'static [u8] {
        match coding {
            Coding::Brotli => self.source.brotli,
            Coding::Gzip => self.source.gzip,
            Coding::Identity => self.source.plain,
        }
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

#[cfg(test)]
mod tests;
