//! Any colour is legible; nothing unchecked gets into a page.

use super::*;

fn brand(color: Option<&str>) -> Brand {
    Brand::new(RawBrand {
        tenant_name: "Acme",
        primary_color: color,
        base_url: "https://id.example.com/t/acme/",
        ..RawBrand::default()
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
        let brand = brand(Some(&hex));
        let rgb = |text: &str| Rgb::parse(text).unwrap();
        assert_eq!(brand.primary_color, hex);
        assert!(rgb(&brand.on_primary).contrast(rgb(&hex)) >= LEGIBLE, "{hex} buttons");
        assert!(rgb(&brand.accent).contrast(LIGHT_SURFACE) >= LEGIBLE, "{hex} by day");
        assert!(rgb(&brand.accent_dark).contrast(DARK_SURFACE) >= LEGIBLE, "{hex} at night");
    }
}

#[test]
fn a_legible_colour_stays_as_it_is() {
    assert_eq!(brand(Some("#1F4FD8")).accent, "#1f4fd8");
    assert_ne!(brand(Some("#ffe100")).accent, "#ffe100");
}

#[test]
fn what_is_no_colour_is_replaced_by_ours() {
    let hostile = ["", "red", "#fff", "#12345g", "#1234567", "#+12345", "#é1234", "</style>"];
    for text in hostile {
        assert_eq!(brand(Some(text)).primary_color, DEFAULT_COLOR.hex(), "{text}");
    }
}

#[test]
fn a_page_of_any_colour_lets_text_and_links_be_read_by_day_and_night() {
    for step in 0..512_u32 {
        let channel = |shift: u32| (step >> shift & 7) * 36;
        let hex = format!("#{:02x}{:02x}{:02x}", channel(6), channel(3), channel(0));
        let brand = Brand::new(RawBrand {
            page_color: Some(&hex),
            page_color_dark: Some(&hex),
            primary_color: Some(&hex),
            ..RawBrand::default()
        });
        let rgb = |text: &str| Rgb::parse(text).unwrap();
        let (day, night) = (rgb(&brand.page_light), rgb(&brand.page_dark));
        assert!(day.contrast(LIGHT_QUIET) >= LEGIBLE, "{hex} by day");
        assert!(night.contrast(DARK_QUIET) >= LEGIBLE, "{hex} at night");
        assert!(rgb(&brand.accent).contrast(day) >= LEGIBLE, "{hex} links by day");
        assert!(rgb(&brand.accent_dark).contrast(night) >= LEGIBLE, "{hex} links at night");
        let (still, hovered) = (rgb(&brand.primary_color), rgb(&brand.primary_hover));
        let text = rgb(&brand.on_primary);
        assert!(hovered.contrast(text) >= still.contrast(text), "{hex} buttons");
    }
}

#[test]
fn a_page_that_can_be_read_on_stays_as_it_is() {
    let brand = Brand::new(RawBrand { page_color: Some("#fff7ed"), ..RawBrand::default() });
    assert_eq!(brand.page_light, "#fff7ed");
    let plain = Brand::new(RawBrand::default());
    assert_eq!((plain.page_light, plain.page_dark), (LIGHT_PAGE.hex(), DARK_PAGE.hex()));
}

#[test]
fn a_sheet_that_could_leave_its_element_is_dropped() {
    assert!(SafeStyle::new("h1{color:red;}").is_some());
    for text in ["</style>", "h1{color:\\3c}", "h1{background:url(x)}", "h1{color:red!important}"] {
        assert_eq!(SafeStyle::new(text), None, "{text}");
    }
}

#[test]
fn the_address_loses_its_last_slash_and_gives_the_path() {
    let brand = brand(None);
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
