//! E-mail addresses: which texts are one, the form that is stored and mailed, and the identity
//! that is compared.
//!
//! What is taken and refused, and the words of a refusal, follow the `EmailStr` of pydantic
//! (email-validator with its defaults), because clients know those answers. On top of that, text
//! that could break a mail header or a log line is refused everywhere. Nothing is asked of the
//! DNS here, and nothing is known of tenants or of who owns an address.

use std::{borrow::Cow, fmt};

use unicode_normalization::{
    UnicodeNormalization,
    char::{is_combining_mark, is_public_assigned},
};

/// Characters a text may have before anything else is looked at.
const MAX_TEXT_CHARS: usize = 2048;
/// Octets of an address (RFC 5321 §4.5.3.1.3 less the angle brackets). The local part has no limit
/// of its own: 64 octets are what every mail server takes at least, and some hand out more.
const MAX_OCTETS: usize = 254;
/// Octets of a domain (RFC 1035 §2.3.4 less the root).
const MAX_DOMAIN: usize = 253;
/// Octets of one label of a domain (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;
/// What an unquoted local part may hold besides letters, digits and dots (RFC 5322 §3.2.3).
const ATEXT: &str = "_!#$%&'*+-/=?^`{|}~";
/// Names under which no mail is delivered (RFC 6761, RFC 6762, RFC 7686).
const RESERVED: [&str; 6] = ["arpa", "invalid", "local", "localhost", "onion", "test"];

/// A checked address.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    address: String,
    key: String,
}

/// Why a text is not an address, in email-validator's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EmailFault(Cow<'static, str>);

impl EmailFault {
    /// The reason as a sentence. It may name single offending characters, never the text.
    #[must_use]
    pub fn reason(&self) -> String {
        self.0.clone().into_owned()
    }
}

impl Email {
    /// Reads an address, alone or as `Name <address>`; blanks around it and the name are dropped.
    ///
    /// # Errors
    /// The first rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, EmailFault> {
        if text.chars().nth(MAX_TEXT_CHARS).is_some() {
            return fault(format!("Length must not exceed {MAX_TEXT_CHARS} characters"));
        }
        let text = text.trim_matches(|c: char| c.is_whitespace() && !is_foreign_line_break(c));
        if text.contains(['\r', '\n']) {
            return fault("Carriage return and line feed characters are not allowed");
        }
        if let Some(shown) = offenders(text, is_foreign_line_break) {
            return fault(format!("The email address contains unsafe characters: {shown}."));
        }
        // First of all, since NFC makes ASCII of a few characters: U+037E is a semicolon.
        let text: String = text.nfc().collect();
        let (local, domain) = split(bare(&text))?;
        let local = check_local(local)?;
        let (domain, ascii) = check_domain(domain)?;
        let lower: String = local.to_lowercase().nfc().collect();
        let email = Self { address: format!("{local}@{domain}"), key: format!("{lower}@{ascii}") };
        let longest = email.address.len().max(email.key.len()).max(local.len() + 1 + ascii.len());
        match longest.checked_sub(MAX_OCTETS) {
            None | Some(0) => Ok(email),
            Some(over) => fault(format!("The email address is too long {}.", too_many(over))),
        }
    }

    /// The address as it is stored, shown and written to: NFC, the domain in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// The identity: equal for two spellings of one mailbox, and only for those.
    ///
    /// The local part is NFC and lower-cased by Unicode's simple and special rules, the domain is
    /// in A-labels (RFC 5890 §2.3.2.1). Look-alikes are not folded and plus tags are kept, or one
    /// person could take over what another registered.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The part before the `@`, as given.
    #[must_use]
    pub fn local(&self) -> &str {
        halves(&self.address).0
    }

    /// The domain in A-labels and lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        halves(&self.key).1
    }

    /// The local part as given at the domain in A-labels: what a mail server is told.
    #[must_use]
    pub fn envelope(&self) -> String {
        format!("{}@{}", self.local(), self.domain())
    }

    /// The address with all but the first character of its local part hidden: `a***@example.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (local, domain) = halves(&self.address);
        let first: String = local.chars().take(1).collect();
        format!("{first}***@{domain}")
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({})", self.masked())
    }
}

fn fault<T>(reason: impl Into<Cow<'static, str>>) -> Result<T, EmailFault> {
    Err(EmailFault(reason.into()))
}

/// Both sides of the only `@` of a checked address.
fn halves(address: &str) -> (&str, &str) {
    address.rsplit_once('@').unwrap_or((address, ""))
}

/// Line breaks that a mail header must never see, even where a trim would drop them.
fn is_foreign_line_break(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What stands in the angle brackets of `Name <address>`, or the text itself.
fn bare(text: &str) -> &str {
    let Some((name, address)) = text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<'))
    else {
        return text;
    };
    let (name, address) = (name.trim(), address.trim());
    let quoted = name.len() > 2 && name.starts_with('"') && name.ends_with('"');
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == ' ' || c == '.' || is_atext(c));
    let safe = !name.contains(char::is_control);
    if address.is_empty() || !safe || !(plain || quoted) { text } else { address }
}

/// Cuts at the first `@` outside quotes.
fn split(text: &str) -> Result<(&str, &str), EmailFault> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            '@' if !quoted => {
                let (local, rest) = text.split_at(at);
                return Ok((local, rest.strip_prefix('@').unwrap_or(rest)));
            }
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    fault(if text.contains('\u{ff20}') {
        "The email address has the \"full-width\" at-sign (@) character instead of a regular at-sign."
    } else {
        "An email address must have an @-sign."
    })
}

/// The local part in NFC.
fn check_local(local: &str) -> Result<String, EmailFault> {
    if local.is_empty() || local == "\"\"" {
        return fault("There must be something before the @-sign.");
    }
    if local.starts_with('"') {
        return fault("Quoting the part before the @-sign is not allowed here.");
    }
    if let Some(shown) = offenders(local, |c| c != '.' && !is_atext(c)) {
        return fault(format!(
            "The email address contains invalid characters before the @-sign: {shown}."
        ));
    }
    let starts = "An email address cannot start with a period.";
    let ends = "An email address cannot have a period immediately before the @-sign.";
    check_dots(local, starts, ends)?;
    let local: String = local.nfc().collect();
    check_safe(&local)?;
    Ok(local)
}

/// The domain in lower case, and the same in A-labels.
fn check_domain(domain: &str) -> Result<(String, String), EmailFault> {
    if domain.is_empty() {
        return fault("There must be something after the @-sign.");
    }
    if domain.starts_with('[') && domain.ends_with(']') {
        return fault("A bracketed IP address after the @-sign is not allowed here.");
    }
    if let Some(shown) = offenders(domain, |c| !(is_host(c) || c == '.')) {
        return fault(format!("The part after the @-sign contains invalid characters: {shown}."));
    }
    check_safe(domain)?;
    let domain = if domain.is_ascii() {
        domain.to_ascii_lowercase()
    } else {
        // Decodes and maps by UTS 46; what it cannot map is refused with the A-labels below.
        idna::domain_to_unicode(domain).0
    };
    check_labels(&domain)?;
    let ascii = to_a_labels(&domain)?;
    if !domain.contains('.') {
        return fault("The part after the @-sign is not valid. It should have a period.");
    }
    if !domain.ends_with(|c: char| c.is_ascii_alphabetic() || !c.is_ascii()) {
        return fault(
            "The part after the @-sign is not valid. It is not within a valid top-level domain.",
        );
    }
    if RESERVED.iter().any(|name| ascii.rsplit('.').next() == Some(name)) {
        return fault(
            "The part after the @-sign is a special-use or reserved name that cannot be used with \
             email.",
        );
    }
    Ok((domain, ascii))
}

fn check_dots(text: &str, starts: &'static str, ends: &'static str) -> Result<(), EmailFault> {
    if text.ends_with('.') {
        return fault(ends);
    }
    if text.starts_with('.') {
        return fault(starts);
    }
    if text.contains("..") {
        return fault("An email address cannot have two periods in a row.");
    }
    Ok(())
}

/// The rules on dots, hyphens and lengths, which hold for every domain name.
fn check_labels(domain: &str) -> Result<(), EmailFault> {
    let starts = "An email address cannot have a period immediately after the @-sign.";
    let ends = "An email address cannot end with a period.";
    check_dots(domain, starts, ends)?;
    if domain.ends_with('-') {
        return fault("An email address cannot end with a hyphen.");
    }
    if domain.starts_with('-') {
        return fault("An email address cannot have a hyphen immediately after the @-sign.");
    }
    if domain.contains(".-") || domain.contains("-.") {
        return fault("An email address cannot have a period and a hyphen next to each other.");
    }
    let dashed = |label: &str| label.get(2..4) == Some("--") && !label.starts_with("xn");
    if domain.split('.').any(dashed) {
        return fault(
            "An email address cannot have two letters followed by two dashes immediately after \
             the @-sign or after a period, except Punycode.",
        );
    }
    if let Some(over) = domain.len().checked_sub(MAX_DOMAIN + 1) {
        let over = too_many(over + 1);
        return fault(format!("The email address is too long after the @-sign {over}."));
    }
    let longest = domain.split('.').filter(|label| label.is_ascii()).map(str::len).max();
    if let Some(over) = longest.and_then(|length| length.checked_sub(MAX_LABEL + 1)) {
        let over = too_many(over + 1);
        return fault(format!(
            "After the @-sign, periods cannot be separated by so many characters {over}."
        ));
    }
    Ok(())
}

/// The domain in A-labels; refuses what no registry may hold.
///
/// UTS 46 lets symbols through that IDNA 2008 (RFC 5892) does not: they are looked for in the
/// decoded name, so that Punycode cannot smuggle them in.
fn to_a_labels(domain: &str) -> Result<String, EmailFault> {
    const REFUSED: &str = "The part after the @-sign is not a valid internationalized domain name.";
    let Ok(ascii) = idna::domain_to_ascii_strict(domain) else {
        return fault(REFUSED);
    };
    let (decoded, outcome) = idna::domain_to_unicode(&ascii);
    let context = |c| matches!(c, '\u{b7}' | '\u{375}' | '\u{5f3}' | '\u{5f4}' | '\u{30fb}');
    let known = |c: char| is_host(c) && (c.is_alphanumeric() || is_combining_mark(c) || context(c));
    if outcome.is_err() || !decoded.chars().all(|c| c == '-' || c == '.' || known(c)) {
        return fault(REFUSED);
    }
    // Catalan's middle dot stands between two l's (RFC 5892, appendix A.3).
    let dots = decoded.matches('\u{b7}').count();
    if decoded.match_indices("l\u{b7}l").count() < dots {
        return fault(REFUSED);
    }
    Ok(ascii)
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || ATEXT.contains(c) || !c.is_ascii()
}

fn is_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || !c.is_ascii()
}

/// Refuses what cannot be seen or has no agreed meaning, and a leading combining mark, which
/// would change the character before it wherever the address is shown.
fn check_safe(text: &str) -> Result<(), EmailFault> {
    let leading = text.chars().next().filter(|c| is_combining_mark(*c));
    match offenders(text, is_unsafe).or_else(|| leading.map(show)) {
        Some(shown) => fault(format!("The email address contains unsafe characters: {shown}.")),
        None => Ok(()),
    }
}

/// Blanks, controls, format characters, private use, the unassigned, and the other at-signs.
fn is_unsafe(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || !is_public_assigned(c)
        || matches!(c, '\u{ff20}' | '\u{fe6b}')
        || is_format(c)
}

/// General category Cf. The standard library cannot tell, and the list hardly ever grows.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// The characters of `text` that `is_bad` holds for, sorted as they are shown, each once, at most
/// eight.
fn offenders(text: &str, is_bad: impl Fn(char) -> bool) -> Option<String> {
    let mut shown: Vec<String> = text.chars().filter(|c| is_bad(*c)).map(show).collect();
    shown.sort_unstable();
    shown.dedup();
    shown.truncate(8);
    (!shown.is_empty()).then(|| shown.join(", "))
}

/// One character in quotes, or its number where it would not be seen.
fn show(c: char) -> String {
    match c {
        '\\' => "\"\\\"".to_owned(),
        '\'' => "\"'\"".to_owned(),
        ' ' => "SPACE".to_owned(),
        c if c.is_ascii_graphic() => format!("'{c}'"),
        c => format!("U+{:04X}", u32::from(c)),
    }
}

fn too_many(over: usize) -> String {
    let plural = if over == 1 { "" } else { "s" };
    format!("({over} character{plural} too many)")
}

#[cfg(test)]
mod tests;
