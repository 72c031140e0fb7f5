//! Any colour is legible; nothing unchecked gets into a page.

use super::*;

fn brand(color: Option<&str>, logo: Option<&str>) -> Brand {
    Brand::new(RawBrand {
        tenant_name: "Acme",
        logo_url: logo,
        primary_color: color,
        base_url: "https://id.example.com/t/acme/",
    })
}

#[test]
fn contrast_is_that_of_the_standard() {
    assert!((BLACK.contrast(WHITE) - 21.0).abs() < 1e-9);
    assert!((WHITE.contrast(WHITE) - 1.0).abs() < 1e-9);
    // #777777 on white is the well-known near miss: 4.48.
    assert!((Rgb(0x77, 0x77, 0x77).contrast(WHITE) - 4.478).abs() < 0.001);
}

#[test]
fn every_colour_is_legible_on_buttons_and_as_text_by_day_and_night() {
    for step in 0..4096_u32 {
        let channel = |shift: u32| (step >> shift & 15) * 17;
        let hex = format!("#{:02x}{:02x}{:02x}", channel(8), channel(4), channel(0));
        let brand = brand(Some(&hex), None);
        let rgb = |text: &str| Rgb::parse(text).unwrap();
        assert_eq!(brand.primary_color, hex);
        assert!(rgb(&brand.on_primary).contrast(rgb(&hex)) >= LEGIBLE, "{hex} buttons");
        assert!(rgb(&brand.accent).contrast(LIGHT_SURFACE) >= LEGIBLE, "{hex} by day");
        assert!(rgb(&brand.accent_dark).contrast(DARK_SURFACE) >= LEGIBLE, "{hex} at night");
    }
}

#[test]
fn a_legible_colour_stays_as_it_is() {
    assert_eq!(brand(Some("#1F4FD8"), None).accent, "#1f4fd8");
    assert_ne!(brand(Some("#ffe100"), None).accent, "#ffe100");
}

#[test]
fn what_is_no_colour_is_replaced_by_ours() {
    let hostile = ["", "red", "#fff", "#12345g", "#1234567", "#+12345", "#é1234", "</style>"];
    for text in hostile {
        assert_eq!(brand(Some(text), None).primary_color, DEFAULT_COLOR.hex(), "{text}");
    }
}

#[test]
fn only_an_https_address_is_a_logo() {
    let good = "https://cdn.example.com/logo.svg";
    assert_eq!(brand(None, Some(good)).logo_url.as_deref(), Some(good));
    for text in [
        "http://cdn.example.com/a.png",
        "javascript:alert(1)",
        "data:image/svg+xml,<svg/>",
        "//cdn.example.com/a.png",
        "https://user:pass@cdn.example.com/a.png",
        "/a.png",
        "",
    ] {
        assert_eq!(brand(None, Some(text)).logo_url, None, "{text}");
    }
    let quoted = brand(None, Some("https://cdn.example.com/\"><script>")).logo_url.unwrap();
    assert!(!quoted.contains(['"', '<', '>']), "{quoted}");
}

#[test]
fn the_address_loses_its_last_slash_and_gives_the_path() {
    let brand = brand(None, None);
    assert_eq!(brand.base_url, "https://id.example.com/t/acme");
    assert_eq!(brand.base_path, "/t/acme");
}

#[test]
fn the_initial_is_the_first_letter_or_digit() {
    for (name, expected) in
        [("acme", "A"), (" «Éclair»", "É"), ("3M", "3"), ("…", ""), ("ßa", "SS")]
    {
        assert_eq!(initial(name), expected, "{name}");
    }
}
