//! What looks may be, and how two layers of them go together.

use serde_json::json;

use super::*;

fn of(value: serde_json::Value) -> Branding {
    serde_json::from_value(value).unwrap()
}

#[test]
fn each_value_that_cannot_be_meant_is_told_by_its_name_alone() {
    for (value, name) in [
        (json!({"display_name": " "}), "branding.display_name"),
        (json!({"logo_url": "http://hunter2.example/a.png"}), "branding.logo_url"),
        (json!({"logo_url": "https://hunter2@a.example/a.png"}), "branding.logo_url"),
        (json!({"primary_color": "hunter2"}), "branding.primary_color"),
        (json!({"page_color": "#ff"}), "branding.page_color"),
        (json!({"page_color_dark": "#gggggg"}), "branding.page_color_dark"),
        (json!({"css": "h1 { position: hunter2 }"}), "branding.css"),
        (json!({"texts": {"hunter2!": {"title": "x"}}}), "branding.texts"),
        (json!({"texts": {"de": {"title": "a\nhunter2"}}}), "branding.texts.de.title"),
        (json!({"texts": {"de": {"imprint": "javascript:hunter2"}}}), "branding.texts.de.imprint"),
        (
            json!({"texts": {"default": {"privacy": "mailto:a@hunter2.example"}}}),
            "branding.texts.default.privacy",
        ),
        (
            json!({"texts": {"default": {"support": "data:hunter2"}}}),
            "branding.texts.default.support",
        ),
        (
            json!({"logo": {"digest": "../hunter2", "format": "png", "width": 1, "height": 1}}),
            "branding.logo",
        ),
    ] {
        let faults = of(value.clone()).faults();
        assert_eq!(faults.len(), 1, "{value}: {faults:?}");
        assert!(faults[0].starts_with(&format!("{name}: ")), "{value}: {faults:?}");
        assert!(!faults[0].contains("hunter2"), "{faults:?}");
    }
    assert_eq!(
        of(json!({
            "display_name": "Acme", "logo_url": "https://a.example/a.png", "page_color": "#ffffff",
            "corners": "square", "css": "h1 { color: red }",
            "texts": {"de": {"title": "Hallo", "support": "mailto:help@a.example"}},
        }))
        .faults(),
        Vec::<String>::new()
    );
}

#[test]
fn what_a_tenant_leaves_open_its_partner_says_but_for_its_name_and_pictures() {
    let picture = json!({"digest": "ab", "format": "png", "width": 1, "height": 1});
    let partner = of(json!({"display_name": "P", "primary_color": "#000001", "corners": "large",
        "logo": picture, "texts": {"default": {"title": "P", "terms": "https://p.example/"}}}));
    let tenant = of(json!({"primary_color": "#000002",
        "texts": {"default": {"title": "T"}, "de": {"lead": "L"}}}));
    let both = tenant.over(&partner);
    assert_eq!(both.display_name, None);
    assert_eq!(both.primary_color.as_deref(), Some("#000002"));
    assert_eq!((both.corners, both.logo.clone()), (Some(Corners::Large), None));
    let said = both.texts_in("de");
    assert_eq!(said.title.as_deref(), Some("T"));
    assert_eq!(said.lead.as_deref(), Some("L"));
    assert_eq!(said.terms.as_deref(), Some("https://p.example/"));
    assert_eq!(both.texts_in("ja").lead, None);
}

#[test]
fn a_copy_counts_for_the_address_it_came_from_and_an_upload_for_all() {
    let picture = |source: Option<&str>| Picture {
        digest: "a".repeat(64),
        format: PictureFormat::Png,
        width: 1,
        height: 1,
        source: source.map(str::to_owned),
    };
    let looks = |url: Option<&str>, logo: Option<Picture>| Branding {
        logo_url: url.map(str::to_owned),
        logo,
        ..Branding::default()
    };
    let (a, b) = (Some("https://a.example/"), Some("https://b.example/"));
    for (it, shown, missing) in [
        (looks(None, None), false, None),
        (looks(a, None), false, a),
        (looks(a, Some(picture(a))), true, None),
        (looks(a, Some(picture(b))), false, a),
        (looks(None, Some(picture(b))), false, None),
        (looks(a, Some(picture(None))), true, None),
        (looks(None, Some(picture(None))), true, None),
    ] {
        assert_eq!((it.shown_logo().is_some(), it.missing_logo()), (shown, missing), "{it:?}");
    }
}
