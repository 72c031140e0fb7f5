//! Every text a person reads: the catalogues, the choice of a language, the look-up.
//!
//! A text is a small template with named variables (`{{ min }}`), so that plurals and optional
//! parts are written in the catalogue, by whoever knows the language. A text never holds markup:
//! what a template puts around it is escaped there. Nothing a user or tenant wrote is ever
//! evaluated as a text, it only fills variables. That the catalogues have the same texts with the
//! same variables is looked at when the program is built (`build.rs`).

use std::{collections::HashMap, sync::Arc};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

pub use self::{
    fill::number,
    locale::{Locale, UnknownLocale},
};
use crate::error::{Context, Result};

mod fill;
mod locale;
#[cfg(test)]
mod tests;

/// The catalogues. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Texts(Arc<Catalogues>);

/// Most texts take nothing and are said as they are: only the others are compiled, which keeps the
/// start short and the program small.
#[derive(Debug)]
struct Catalogues {
    plain: HashMap<(Locale, &'static str), &'static str>,
    filled: Environment<'static>,
}

impl Texts {
    /// Reads the catalogues that are compiled in.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::error::Error::Internal) where a text is not a template.
    pub fn load() -> Result<Self> {
        let mut plain = HashMap::new();
        let mut texts = Environment::new();
        texts.set_undefined_behavior(UndefinedBehavior::Strict);
        texts.set_auto_escape_callback(|_| AutoEscape::None);
        texts.set_fuel(Some(10_000));
        fill::install(&mut texts);
        for locale in Locale::ALL {
            for (key, text) in entries(locale) {
                if text.contains('{') {
                    texts.add_template_owned(name(locale, key), text).doing("compiling a text")?;
                } else {
                    plain.insert((locale, key), text);
                }
            }
        }
        Ok(Self(Arc::new(Catalogues { plain, filled: texts })))
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
        if let Some(text) = self.0.plain.get(&(locale, key)) {
            return Ok((*text).to_owned());
        }
        let args = fill::isolated(locale, args);
        self.0.filled.get_template(&name(locale, key)).and_then(|text| text.render(args)).map_err(
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

/// Every text of a catalogue under its dotted key, as `build.rs` has written them down.
fn entries(locale: Locale) -> impl Iterator<Item = (&'static str, &'static str)> {
    locale.catalogue().split('\u{1e}').filter_map(|record| record.split_once('\u{1f}'))
}
