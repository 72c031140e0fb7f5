//! A tenant's own style sheet, let through by what is known to be harmless: named elements of our
//! pages, properties that change how something looks and never whether or where it is there, and
//! values within bounds. Whatever else stands in it is a fault; nothing is passed on as it was
//! written, since what is returned is put together anew from what was understood.
//!
//! So a sheet loads nothing, covers nothing, adds no words and hides none. What warns people is not
//! among the elements, and keeps its colours by a rule of our own (`static/app.css`). It is used on
//! the pages by which people sign in alone, never where they agree to something
//! (`view::Page::IS_DRESSED`).

use std::fmt;

use cssparser::{ParseError, Parser, ToCss as _, Token, color::parse_named_color};

use self::allowed::{Allowed, FUNCTIONS, PROPERTIES, SELECTABLE, STATES, VARIABLES};

mod allowed;

/// Bytes of a sheet at most.
pub const LONGEST: usize = 16 * 1024;
/// Rules of a sheet at most.
const MOST_RULES: usize = 200;

/// Why a style sheet is not let through, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsafe {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong there.
    pub why: Why,
}

/// What is wrong with a style sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It is too long.
    #[error("16 KiB and 200 rules at most")]
    TooLong,
    /// It is not put together as style sheets are.
    #[error("this is not a rule as it is allowed here: selector {{ property: value; }}")]
    Form,
    /// An at-rule that is none of ours.
    #[error(
        "only @media with (prefers-color-scheme: dark), (prefers-color-scheme: light), \
         (min-width: …) or (max-width: …) is allowed"
    )]
    Media,
    /// A selector names something that is not to be selected.
    #[error("this selector names something that is not in the list of elements")]
    Selector,
    /// A property that is not known to be harmless.
    #[error("this property is not allowed")]
    Property,
    /// A value that the property may not have here.
    #[error("this property may not have this value here")]
    Value,
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

type Parsed<T> = Result<T, ParseError<Unsafe>>;

/// The same sheet, of nothing but what is let through.
///
/// # Errors
/// The first thing in it that is not.
pub fn safe(text: &str) -> Result<String, Unsafe> {
    if text.len() > LONGEST {
        return Err(Unsafe { line: 1, why: Why::TooLong });
    }
    let mut input = Parser::new(text);
    let mut out = String::new();
    let mut count = 0;
    let result = rules(&mut input, &mut out, &mut count);
    let line = input.current_source_location().line + 1;
    match result {
        Ok(()) => Ok(out),
        Err(ParseError { kind: cssparser::ParseErrorKind::Custom(fault) }) => Err(fault),
        Err(_) => Err(Unsafe { line, why: Why::Form }),
    }
}

fn refuse<T>(input: &Parser<'_>, why: Why) -> Parsed<T> {
    let line = input.current_source_location().line + 1;
    Err(ParseError::custom(Unsafe { line, why }))
}

/// Rules to the end of the sheet.
fn rules(input: &mut Parser<'_>, out: &mut String, count: &mut usize) -> Parsed<()> {
    loop {
        input.skip_whitespace();
        if input.is_exhausted() {
            return Ok(());
        }
        let start = input.state();
        if let Token::AtKeyword(name) = input.next()?.clone() {
            if !name.eq_ignore_ascii_case("media") {
                return refuse(input, Why::Media);
            }
            let condition = condition(input)?;
            out.extend(["@media ", &condition, "{\n"]);
            input.parse_nested_block(|inner| plain_rules(inner, out, count))?;
            out.push_str("}\n");
        } else {
            input.reset(&start);
            rule(input, out, count)?;
        }
    }
}

/// Rules within `@media`, where no other is.
fn plain_rules(input: &mut Parser<'_>, out: &mut String, count: &mut usize) -> Parsed<()> {
    loop {
        input.skip_whitespace();
        if input.is_exhausted() {
            return Ok(());
        }
        rule(input, out, count)?;
    }
}

/// What `@media` asks for, up to its block.
fn condition(input: &mut Parser<'_>) -> Parsed<String> {
    let Ok(Token::ParenthesisBlock) = input.next() else { return refuse(input, Why::Media) };
    let said = input.parse_nested_block(|inner| {
        let name = inner.expect_ident_cloned()?.to_ascii_lowercase();
        inner.expect_colon()?;
        let value = inner.next()?.clone();
        match (name.as_str(), &value) {
            ("prefers-color-scheme", Token::Ident(scheme))
                if ["dark", "light"].contains(&&**scheme) =>
            {
                Ok(format!("({name}:{scheme})"))
            }
            ("min-width" | "max-width", Token::Dimension { value: length, unit, .. })
                if ["px", "em", "rem"].contains(&&**unit) && (0.0..=10_000.0).contains(length) =>
            {
                Ok(format!("({name}:{})", value.to_css_string()))
            }
            _ => refuse(inner, Why::Media),
        }
    })?;
    match input.next() {
        Ok(Token::CurlyBracketBlock) => Ok(said),
        _ => refuse(input, Why::Media),
    }
}

fn rule(input: &mut Parser<'_>, out: &mut String, count: &mut usize) -> Parsed<()> {
    *count += 1;
    if *count > MOST_RULES {
        return refuse(input, Why::TooLong);
    }
    let selector = selector(input)?;
    let declarations = input.parse_nested_block(declarations)?;
    if !declarations.is_empty() {
        out.extend([&*selector, "{", &declarations, "}\n"]);
    }
    Ok(())
}

/// A list of selectors, up to the block that follows, which is then the parser's next.
fn selector(input: &mut Parser<'_>) -> Parsed<String> {
    let mut said = String::new();
    // Whether an element was named since the last comma, and one is due after `>`.
    let (mut is_named, mut is_due) = (false, true);
    loop {
        match input.next_including_whitespace()?.clone() {
            Token::CurlyBracketBlock if is_named && !is_due => return Ok(said.trim().to_owned()),
            Token::WhiteSpace(_) if said.ends_with([' ', ',', '>']) => {}
            Token::WhiteSpace(_) => said.push(' '),
            Token::Comma if is_named && !is_due => {
                said.truncate(said.trim_end().len());
                said.push(',');
                (is_named, is_due) = (false, true);
            }
            Token::Delim('>') if is_named && !is_due => {
                said.truncate(said.trim_end().len());
                said.push('>');
                is_due = true;
            }
            Token::Colon if !is_due && !said.ends_with(' ') => {
                match input.next_including_whitespace()? {
                    Token::Ident(state) if STATES.contains(&&**state) => {
                        said.extend([":", state]);
                    }
                    _ => return refuse(input, Why::Selector),
                }
            }
            token => {
                // With nothing but a comment between them, two names would become one of ours.
                let is_glued = matches!(token, Token::Ident(_))
                    && !said.is_empty()
                    && !said.ends_with([' ', ',', '>']);
                let Some(name) = element(input, &token)?.filter(|_| !is_glued) else {
                    return refuse(input, Why::Selector);
                };
                said.push_str(&name);
                (is_named, is_due) = (true, false);
            }
        }
        if said.len() > 1_000 {
            return refuse(input, Why::TooLong);
        }
    }
}

/// An element, a class or an id that may be selected.
fn element(input: &mut Parser<'_>, token: &Token<'_>) -> Parsed<Option<String>> {
    let name = match token {
        Token::Ident(name) => name.to_string(),
        Token::IDHash(name) => format!("#{name}"),
        Token::Delim('.') => match input.next_including_whitespace()? {
            Token::Ident(name) => format!(".{name}"),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(SELECTABLE.contains(&name.as_str()).then_some(name))
}

fn declarations(input: &mut Parser<'_>) -> Parsed<String> {
    let mut said = String::new();
    loop {
        match input.next() {
            Err(_) => return Ok(said),
            Ok(Token::Semicolon) => {}
            Ok(Token::Ident(name)) => {
                let name = name.to_ascii_lowercase();
                let known = PROPERTIES.iter().find(|(property, _)| *property == name);
                let Some((property, allowed)) = known else {
                    return refuse(input, Why::Property);
                };
                input.expect_colon()?;
                let value = value(input, *allowed)?;
                said.extend([*property, ":", &value, ";"]);
            }
            Ok(_) => return refuse(input, Why::Form),
        }
    }
}

/// A value up to its semicolon or the end of its block.
fn value(input: &mut Parser<'_>, allowed: Allowed) -> Parsed<String> {
    let mut said = String::new();
    loop {
        let start = input.state();
        let token = match input.next() {
            Err(_) => break,
            Ok(token) => token.clone(),
        };
        match &token {
            Token::Semicolon => {
                input.reset(&start);
                break;
            }
            Token::Comma => said.push(','),
            Token::Function(name) => {
                let name = name.to_ascii_lowercase();
                let inner = input.parse_nested_block(|inner| function(inner, &name, allowed))?;
                said.extend([" ", &name, "(", &inner, ")"]);
            }
            token if fits(token, allowed) => {
                said.push(' ');
                said.push_str(&token.to_css_string());
            }
            _ => return refuse(input, Why::Value),
        }
    }
    let said = said.trim().to_owned();
    if said.is_empty() { refuse(input, Why::Value) } else { Ok(said) }
}

/// Whether a property may have a token in its value.
fn fits(token: &Token<'_>, allowed: Allowed) -> bool {
    let within = |bounds: Option<(f32, f32)>, value: f32| {
        bounds.is_some_and(|(least, most)| (least..=most).contains(&value))
    };
    match token {
        Token::Ident(word) => {
            let word = word.to_ascii_lowercase();
            let is_colour = allowed.colours.is_any() && parse_named_color(&word).is_ok();
            is_colour || allowed.words.contains(&word.as_str()) || (allowed.names && is_name(&word))
        }
        Token::Hash(digits) | Token::IDHash(digits) => {
            let lengths: &[usize] =
                if allowed.colours.is_solid() { &[3, 6] } else { &[3, 4, 6, 8] };
            allowed.colours.is_any()
                && lengths.contains(&digits.len())
                && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        }
        Token::Number { value, .. } => {
            // A length of nothing needs no unit.
            within(allowed.number, *value) || (*value == 0.0 && within(allowed.length, 0.0))
        }
        Token::Percentage { unit_value, .. } => within(allowed.percent, *unit_value),
        Token::Dimension { value, unit, .. } => match &*unit.to_ascii_lowercase() {
            "px" => within(allowed.length, value / 16.0),
            "rem" | "em" => within(allowed.length, *value),
            _ => false,
        },
        Token::QuotedString(text) => allowed.names && is_name(text),
        _ => false,
    }
}

/// A name of a font: letters, digits, spaces and hyphens.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-');
    (1..=64).contains(&text.len()) && text.chars().all(fits)
}

/// What stands in the brackets of a colour, a gradient, or `var()`.
fn function(input: &mut Parser<'_>, name: &str, allowed: Allowed) -> Parsed<String> {
    if name == "var" {
        let variable = input.expect_ident_cloned()?;
        let is_known = allowed.colours.is_any() && VARIABLES.contains(&&*variable);
        return if is_known && input.is_exhausted() {
            Ok(variable.to_string())
        } else {
            refuse(input, Why::Value)
        };
    }
    let is_gradient = name.ends_with("-gradient");
    let is_allowed = if is_gradient { allowed.gradients } else { allowed.colours.is_free() };
    if !is_allowed || !FUNCTIONS.contains(&name) {
        return refuse(input, Why::Value);
    }
    let mut said = String::new();
    while let Ok(token) = input.next().cloned() {
        match &token {
            Token::Comma => said.push(','),
            Token::Function(inner) if is_gradient => {
                let inner = inner.to_ascii_lowercase();
                if inner.ends_with("-gradient") {
                    return refuse(input, Why::Value);
                }
                let held = input.parse_nested_block(|it| function(it, &inner, allowed))?;
                said.extend([" ", &inner, "(", &held, ")"]);
            }
            token if is_plain(token) => {
                said.push(' ');
                said.push_str(&token.to_css_string());
            }
            _ => return refuse(input, Why::Value),
        }
    }
    Ok(said.trim().to_owned())
}

/// A number, a colour or a plain word, as colours and gradients are made of.
fn is_plain(token: &Token<'_>) -> bool {
    match token {
        Token::Ident(word) => {
            word.len() <= 24 && word.bytes().all(|it| it.is_ascii_alphabetic() || it == b'-')
        }
        Token::Hash(text) | Token::IDHash(text) => text.bytes().all(|it| it.is_ascii_hexdigit()),
        Token::Dimension { unit, .. } => ["deg", "turn", "px", "rem", "em"].contains(&&**unit),
        Token::Number { .. } | Token::Percentage { .. } | Token::Delim('/') => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
