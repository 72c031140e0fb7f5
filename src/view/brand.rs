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

/// A tenant's name and look, as pages and mails show them.
///
/// Colours are `#rrggbb` by construction, since they are written into a style sheet.
#[derive(Debug, Clone, Serialize)]
pub struct Brand {
    /// The tenant's name, as the tenant writes it.
    pub tenant_name: String,
    /// The first letter of the name, for where there is no logo.
    pub initial: String,
    /// The logo: an `https:` address.
    pub logo_url: Option<String>,
    /// The background of buttons.
    pub primary_color: String,
    /// Text on buttons: black or white, whichever contrasts more.
    pub on_primary: String,
    /// The colour for links on white: the tenant's, darkened until it is legible.
    pub accent: String,
    /// The colour for links at night: the tenant's, lightened until it is legible.
    pub accent_dark: String,
    /// The tenant's address: `https://host/t/slug`, without a slash at the end.
    pub base_url: String,
    /// The path of `base_url`, for links that stay on this server.
    pub base_path: String,
}

/// A tenant's look as it was entered.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawBrand<'a> {
    /// The tenant's name.
    pub tenant_name: &'a str,
    /// Where the logo is. Anything but an `https:` address is dropped.
    pub logo_url: Option<&'a str>,
    /// A colour, `#rrggbb`. Anything else is replaced by ours.
    pub primary_color: Option<&'a str>,
    /// The tenant's address: `https://host/t/slug`.
    pub base_url: &'a str,
}

impl Brand {
    /// Checks what was entered and computes the colours that go with it.
    #[must_use]
    pub fn new(raw: RawBrand<'_>) -> Self {
        let primary = raw.primary_color.and_then(Rgb::parse).unwrap_or(DEFAULT_COLOR);
        let on_primary =
            if primary.contrast(WHITE) >= primary.contrast(BLACK) { WHITE } else { BLACK };
        let base_url = raw.base_url.trim_end_matches('/').to_owned();
        // Without a slash at its end, as the address: at the root it is empty.
        let base_path = Url::parse(&base_url).map(|url| url.path().to_owned()).unwrap_or_default();
        let base_path = base_path.trim_end_matches('/').to_owned();
        Self {
            tenant_name: raw.tenant_name.to_owned(),
            initial: initial(raw.tenant_name),
            logo_url: raw.logo_url.and_then(logo),
            primary_color: primary.hex(),
            on_primary: on_primary.hex(),
            accent: primary.towards(BLACK, LIGHT_SURFACE).hex(),
            accent_dark: primary.towards(WHITE, DARK_SURFACE).hex(),
            base_url,
            base_path,
        }
    }
}

fn initial(name: &str) -> String {
    name.chars()
        .find(|c| c.is_alphanumeric())
        .map_or_else(String::new, |c| c.to_uppercase().collect())
}

fn logo(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (url.scheme() == "https" && url.has_host() && plain).then(|| url.to_string())
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

    /// This colour, mixed with `end` in steps of a twentieth until it is legible on `surface`.
    fn towards(self, end: Self, surface: Self) -> Self {
        let mix = |from: u8, to: u8, step: u16| {
            let mixed = (u16::from(from) * (20 - step) + u16::from(to) * step) / 20;
            u8::try_from(mixed).unwrap_or(to)
        };
        (0..=20)
            .map(|step| {
                Self(mix(self.0, end.0, step), mix(self.1, end.1, step), mix(self.2, end.2, step))
            })
            .find(|colour| colour.contrast(surface) >= LEGIBLE)
            .unwrap_or(end)
    }
}

#[cfg(test)]
mod tests;
