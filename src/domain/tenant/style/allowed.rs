//! What a tenant's style sheet may name: tables, so that what is let through can be read at once.

/// Elements of our pages (`docs/hosted-pages.md`). No paragraphs and lists as such, and nothing by
/// which people are warned or told what they agree to.
pub(super) const SELECTABLE: &[&str] = &[
    "a",
    "body",
    "button",
    "footer",
    "h1",
    "h2",
    "header",
    "input",
    "label",
    "main",
    ".brand",
    ".name",
    ".initial",
    ".card",
    ".mark",
    ".lead",
    ".quiet",
    ".button",
    ".plain",
    ".check",
    ".foot",
    "#email",
    "#password",
    "#code",
    "#remember_me",
    "#submit",
    "#passkey",
    "#forgot-password",
    "#register",
    "#login",
    "#restart",
    "#send",
];

/// States of an element.
pub(super) const STATES: &[&str] = &["hover", "active", "disabled", "first-child", "last-child"];

/// Our colours, which a tenant's own can be taken from (`templates/layout.html`, `static/app.css`).
pub(super) const VARIABLES: &[&str] = &[
    "--accent",
    "--card",
    "--line",
    "--on-primary",
    "--page",
    "--primary",
    "--primary-hover",
    "--quiet",
    "--raised",
    "--text",
];

/// Functions that make colours and grounds of colours.
pub(super) const FUNCTIONS: &[&str] =
    &["hsl", "hsla", "linear-gradient", "oklch", "radial-gradient", "rgb", "rgba"];

/// Which colours a value may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    /// None.
    None,
    /// Those that nothing shines through: of letters, which must stay there.
    Solid,
    /// All.
    Free,
}

impl Colours {
    pub(super) fn is_any(self) -> bool {
        self != Self::None
    }

    pub(super) fn is_solid(self) -> bool {
        self == Self::Solid
    }

    pub(super) fn is_free(self) -> bool {
        self == Self::Free
    }
}

/// What a value may be made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    pub(super) colours: Colours,
    pub(super) gradients: bool,
    /// In rem; `em` counts alike, and 16px are one.
    pub(super) length: Option<(f32, f32)>,
    /// As a share: 1 is 100 %.
    pub(super) percent: Option<(f32, f32)>,
    pub(super) number: Option<(f32, f32)>,
    pub(super) words: &'static [&'static str],
    /// Names of fonts.
    pub(super) names: bool,
}

const NOTHING: Allowed = Allowed {
    colours: Colours::None,
    gradients: false,
    length: None,
    percent: None,
    number: None,
    words: &[],
    names: false,
};
const LETTERS: Allowed = Allowed { colours: Colours::Solid, ..NOTHING };
const COLOUR: Allowed =
    Allowed { colours: Colours::Free, words: &["transparent", "currentcolor"], ..NOTHING };
const GROUND: Allowed = Allowed { gradients: true, ..COLOUR };
const STYLES: &[&str] =
    &["currentcolor", "dashed", "dotted", "double", "none", "solid", "transparent"];
const BORDER: Allowed =
    Allowed { colours: Colours::Free, length: Some((0.0, 1.0)), words: STYLES, ..NOTHING };
const ROOM: Allowed = Allowed { length: Some((0.0, 6.0)), ..NOTHING };

const fn words(words: &'static [&'static str]) -> Allowed {
    Allowed { words, ..NOTHING }
}

/// Properties that change how something looks, and what each may be.
pub(super) const PROPERTIES: &[(&str, Allowed)] = &[
    ("accent-color", LETTERS),
    ("background", GROUND),
    ("background-color", COLOUR),
    ("border", BORDER),
    ("border-block-end", BORDER),
    ("border-block-start", BORDER),
    ("border-bottom", BORDER),
    ("border-color", COLOUR),
    ("border-radius", Allowed { length: Some((0.0, 4.0)), percent: Some((0.0, 0.5)), ..NOTHING }),
    ("border-style", words(STYLES)),
    ("border-top", BORDER),
    ("border-width", Allowed { length: Some((0.0, 1.0)), ..NOTHING }),
    (
        "box-shadow",
        Allowed {
            colours: Colours::Free,
            // Not far enough to paint over what stands beside.
            length: Some((-0.5, 1.0)),
            words: &["inset", "none"],
            ..NOTHING
        },
    ),
    ("caret-color", LETTERS),
    ("color", LETTERS),
    ("font-family", Allowed { names: true, ..NOTHING }),
    // 12px: what is smaller is not read.
    ("font-size", Allowed { length: Some((0.75, 4.0)), percent: Some((0.8, 3.0)), ..NOTHING }),
    ("font-style", words(&["italic", "normal"])),
    (
        "font-weight",
        Allowed { number: Some((100.0, 900.0)), words: &["bold", "normal"], ..NOTHING },
    ),
    ("letter-spacing", Allowed { length: Some((-0.05, 0.3)), words: &["normal"], ..NOTHING }),
    ("line-height", Allowed { number: Some((1.0, 3.0)), words: &["normal"], ..NOTHING }),
    ("margin-block-end", ROOM),
    ("margin-block-start", ROOM),
    ("padding", ROOM),
    ("padding-block", ROOM),
    ("padding-inline", ROOM),
    ("text-align", words(&["center", "end", "left", "right", "start"])),
    ("text-decoration", words(&["none", "underline"])),
    ("text-transform", words(&["capitalize", "lowercase", "none", "uppercase"])),
];
