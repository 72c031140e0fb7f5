//! Every text a person reads: the catalogues, the choice of a language, the look-up.
//!
//! A text is a small template with named variables (`{{ min }}`), so that plurals and optional
//! parts are written in the catalogue, by whoever knows the language. A text never holds markup:
//! what a template puts around it is escaped there. Nothing a user or tenant wrote is ever
//! evaluated as a text, it only fills variables.

use std::{fmt, str::FromStr, sync::Arc};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

use crate::error::{Context, Error, Result};

#[cfg(test)]
mod tests;

/// A language we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Locale {
    /// English: the fallback, and the language of the API's own sentences.
    En,
    /// German.
    De,
}

/// The text is not the tag of a language we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a language this server speaks")]
pub struct UnknownLocale;

impl Locale {
    /// Every language we speak.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// The language tag (BCP 47), as in `lang="en"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The direction of writing, as in `dir="ltr"`.
    #[must_use]
    pub const fn direction(self) -> &'static str {
        match self {
            Self::En | Self::De => "ltr",
        }
    }

    /// The best language for an `Accept-Language` header (RFC 9110 §12.5.4), else `fallback`.
    ///
    /// Only the first 256 characters are read. Of equal weights the earlier wins; a language with
    /// `q=0` is never chosen; `*` means `fallback`. Regions are ignored: `de-AT` is German.
    #[must_use]
    pub fn choose(accept_language: Option<&str>, fallback: Self) -> Self {
        let header: String = accept_language.unwrap_or_default().chars().take(256).collect();
        let mut best = None;
        for range in header.split(',') {
            let Some((locale, weight)) = weigh(range, fallback) else { continue };
            if weight > best.map_or(0, |(_, known)| known) {
                best = Some((locale, weight));
            }
        }
        best.map_or(fallback, |(locale, _)| locale)
    }

    const fn catalogue(self) -> &'static str {
        match self {
            Self::En => include_str!("../locales/en.toml"),
            Self::De => include_str!("../locales/de.toml"),
        }
    }
}

/// One language range and its weight in thousandths, where it names a language we speak.
fn weigh(range: &str, fallback: Locale) -> Option<(Locale, u16)> {
    let (tag, parameters) = range.split_once(';').unwrap_or((range, "q=1"));
    let weight: f32 = parameters.trim().strip_prefix("q=")?.trim().parse().ok()?;
    if !(0.0..=1.0).contains(&weight) {
        return None;
    }
    let tag = tag.trim();
    let locale = if tag == "*" { fallback } else { tag.parse().ok()? };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range check above leaves 0 to 1000"
    )]
    Some((locale, (weight * 1000.0) as u16))
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

/// The catalogues, compiled. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Texts(Arc<Environment<'static>>);

impl Texts {
    /// Reads the catalogues that are compiled in.
    ///
    /// # Errors
    /// [`Error::Internal`] where a catalogue is not TOML or a text of it is not a template.
    pub fn load() -> Result<Self> {
        let mut texts = Environment::new();
        texts.set_undefined_behavior(UndefinedBehavior::Strict);
        texts.set_auto_escape_callback(|_| AutoEscape::None);
        texts.set_fuel(Some(10_000));
        for locale in Locale::ALL {
            for (key, text) in entries(locale)? {
                texts.add_template_owned(name(locale, &key), text).doing("compiling a text")?;
            }
        }
        Ok(Self(Arc::new(texts)))
    }

    /// The text of `key` in `locale`, its variables filled from `args` (`context! { … }`).
    ///
    /// Never fails: a key that `locale` lacks is said in English, an unknown key as itself. Both
    /// are logged, and a test keeps both from happening.
    #[must_use]
    pub fn say(&self, locale: Locale, key: &str, args: Value) -> String {
        self.fill(locale, key, args.clone())
            .or_else(|_| self.fill(Locale::En, key, args))
            .unwrap_or_else(|_| key.to_owned())
    }

    /// As [`Texts::say`], for templates: a missing key or variable is an error.
    pub(crate) fn fill(
        &self,
        locale: Locale,
        key: &str,
        args: Value,
    ) -> Result<String, minijinja::Error> {
        self.0.get_template(&name(locale, key)).and_then(|text| text.render(args)).map_err(
            |fault| {
                tracing::error!(%locale, key, %fault, "a text is missing or cannot be filled");
                minijinja::Error::new(ErrorKind::InvalidOperation, format!("no text for {key}"))
                    .with_source(fault)
            },
        )
    }
}

fn name(locale: Locale, key: &str) -> String {
    format!("{locale}:{key}")
}

/// Every text of a catalogue under its dotted key.
fn entries(locale: Locale) -> Result<Vec<(String, String)>> {
    let catalogue: toml::Table = toml::from_str(locale.catalogue()).doing("reading a catalogue")?;
    let mut found = Vec::new();
    let mut rest: Vec<(String, toml::Value)> = catalogue.into_iter().collect();
    while let Some((key, value)) = rest.pop() {
        match value {
            toml::Value::String(text) => found.push((key, text)),
            toml::Value::Table(table) => {
                rest.extend(
                    table.into_iter().map(|(part, value)| (format!("{key}.{part}"), value)),
                );
            }
            _ => return Err(Error::internal("reading a catalogue", format!("{key} is no text"))),
        }
    }
    Ok(found)
}
