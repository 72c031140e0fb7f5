//! What is harmless comes through, and nothing else does, however it is written.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_harmless_comes_through_anew() {
    for (given, expected) in [
        ("", ""),
        ("/* a note */ h1 { color: #1a2b3c }", "h1{color:#1a2b3c;}\n"),
        (
            ".card, #submit:hover { border-radius:0;;padding : 1rem 2em }",
            ".card,#submit:hover{border-radius:0;padding:1rem 2em;}\n",
        ),
        ("main > .lead { FONT-SIZE: 125% }", "main>.lead{font-size:125%;}\n"),
        (
            "body{background:linear-gradient(180deg, #fff 0%, rgb(0 0 0 / 10%))}",
            "body{background:linear-gradient(180deg, #fff 0%, rgb(0 0 0 / 10%));}\n",
        ),
        ("a { color: var(--accent) }", "a{color:var(--accent);}\n"),
        (
            "h1 { font-family: Georgia, \"Times New Roman\", serif }",
            "h1{font-family:Georgia, \"Times New Roman\", serif;}\n",
        ),
        (
            "@media (prefers-color-scheme: dark) { .card { background: #000 } h1 { color: white } }",
            "@media (prefers-color-scheme:dark){\n.card{background:#000;}\nh1{color:white;}\n}\n",
        ),
        (
            "@media (min-width: 40em) { h1 { line-height: 1.2 } }",
            "@media (min-width:40em){\nh1{line-height:1.2;}\n}\n",
        ),
        ("h1 { color: red", "h1{color:red;}\n"),
        ("label { }", ""),
    ] {
        let made = safe(given).unwrap_or_else(|fault| panic!("{given}: {fault}"));
        assert_eq!(made, expected, "{given}");
        assert_eq!(safe(&made).as_deref(), Ok(expected), "what came through does so again");
    }
}

/// What is refused, and why.
const REFUSED: &[(&str, Why)] = &[
    // Loads something.
    ("@import url(https://evil.test/a.css);", Why::Media),
    ("@font-face { font-family: x; src: url(//evil.test) }", Why::Media),
    ("body { background: url(https://evil.test/a.png) }", Why::Value),
    ("body { background: url(\"//evil.test\") }", Why::Value),
    ("body { background: image-set('a.png' 1x) }", Why::Value),
    ("body { background: \\75rl(//evil.test) }", Why::Value),
    ("body { background: linear-gradient(url(x), red) }", Why::Value),
    ("input { background: -webkit-image-set('a' 1x) }", Why::Value),
    // Asks for what is typed.
    ("input[value^=a] { color: red }", Why::Selector),
    ("#password:focus { color: red }", Why::Selector),
    ("body:has(#email) { color: red }", Why::Selector),
    // Would name another element without the comment.
    ("a/**/button { color: red }", Why::Selector),
    ("#email/**/a { color: red }", Why::Selector),
    ("a:hover/**/a { color: red }", Why::Selector),
    // Covers or moves.
    ("main { position: fixed }", Why::Property),
    ("main { transform: scale(0) }", Why::Property),
    ("main { z-index: 9 }", Why::Property),
    ("main { inset: 0 }", Why::Property),
    ("h1 { margin-block-start: -9rem }", Why::Value),
    ("h1 { padding: 100rem }", Why::Value),
    ("body { box-shadow: 0 0 0 9999px red }", Why::Value),
    ("#email { box-shadow: 0 -4rem 0 4rem #ffffff }", Why::Value),
    // Adds words.
    ("h1::before { content: 'Call 555' }", Why::Selector),
    ("h1:before { color: red }", Why::Selector),
    ("h1 { content: 'x' }", Why::Property),
    // Hides.
    ("main { display: none }", Why::Property),
    ("main { visibility: hidden }", Why::Property),
    ("main { opacity: 0 }", Why::Property),
    ("main { clip-path: inset(50%) }", Why::Property),
    ("main { filter: opacity(0) }", Why::Property),
    ("main { color: transparent }", Why::Value),
    ("main { color: #0000 }", Why::Value),
    ("main { color: #00000000 }", Why::Value),
    ("main { color: rgb(0 0 0 / 0) }", Why::Value),
    ("main { color: inherit }", Why::Value),
    ("main { font-size: 0 }", Why::Value),
    ("main { font-size: 1px }", Why::Value),
    ("main { font-size: 1% }", Why::Value),
    ("main { font-size: 1vw }", Why::Value),
    ("main { font-size: calc(1px) }", Why::Value),
    ("main { line-height: 0 }", Why::Value),
    ("main { letter-spacing: -1em }", Why::Value),
    // Touches what warns.
    ("#unknown-application { color: red }", Why::Selector),
    (".notice { color: red }", Why::Selector),
    ("main p { color: red }", Why::Selector),
    ("* { color: red }", Why::Selector),
    (":root { color: red }", Why::Selector),
    ("#fault, h1 { color: red }", Why::Selector),
    ("h1 + * { color: red }", Why::Selector),
    ("h1 ~ h2 { color: red }", Why::Selector),
    ("h1:not(.x) { color: red }", Why::Selector),
    // Weighs more than we do.
    ("h1 { color: red !important }", Why::Value),
    ("h1 { --card: red }", Why::Property),
    ("h1 { color: var(--secret) }", Why::Value),
    ("h1 { color: var(--text, url(x)) }", Why::Value),
    ("h1 { font-family: var(--text) }", Why::Value),
    ("h1 { all: unset }", Why::Property),
    // Breaks out.
    ("h1 { font-family: \"</style><script>\" }", Why::Value),
    ("h1 { font-family: \\3c/style\\3e }", Why::Value),
    ("</style><script>alert(1)</script>", Why::Selector),
    ("h1 { color: red } } body { color: blue }", Why::Selector),
    ("h1 { color: expression(alert(1)) }", Why::Value),
    ("h1 { behavior: url(x) }", Why::Property),
    ("h1 { color: red; { } }", Why::Form),
    ("h1 { h2 { color: red } }", Why::Property),
    ("h1 { color }", Why::Form),
    ("h1 { color: }", Why::Value),
    ("h1", Why::Form),
    ("h1, { color: red }", Why::Selector),
    (", h1 { color: red }", Why::Selector),
    ("> h1 { color: red }", Why::Selector),
    ("{ color: red }", Why::Selector),
    ("@media print { h1 { color: red } }", Why::Media),
    ("@media (prefers-color-scheme: dark) and (min-width: 1px) { }", Why::Media),
    ("@media (min-width: 1px) { @media (min-width: 1px) { } }", Why::Selector),
    ("@supports (color: red) { }", Why::Media),
    ("@layer x;", Why::Media),
    ("<!-- h1 { color: red } -->", Why::Selector),
];

#[test]
fn web_06_what_loads_covers_adds_hides_or_breaks_out_is_refused() {
    for (given, why) in REFUSED {
        assert_eq!(safe(given).map_err(|fault| fault.why), Err(*why), "{given}");
    }
}

#[test]
fn a_fault_names_its_line() {
    let fault =
        safe("h1 { color: red }\n\nmain {\n  color: red;\n  position: fixed;\n}").unwrap_err();
    assert_eq!(fault.to_string(), "line 5: this property is not allowed");
}

#[test]
fn a_sheet_has_an_end() {
    assert!(safe(&" ".repeat(LONGEST)).is_ok());
    assert_eq!(safe(&" ".repeat(LONGEST + 1)).unwrap_err().why, Why::TooLong);
    assert!(safe(&"h1{color:red}".repeat(200)).is_ok());
    assert_eq!(safe(&"h1{color:red}".repeat(201)).unwrap_err().why, Why::TooLong);
    let deep = "linear-gradient(".repeat(500);
    assert!(safe(&format!("h1 {{ background: {deep} }}")).is_err());
}

/// Pieces that are likely to make something together.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "h1",
            ".card",
            "#submit",
            "{",
            "}",
            "color",
            "background",
            ":",
            ";",
            ",",
            "(",
            ")",
            "red",
            "#fff",
            "url(",
            "\\",
            "\"",
            "'",
            "/*",
            "*/",
            "<",
            "</style>",
            "@media",
            "@import",
            "!important",
            "var(",
            "--text",
            "1rem",
            "0",
            " ",
            "\n",
            "&",
            "]",
            "[",
            "(min-width:1px)",
            "font-family",
            "linear-gradient(",
            "\u{0}",
            "é",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_comes_through_can_do_no_harm_and_comes_through_again(text in pieces()) {
        if let Ok(made) = safe(&text) {
            let lower = made.to_ascii_lowercase();
            for harm in ["<", "\\", "url", "@import", "!", "expression", "/*", "\u{0}", "&"] {
                prop_assert!(!lower.contains(harm), "{made}");
            }
            prop_assert_eq!(made.matches('{').count(), made.matches('}').count());
            prop_assert_eq!(safe(&made), Ok(made));
        }
    }
}
