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

mod fill;
mod locale;
#[cfg(test)]
mod tests;

/// The catalogues. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Texts(Arc<Catalogues>);

/// Most texts take nothing and are said as they are. The others are compiled when they are said for
/// the first time: all of them in every language would be the greater part of what a server that
/// does nothing holds in memory.
#[derive(Debug)]
struct Catalogues {
    texts: Arc<Known>,
    filled: Environment<'static>,
}

/// Every text by its language and its key.
type Known = HashMap<(Locale, &'static str), &'static str>;

impl Texts {
    /// Reads the catalogues that are compiled in.
    #[must_use]
    pub fn load() -> Self {
        let of = |locale| entries(locale).map(move |(key, text)| ((locale, key), text));
        let texts: Arc<Known> = Arc::new(Locale::ALL.into_iter().flat_map(of).collect());
        let mut filled = Environment::new();
        filled.set_undefined_behavior(UndefinedBehavior::Strict);
        filled.set_auto_escape_callback(|_| AutoEscape::None);
        filled.set_fuel(Some(10_000));
        fill::install(&mut filled);
        let known = Arc::clone(&texts);
        filled.set_loader(move |name| Ok(find(&known, name).map(str::to_owned)));
        Self(Arc::new(Catalogues { texts, filled }))
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
        if let Some(text) = self.0.texts.get(&(locale, key)).filter(|text| !text.contains('{')) {
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

/// The text of such a name.
fn find(known: &Known, name: &str) -> Option<&'static str> {
    let (locale, key) = name.split_once(':')?;
    known.get(&(locale.parse().ok()?, key)).copied()
}

/// Every text of a catalogue under its dotted key, as `build.rs` has written them down.
fn entries(locale: Locale) -> impl Iterator<Item = (&'static str, &'static str)> {
    locale.catalogue().split('\u{1e}').filter_map(|record| record.split_once('\u{1f}'))
}
