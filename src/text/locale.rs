//! The languages we speak, and how a wish for one is read.

use std::{fmt, str::FromStr};

use icu_locale_core::locale;

/// A language we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Locale {
    /// English: the fallback, and the language of the API's own sentences.
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
    /// Japanese.
    Ja,
    /// Arabic.
    Ar,
}

/// The text is not the tag of a language we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {}", Locale::LIST)]
pub struct UnknownLocale;

/// The most characters of a wish that are read, and the most tags of `ui_locales`: a wish is
/// somebody else's text.
const READ: usize = 256;
const TAGS: usize = 20;

impl Locale {
    /// Every language we speak, in the order in which they are offered.
    pub const ALL: [Self; 6] = [Self::En, Self::De, Self::Fr, Self::Es, Self::Ja, Self::Ar];
    /// All of them in a sentence.
    pub const LIST: &str = "en, de, fr, es, ja or ar";

    /// The language tag (BCP 47), as in `lang="en"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Es => "es",
            Self::Ja => "ja",
            Self::Ar => "ar",
        }
    }

    /// The direction of writing, as in `dir="ltr"`.
    #[must_use]
    pub const fn direction(self) -> &'static str {
        match self {
            Self::Ar => "rtl",
            Self::En | Self::De | Self::Fr | Self::Es | Self::Ja => "ltr",
        }
    }

    /// The best language for an `Accept-Language` header (RFC 9110 §12.5.4); `None` where it asks
    /// for none that we speak.
    ///
    /// Only the first 256 characters are read. Of equal weights the earlier wins; a language with
    /// `q=0` is never chosen; `*` says nothing. Regions are ignored: `de-AT` is German.
    #[must_use]
    pub fn accepted(accept_language: &str) -> Option<Self> {
        let header: String = accept_language.chars().take(READ).collect();
        let mut best: Option<(Self, u16)> = None;
        for (locale, weight) in header.split(',').filter_map(weigh) {
            if weight > best.map_or(0, |(_, known)| known) {
                best = Some((locale, weight));
            }
        }
        // Whoever wants any language more than ours is left to the fallback.
        let any = header.split(',').filter_map(weigh_any).max().unwrap_or_default();
        best.filter(|(_, weight)| *weight >= any).map(|(locale, _)| locale)
    }

    /// As [`Locale::accepted`], else `fallback`.
    #[must_use]
    pub fn choose(accept_language: Option<&str>, fallback: Self) -> Self {
        accept_language.and_then(Self::accepted).unwrap_or(fallback)
    }

    /// The first language that we speak of a list of tags with blanks between them, as in the
    /// parameter `ui_locales` (OpenID Connect Core 1.0 §3.1.2.1).
    #[must_use]
    pub fn first_of(tags: &str) -> Option<Self> {
        let tags: String = tags.chars().take(READ).collect();
        tags.split_ascii_whitespace().take(TAGS).find_map(|tag| tag.parse().ok())
    }

    /// What parts groups of three digits, and how many digits a number has at least that is parted
    /// at all (CLDR 48). The digits are 0 to 9 in Arabic too: as in the codes, addresses and keys
    /// that people compare with these texts and type, and as is usual in programs of the Maghreb
    /// and of the Gulf.
    pub(super) const fn grouping(self) -> (&'static str, usize) {
        match self {
            Self::En | Self::Ja | Self::Ar => (",", 4),
            Self::De => (".", 4),
            Self::Fr => ("\u{202f}", 4),
            Self::Es => (".", 5),
        }
    }

    pub(super) const fn cldr(self) -> icu_locale_core::Locale {
        match self {
            Self::En => locale!("en"),
            Self::De => locale!("de"),
            Self::Fr => locale!("fr"),
            Self::Es => locale!("es"),
            Self::Ja => locale!("ja"),
            Self::Ar => locale!("ar"),
        }
    }

    pub(super) const fn catalogue(self) -> &'static str {
        match self {
            Self::En => include_str!(concat!(env!("OUT_DIR"), "/en.texts")),
            Self::De => include_str!(concat!(env!("OUT_DIR"), "/de.texts")),
            Self::Fr => include_str!(concat!(env!("OUT_DIR"), "/fr.texts")),
            Self::Es => include_str!(concat!(env!("OUT_DIR"), "/es.texts")),
            Self::Ja => include_str!(concat!(env!("OUT_DIR"), "/ja.texts")),
            Self::Ar => include_str!(concat!(env!("OUT_DIR"), "/ar.texts")),
        }
    }
}

/// One language range and its weight in thousandths, where it names a language we speak.
fn weigh(range: &str) -> Option<(Locale, u16)> {
    let (tag, weight) = weighed(range)?;
    Some((tag.parse().ok()?, weight))
}

/// The weight of `*`.
fn weigh_any(range: &str) -> Option<u16> {
    weighed(range).filter(|(tag, _)| *tag == "*").map(|(_, weight)| weight)
}

fn weighed(range: &str) -> Option<(&str, u16)> {
    let (tag, parameters) = range.split_once(';').unwrap_or((range, "q=1"));
    let weight: f32 = parameters.trim().strip_prefix("q=")?.trim().parse().ok()?;
    if !(0.0..=1.0).contains(&weight) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range check above leaves 0 to 1000"
    )]
    Some((tag.trim(), (weight * 1000.0) as u16))
}

impl FromStr for Locale {
    type Err = UnknownLocale;

    /// Reads a language tag; case and everything after the language (`de-AT`) are ignored.
    fn from_str(tag: &str) -> Result<Self, UnknownLocale> {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        let known = |locale: &Self| language.eq_ignore_ascii_case(locale.as_str());
        Self::ALL.into_iter().find(known).ok_or(UnknownLocale)
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
