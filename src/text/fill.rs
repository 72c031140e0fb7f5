//! What texts can do with their variables: choose the form that goes with a number, write numbers,
//! and keep what others wrote from turning the direction of the sentence around it.

use std::collections::BTreeMap;

use icu_plurals::{PluralCategory, PluralRules};
use minijinja::{Environment, Error, ErrorKind, State, Value, value::Kwargs};

use super::Locale;

/// First Strong Isolate and Pop Directional Isolate (Unicode Annex 9).
const ISOLATE: char = '\u{2068}';
const POP: char = '\u{2069}';

/// The name by which CLDR knows a form.
pub(super) const fn name(category: PluralCategory) -> &'static str {
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
}

/// The plural forms of a language.
pub(super) fn rules(locale: Locale) -> Result<PluralRules, Error> {
    PluralRules::try_new_cardinal((&locale.cldr()).into()).map_err(|fault| {
        Error::new(ErrorKind::InvalidOperation, "no plural forms for the language")
            .with_source(fault)
    })
}

/// Gives the texts their function `plural` and their filter `number`.
///
/// `plural(n, one="# day", other="# days")` is the form that goes with `n` (CLDR's categories;
/// `other` where a form is not given), `#` in it the number.
pub(super) fn install(texts: &mut Environment<'static>) {
    texts.add_function("plural", |state: &State, n: i64, forms: Kwargs| plural(state, n, &forms));
    texts.add_filter("number", |state: &State, n: i64| {
        Ok::<_, Error>(number(language_of(state)?, n))
    });
}

fn plural(state: &State, n: i64, forms: &Kwargs) -> Result<String, Error> {
    let locale = language_of(state)?;
    let category = name(rules(locale)?.category_for(n));
    let form: Option<&str> = forms.get(category)?;
    let other: &str = forms.get("other")?;
    Ok(form.unwrap_or(other).replace('#', &number(locale, n)))
}

/// The language of the text that is being filled, which stands in its name.
fn language_of(state: &State) -> Result<Locale, Error> {
    let language = state.name().split(':').next().unwrap_or_default();
    language.parse().map_err(|_| Error::new(ErrorKind::InvalidOperation, "a text of no language"))
}

/// A number as the language writes it: `1,024`.
#[must_use]
pub fn number(locale: Locale, n: i64) -> String {
    let (mark, smallest) = locale.grouping();
    let digits = n.unsigned_abs().to_string();
    let sign = if n < 0 { "-" } else { "" };
    if digits.len() < smallest {
        return format!("{sign}{digits}");
    }
    let mut grouped = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push_str(mark);
        }
        grouped.push(digit);
    }
    grouped
}

/// The variables, each text among them set apart where its direction could differ from that of the
/// sentence: an address in Arabic, an Arabic name in English, and whatever holds characters that
/// turn the direction. A text has no markup, so that characters do what `<bdi>` does in a template.
pub(super) fn isolated(locale: Locale, args: Value) -> Value {
    let Ok(keys) = args.try_iter() else { return args };
    let pair = |key: Value| {
        let value = args.get_item(&key).unwrap_or_default();
        let apart = match value.as_str() {
            Some(text) if needs_isolation(locale, text) => isolate(text).into(),
            _ => value,
        };
        (key, apart)
    };
    Value::from(keys.map(pair).collect::<BTreeMap<Value, Value>>())
}

fn needs_isolation(locale: Locale, text: &str) -> bool {
    let runs_on = |c: char| c.is_alphabetic() && !turns(c);
    let differs = locale.direction() == "rtl" && text.chars().any(runs_on);
    let turned = if locale.direction() == "rtl" { sets_direction } else { turns };
    differs || text.chars().any(turned)
}

/// Characters that set a direction.
fn sets_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Those, and the characters of scripts that run from right to left.
fn turns(c: char) -> bool {
    sets_direction(c)
        || matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// What closes an isolate is taken out of the text, or it could step out of its own.
fn isolate(text: &str) -> String {
    let kept = text.chars().filter(|c| !matches!(c, '\u{2066}'..='\u{2069}'));
    [ISOLATE].into_iter().chain(kept).chain([POP]).collect()
}
