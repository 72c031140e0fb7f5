//! How a tenant's pages and mails look, as it is written down: what is absent comes from the
//! partner, then from the product.
//!
//! What is written may be anything that passes here; that it is legible and safe in a page is seen
//! to once more where it is shown (`view::Brand`, [`super::style`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{is_label, style};

/// A tenant's or partner's looks. What is absent comes from the partner, then from the product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Branding {
    /// The name shown to people, instead of the tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// An `https` address of the logo, from which a copy is fetched; an uploaded one counts more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    /// The colour of buttons and links, `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_color: Option<String>,
    /// What pages are drawn on by day, `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_color: Option<String>,
    /// What pages are drawn on by night, `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_color_dark: Option<String>,
    /// How round corners are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corners: Option<Corners>,
    /// Texts and links, by language (`de`); `default` is for all others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, PageTexts>,
    /// A style sheet of its own, within what [`style::safe`] lets through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub css: Option<String>,
    /// The logo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<Picture>,
    /// The logo by night.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_dark: Option<Picture>,
    /// The picture in the browser's tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub favicon: Option<Picture>,
}

/// How round corners are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corners {
    /// Not at all.
    Square,
    /// A little.
    Small,
    /// As the product has them.
    Medium,
    /// Much.
    Large,
}

/// What a tenant says in its own words in one language, and where its documents are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageTexts {
    /// The heading of the sign-in page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The sentence below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// The address that says who runs this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imprint: Option<String>,
    /// The address of the privacy policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy: Option<String>,
    /// The address of the terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// Where to ask for help: an address, or `mailto:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support: Option<String>,
}

/// The key of texts for every language that has none of its own.
const DEFAULT_LANGUAGE: &str = "default";

/// A picture that we keep: what it is named by, and what a page has to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picture {
    /// SHA-256 of its bytes, hexadecimal.
    pub digest: String,
    /// What it is.
    pub format: PictureFormat,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The address it was fetched from; `None`: it was uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Picture {
    /// Its name in our addresses: the digest and the ending.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.digest, self.format.as_str())
    }

    fn is_sound(&self) -> bool {
        self.digest.len() == 64
            && self.digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
}

/// Kinds of pictures that are taken. No SVG: it is a document that may run scripts and load others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureFormat {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
}

impl PictureFormat {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Png, Self::Jpeg, Self::Webp];

    /// The stable spelling, which is the ending in addresses too.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }

    /// From the spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }
}

/// Bytes of all looks of a tenant, at most: every node keeps them in memory.
const LARGEST: usize = 64 * 1024;

impl Branding {
    /// The faults of these values, one sentence each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |fits: bool, fault: &str| {
            if !fits {
                faults.push(fault.to_owned());
            }
        };
        check(
            self.display_name.as_deref().is_none_or(is_label),
            "branding.display_name: 1 to 256 characters without control characters",
        );
        check(
            self.logo_url.as_deref().is_none_or(|text| is_link(text, &["https"])),
            "branding.logo_url: an https address",
        );
        for (name, color) in [
            ("primary_color", &self.primary_color),
            ("page_color", &self.page_color),
            ("page_color_dark", &self.page_color_dark),
        ] {
            let fault = format!("branding.{name}: #rrggbb");
            check(color.as_deref().is_none_or(is_color), &fault);
        }
        let pictures = [&self.logo, &self.logo_dark, &self.favicon];
        check(
            pictures.into_iter().flatten().all(Picture::is_sound),
            "branding.logo: give a file with --logo, --logo-dark or --favicon",
        );
        faults.extend(self.texts.iter().flat_map(|(language, texts)| texts.faults(language)));
        if self.texts.len() > 64 {
            faults.push("branding.texts: 64 languages at most".to_owned());
        }
        if serde_json::to_string(self).map_or(0, |text| text.len()) > LARGEST {
            faults.push("branding: 64 KiB in all at most".to_owned());
        }
        if let Some(Err(unsafe_style)) = self.css.as_deref().map(style::safe) {
            faults.push(format!("branding.css: {unsafe_style}"));
        }
        faults
    }

    /// These looks, with what is absent taken from `base`. Pictures are a tenant's own: they are
    /// kept under its name.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let pick =
            |own: &Option<String>, other: &Option<String>| own.clone().or_else(|| other.clone());
        let mut texts = base.texts.clone();
        for (language, own) in &self.texts {
            let below = texts.remove(language).unwrap_or_default();
            texts.insert(language.clone(), own.over(&below));
        }
        Self {
            display_name: self.display_name.clone(),
            logo_url: pick(&self.logo_url, &base.logo_url),
            primary_color: pick(&self.primary_color, &base.primary_color),
            page_color: pick(&self.page_color, &base.page_color),
            page_color_dark: pick(&self.page_color_dark, &base.page_color_dark),
            corners: self.corners.or(base.corners),
            texts,
            css: pick(&self.css, &base.css),
            logo: self.logo.clone(),
            logo_dark: self.logo_dark.clone(),
            favicon: self.favicon.clone(),
        }
    }

    /// The logo, where there is one: what was uploaded, or the copy of what lies at `logo_url`.
    #[must_use]
    pub fn shown_logo(&self) -> Option<&Picture> {
        self.logo.as_ref().filter(|it| it.source.is_none() || it.source == self.logo_url)
    }

    /// The address of a logo of which there is no copy yet.
    #[must_use]
    pub fn missing_logo(&self) -> Option<&str> {
        self.logo_url.as_deref().filter(|_| self.shown_logo().is_none())
    }

    /// What is said in a language, given by its tag (`de`).
    #[must_use]
    pub fn texts_in(&self, language: &str) -> PageTexts {
        let of = |key: &str| self.texts.get(key).cloned().unwrap_or_default();
        of(language).over(&of(DEFAULT_LANGUAGE))
    }
}

impl PageTexts {
    fn faults(&self, language: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let is_tag = (2..=8).contains(&language.len())
            && language.bytes().all(|byte| byte.is_ascii_lowercase());
        if !is_tag {
            // What was written instead is not repeated.
            return vec![
                "branding.texts: the tag of a language, such as de, or default".to_owned(),
            ];
        }
        for (name, text) in [("title", &self.title), ("lead", &self.lead)] {
            if text.as_deref().is_some_and(|text| !is_label(text)) {
                faults.push(format!(
                    "branding.texts.{language}.{name}: 1 to 256 characters without control \
                     characters"
                ));
            }
        }
        for (name, address, schemes) in [
            ("imprint", &self.imprint, &["https"][..]),
            ("privacy", &self.privacy, &["https"]),
            ("terms", &self.terms, &["https"]),
            ("support", &self.support, &["https", "mailto"]),
        ] {
            if address.as_deref().is_some_and(|text| !is_link(text, schemes)) {
                let allowed = schemes.join(" or ");
                let name = format!("branding.texts.{language}.{name}");
                faults.push(format!("{name}: an address with {allowed}"));
            }
        }
        faults
    }

    fn over(&self, base: &Self) -> Self {
        let pick =
            |own: &Option<String>, other: &Option<String>| own.clone().or_else(|| other.clone());
        Self {
            title: pick(&self.title, &base.title),
            lead: pick(&self.lead, &base.lead),
            imprint: pick(&self.imprint, &base.imprint),
            privacy: pick(&self.privacy, &base.privacy),
            terms: pick(&self.terms, &base.terms),
            support: pick(&self.support, &base.support),
        }
    }
}

/// An address of one of these schemes, without a name or password in it.
fn is_link(text: &str, schemes: &[&str]) -> bool {
    let fits = |url: &Url| {
        schemes.contains(&url.scheme())
            && (url.scheme() != "https" || url.has_host())
            && url.username().is_empty()
            && url.password().is_none()
    };
    text.len() <= 2048
        && !text.chars().any(char::is_control)
        && Url::parse(text).is_ok_and(|url| fits(&url))
}

fn is_color(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests;
