//! The files that pages load, compiled in: one style sheet and one script. Nothing comes from
//! another host.
//!
//! A file's address holds a mark of its content, so that an answer may be kept for ever and a new
//! release is seen at once. Their compressed forms are made once, when the first router is: the
//! files are small, and the work is not worth a step of the build. Pages themselves are never
//! compressed: they hold secrets beside what a stranger can put into them (BREACH).

use std::{io::Write as _, sync::LazyLock};

/// A file as it is written.
#[derive(Debug)]
struct Source {
    /// What comes before the mark, such as `app`.
    name: &'static str,
    /// What comes after it, such as `css`.
    extension: &'static str,
    content_type: &'static str,
    body: &'static str,
}

const CSS: Source = Source {
    name: "app",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    body: include_str!("../../static/app.css"),
};

/// What all pages gain from a script, the way to passkeys, and the captcha, in one: a page asks
/// for one script, whatever it needs of it. Each part looks for what it serves and leaves every
/// other page alone.
const JS: Source = Source {
    name: "app",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    body: concat!(
        include_str!("../../static/app.js"),
        include_str!("../../static/passkey.js"),
        include_str!("../../static/captcha.js"),
        include_str!("../../static/account.js"),
    ),
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
    plain: &'static [u8],
    gzip: Vec<u8>,
    brotli: Vec<u8>,
    source: &'static Source,
}

impl Asset {
    fn new(source: &'static Source) -> Self {
        let plain = source.body.as_bytes();
        let mark = fingerprint(plain);
        Self {
            path: format!("/static/{}.{mark:016x}.{}", source.name, source.extension),
            content_type: source.content_type,
            plain,
            gzip: gzip(plain),
            brotli: brotli(plain),
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
    pub fn body(&'static self, coding: Coding) -> &'static [u8] {
        match coding {
            Coding::Brotli => &self.brotli,
            Coding::Gzip => &self.gzip,
            Coding::Identity => self.plain,
        }
    }
}

/// Writing into memory fails for nobody; were it to, the file would be sent as it is.
fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

fn brotli(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let (quality, window) = (11, 22);
    let mut encoder = brotli::CompressorWriter::new(&mut packed, 4096, quality, window);
    let written = encoder.write_all(plain).and_then(|()| encoder.flush());
    drop(encoder);
    written.map(|()| packed).unwrap_or_default()
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
