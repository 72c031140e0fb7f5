//! A tenant's look, checked: whatever a tenant enters, its pages stay safe and legible.

use serde::Serialize;
use url::Url;

/// The colour of a tenant that has chosen none.
const DEFAULT_COLOR: Rgb = Rgb(0x1f, 0x4f, 0xd8);
/// What pages and mails are drawn on, by day and by night (`static/app.css`).
const LIGHT_SURFACE: Rgb = Rgb(0xff, 0xff, 0xff);
const DARK_SURFACE: Rgb = Rgb(0x17, 0x1b, 0x22);
const WHITE: Rgb = Rgb(0xff, 0xff, 0xff);
const BLACK: Rgb = Rgb(0, 0, 0);
/// The contrast that text needs (WCAG 2.2, 1.4.3).
const LEGIBLE: f64 = 4.5;

/// How round corners are that nobody has chosen (`static/app.css` reckons in it).
const DEFAULT_RADIUS: &str = "0.625rem";
/// Text of the second rank, which has to be legible on the page itself, by day and by night
/// (`static/app.css`).
const LIGHT_QUIET: Rgb = Rgb(0x57, 0x60, 0x6e);
const DARK_QUIET: Rgb = Rgb(0xa5, 0xae, 0xbc);
/// What pages are drawn on where a tenant has chosen nothing.
const LIGHT_PAGE: Rgb = Rgb(0xf4, 0xf6, 0xf9);
const DARK_PAGE: Rgb = Rgb(0x0d, 0x10, 0x15);

/// A tenant's name and look, as pages and mails show them.
///
/// Colours are `#rrggbb` by construction, since they are written into a style sheet.
#[derive(Debug, Clone, Serialize)]
pub struct Brand {
    /// The tenant's name, as the tenant writes it.
    pub tenant_name: String,
    /// The first letter of the name, for where there is no logo.
    pub initial: String,
    /// The logo.
    pub logo: Option<Shown>,
    /// The logo by night, where it is another one.
    pub logo_dark: Option<Shown>,
    /// The picture in the browser's tab.
    pub favicon: Option<Shown>,
    /// The background of buttons.
    pub primary_color: String,
    /// The background of buttons that a pointer is over: further from the text on them.
    pub primary_hover: String,
    /// Text on buttons: black or white, whichever contrasts more.
    pub on_primary: String,
    /// The colour for links by day: the tenant's, darkened until it is legible.
    pub accent: String,
    /// The colour for links at night: the tenant's, lightened until it is legible.
    pub accent_dark: String,
    /// What pages are drawn on by day: the tenant's, lightened until text is legible on it.
    pub page_light: String,
    /// What pages are drawn on at night: the tenant's, darkened until text is legible on it.
    pub page_dark: String,
    /// How round corners are, as a length.
    pub radius: &'static str,
    /// The tenant's address: `https://host/t/slug`, without a slash at the end.
    pub base_url: String,
    /// The path of `base_url`, for links that stay on this server.
    pub base_path: String,
    /// What the tenant says in its own words, by language.
    #[serde(skip)]
    pub words: Vec<(String, Words)>,
    /// The tenant's own style sheet.
    #[serde(skip)]
    pub style: Option<SafeStyle>,
}

/// A picture as pages and mails show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its path on this server, for pages.
    pub path: String,
    /// Its whole address, for mails.
    pub url: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// What a tenant says in its own words, and where its documents are. All of it is text, and is
/// escaped where it is printed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Words {
    /// The heading of the sign-in page.
    pub title: Option<String>,
    /// The sentence below it.
    pub lead: Option<String>,
    /// The address that says who runs this.
    pub imprint: Option<String>,
    /// The address of the privacy policy.
    pub privacy: Option<String>,
    /// The address of the terms.
    pub terms: Option<String>,
    /// Where to ask for help.
    pub support: Option<String>,
}

/// A style sheet that can be put into a page as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafeStyle(String);

impl SafeStyle {
    /// A sheet that was let through already. What could end the style element, load something or
    /// weigh more than our own rules is not in such a one; were it there, the sheet is dropped.
    #[must_use]
    pub fn new(checked: &str) -> Option<Self> {
        let is_plain = !checked.contains(['<', '\\', '!']) && !checked.contains("url(");
        is_plain.then(|| Self(checked.to_owned()))
    }

    /// The sheet.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A tenant's look as it was entered.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawBrand<'a> {
    /// The tenant's name.
    pub tenant_name: &'a str,
    /// The colour of buttons and links, `#rrggbb`. Anything else is replaced by ours.
    pub primary_color: Option<&'a str>,
    /// What pages are drawn on by day, `#rrggbb`.
    pub page_color: Option<&'a str>,
    /// What pages are drawn on at night, `#rrggbb`.
    pub page_color_dark: Option<&'a str>,
    /// How round corners are, as a length.
    pub radius: Option<&'static str>,
    /// The tenant's address: `https://host/t/slug`.
    pub base_url: &'a str,
}

impl Brand {
    /// Checks what was entered and computes the colours that go with it.
    #[must_use]
    pub fn new(raw: RawBrand<'_>) -> Self {
        let colour = |text: Option<&str>, ours| text.and_then(Rgb::parse).unwrap_or(ours);
        let primary = colour(raw.primary_color, DEFAULT_COLOR);
        let is_dark = primary.contrast(WHITE) >= primary.contrast(BLACK);
        let (on_primary, away) = if is_dark { (WHITE, BLACK) } else { (BLACK, WHITE) };
        let page = colour(raw.page_color, LIGHT_PAGE).towards(WHITE, &[LIGHT_QUIET]);
        let night = colour(raw.page_color_dark, DARK_PAGE).towards(BLACK, &[DARK_QUIET]);
        let base_url = raw.base_url.trim_end_matches('/').to_owned();
        // Without a slash at its end, as the address: at the root it is empty.
        let base_path = Url::parse(&base_url).map(|url| url.path().to_owned()).unwrap_or_default();
        let base_path = base_path.trim_end_matches('/').to_owned();
        Self {
            tenant_name: raw.tenant_name.to_owned(),
            initial: initial(raw.tenant_name),
            logo: None,
            logo_dark: None,
            favicon: None,
            primary_color: primary.hex(),
            primary_hover: primary.mixed(away, 3).hex(),
            on_primary: on_primary.hex(),
            accent: primary.towards(BLACK, &[LIGHT_SURFACE, page]).hex(),
            accent_dark: primary.towards(WHITE, &[DARK_SURFACE, night]).hex(),
            page_light: page.hex(),
            page_dark: night.hex(),
            radius: raw.radius.unwrap_or(DEFAULT_RADIUS),
            base_url,
            base_path,
            words: Vec::new(),
            style: None,
        }
    }

    /// A picture that we keep, by the name of its file.
    #[must_use]
    pub fn shown(&self, file: &str, (width, height): (u32, u32)) -> Shown {
        Shown {
            path: format!("{}/pictures/{file}", self.base_path),
            url: format!("{}/pictures/{file}", self.base_url),
            width,
            height,
        }
    }

    /// What the tenant says in a language.
    #[must_use]
    pub fn words_in(&self, language: &str) -> Option<&Words> {
        self.words.iter().find(|(of, _)| of == language).map(|(_, words)| words)
    }
}

fn initial(name: &str) -> String {
    name.chars()
        .find(|c| c.is_alphanumeric())
        .map_or_else(String::new, |c| c.to_uppercase().collect())
}

/// A colour: red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rgb(u8, u8, u8);

impl Rgb {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self(red, green, blue))
    }

    fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// Relative luminance, 0 for black to 1 for white (WCAG 2.2).
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// The contrast of two colours, 1 to 21 (WCAG 2.2).
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// This colour with so many twentieths of another.
    fn mixed(self, other: Self, step: u16) -> Self {
        let mix = |from: u8, to: u8| {
            let mixed = (u16::from(from) * (20 - step) + u16::from(to) * step) / 20;
            u8::try_from(mixed).unwrap_or(to)
        };
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// This colour, mixed with `end` in steps of a twentieth until it and each of `others` are
    /// legible on one another.
    fn towards(self, end: Self, others: &[Self]) -> Self {
        let is_legible =
            |colour: &Self| others.iter().all(|other| colour.contrast(*other) >= LEGIBLE);
        (0..=20).map(|step| self.mixed(end, step)).find(is_legible).unwrap_or(end)
    }
}

#[cfg(test)]
mod tests;
