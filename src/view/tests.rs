//! Every page renders in every language, strictly, and whatever it is given stays text.

use super::{
    pages::{
        ChangeEmailPage, DonePage, Link, MailboxEntry, MailboxPage, MessagePage, NotMePage,
        ResetDonePage, ResetPasswordPage, StopEmailChangePage, VerifiedPage, VerifyEmailPage,
        leaving::{AccountChoice, DeviceConfirmPage, DevicePage, LogoutPage, SignedOutPage},
        lost::LostPage,
        sign_in::ScopeShown,
    },
    *,
};
use crate::error::Code;

mod account;
mod sign_in;

/// What must never arrive in a page as it stands.
const HOSTILE: &str = "</style><script>alert(1)</script>\"'><img src=x onerror=y>{{ 7*7 }}&";

fn view() -> View {
    View::new(Texts::load()).unwrap()
}

fn brand(text: &str) -> Brand {
    Brand::new(RawBrand {
        tenant_name: text,
        primary_color: Some("#7a1fa2"),
        base_url: "https://id.example.com/t/acme",
        ..RawBrand::default()
    })
}

/// Every page in every state of its own, each text of it being `text`: template, then HTML.
fn samples(view: &View, locale: Locale, text: &str) -> Vec<(&'static str, String)> {
    let brand = brand(text);
    let frame = PageFrame { locale, brand: &brand, nonce: "bm9uY2U" };
    let some = || Some(text.to_owned());
    let own = || text.to_owned();
    let mut found = Vec::new();
    for full in [true, false] {
        let maybe = || full.then(own);
        found.push(sample(
            view,
            frame,
            &VerifyEmailPage {
                token: own(),
                email_masked: own(),
                name: maybe(),
                registered_at: maybe(),
            },
        ));
        found.push(sample(view, frame, &VerifiedPage { already: full, continue_url: maybe() }));
        found.push(sample(
            view,
            frame,
            &ResetPasswordPage {
                token: own(),
                email_masked: own(),
                min_length: 15,
                faults: maybe().into_iter().collect(),
            },
        ));
        found.extend(device_samples(view, frame, text, full));
        found.extend(address_samples(view, frame, text, full));
        found.extend(sign_in::samples(view, frame, text, full));
        found.extend(account::samples(view, frame, text, full));
        found.push(sample(view, frame, &ResetDonePage { continue_url: maybe() }));
        found.push(sample(
            view,
            frame,
            &MessagePage { title: own(), text: own(), request_id: maybe() },
        ));
        let entry = || MailboxEntry {
            id: own(),
            to: own(),
            subject: own(),
            text: own(),
            link: some(),
            html_url: maybe(),
            created_at: own(),
        };
        let mails = if full { vec![entry(), entry()] } else { Vec::new() };
        found.push(sample(view, frame, &MailboxPage { mails }));
    }
    found
}

/// The pages on which an address is changed.
fn address_samples(
    view: &View,
    frame: PageFrame<'_>,
    text: &str,
    is_made: bool,
) -> Vec<(&'static str, String)> {
    let own = || text.to_owned();
    let change = ChangeEmailPage { token: own(), old_email_masked: own(), new_email_masked: own() };
    let stop = StopEmailChangePage {
        token: own(),
        old_email_masked: own(),
        new_email_masked: own(),
        is_made,
    };
    vec![
        sample(view, frame, &change),
        sample(view, frame, &stop),
        sample(view, frame, &NotMePage { token: own(), at: own(), device: own(), address: own() }),
        sample(view, frame, &DonePage { title: own(), text: own() }),
    ]
}

/// The pages of devices without a browser, and of signing out.
fn device_samples(
    view: &View,
    frame: PageFrame<'_>,
    text: &str,
    full: bool,
) -> Vec<(&'static str, String)> {
    let own = || text.to_owned();
    let account = || AccountChoice { session: own(), email: own(), tenant: own() };
    let enter = DevicePage {
        action: own(),
        proof: own(),
        user_code: own(),
        is_wrong: full,
        fault: full.then(own),
    };
    let scope = || ScopeShown { id: own(), text: Some(own()) };
    let unknown = ScopeShown { text: None, ..scope() };
    let confirm = DeviceConfirmPage {
        action: own(),
        proof: own(),
        user_code: own(),
        application: own(),
        logo: full.then(|| frame.brand.shown("a-logo.png", (10, 10))),
        scopes: if full { vec![scope(), unknown] } else { Vec::new() },
        accounts: if full { vec![account(), account()] } else { vec![account()] },
        is_unclear: full,
    };
    let ask = LogoutPage {
        action: own(),
        fields: vec![("state", own())],
        proof: own(),
        application: full.then(own),
        accounts: vec![account()],
    };
    let out = SignedOutPage {
        frames: if full { vec![own()] } else { Vec::new() },
        continue_url: full.then(own),
        application: full.then(own),
    };
    let named = SignedOutPage { application: None, ..out.clone() };
    vec![
        sample(view, frame, &enter),
        sample(view, frame, &confirm),
        sample(view, frame, &ask),
        sample(view, frame, &out),
        sample(view, frame, &named),
    ]
}

fn sample<P: Page>(view: &View, frame: PageFrame<'_>, page: &P) -> (&'static str, String) {
    (P::TEMPLATE, view.page(frame, page).unwrap())
}

#[test]
fn every_page_renders_in_every_language() {
    let view = view();
    for locale in Locale::ALL {
        for (template, html) in samples(&view, locale, "value") {
            let dir = if locale == Locale::Ar { "rtl" } else { "ltr" };
            let start = format!("<!doctype html>\n<html lang=\"{locale}\" dir=\"{dir}\">");
            assert!(html.starts_with(&start), "{template}");
            assert!(html.trim_end().ends_with("</html>"), "{template}");
            assert_eq!(html.matches("<h1>").count(), 1, "{template}");
            assert_eq!(html.matches("<title>").count(), 1, "{template}");
        }
    }
}

#[test]
fn no_page_is_left_out_of_the_samples() {
    let sampled: Vec<&str> =
        samples(&view(), Locale::En, "value").into_iter().map(|(template, _)| template).collect();
    let is_page = |name: &str| {
        let is_part = ["account/layout.html", "account/parts.html"].contains(&name);
        name.starts_with("pages/") || (name.starts_with("account/") && !is_part)
    };
    for (name, _) in TEMPLATES.iter().filter(|(name, _)| is_page(name)) {
        assert!(sampled.contains(name), "{name}");
    }
}

#[test]
fn every_template_on_disk_is_compiled_in() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut rest = vec![root.clone()];
    let mut count = 0;
    while let Some(path) = rest.pop() {
        if path.is_dir() {
            rest.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        assert!(TEMPLATES.iter().any(|(known, _)| *known == name), "{name}");
        count += 1;
    }
    assert_eq!(count, TEMPLATES.len());
}

#[test]
fn markup_in_values_stays_text() {
    let view = view();
    for locale in Locale::ALL {
        for (template, html) in samples(&view, locale, HOSTILE) {
            assert!(!html.contains("<script>"), "{template}");
            assert!(!html.contains("<img src=x"), "{template}");
            // The marks of our own files may hold any digits.
            let plain =
                Asset::all().iter().fold(html.clone(), |html, it| html.replace(&it.path, ""));
            assert!(!plain.contains("49"), "{template} evaluates a value");
            // The style element closes once, where we close it, and no attribute is broken open.
            assert_eq!(html.matches("</style>").count(), 1, "{template}");
            assert!(html.contains("&quot;&#39;&gt;"), "{template}");
            assert!(!html.contains("\"&#39;") && !html.contains("&quot;'"), "{template}");
        }
    }
}

#[test]
fn pages_load_nothing_foreign_and_run_nothing_inline() {
    let view = view();
    for (template, html) in samples(&view, Locale::En, "value") {
        // What listens for a sign-out is framed, under a policy that names it.
        let html = html.replace("<iframe src=\"", "<iframe to=\"");
        for loaded in
            html.split("src=\"").chain(html.split("<link rel=\"stylesheet\" href=\"")).skip(1)
        {
            let ours = ["/static/", "/t/acme/pictures/", "<!doctype"];
            assert!(ours.iter().any(|start| loaded.starts_with(start)), "{template}");
        }
        assert!(!html.contains(" style="), "{template}: the policy allows no style attribute");
        let handler = |rest: &str| {
            let name = rest.split('=').next().unwrap();
            name.len() < rest.len() && name.bytes().all(|b| b.is_ascii_lowercase())
        };
        assert!(!html.split(" on").skip(1).any(handler), "{template}: no inline script");
        assert!(!html.contains("<script>"), "{template}: no inline script");
        assert!(html.contains("<style nonce=\"bm9uY2U\">"), "{template}");
    }
}

#[test]
fn the_forms_post_the_token_to_their_own_path_and_a_look_confirms_nothing() {
    let view = view();
    let brand = brand("Acme");
    let frame = PageFrame { locale: Locale::En, brand: &brand, nonce: "n" };
    let page = VerifyEmailPage {
        token: "tok".into(),
        email_masked: "a***@example.com".into(),
        name: None,
        registered_at: None,
    };
    let html = view.page(frame, &page).unwrap();
    assert!(html.contains("<form method=\"post\" action=\"/t/acme/verify-email\">"), "{html}");
    assert!(html.contains("name=\"token\" value=\"tok\""), "{html}");
    // In the form, and in that of the switcher.
    assert_eq!(html.matches("tok").count() - html.matches("token").count(), 2, "{html}");
}

#[test]
fn faults_are_tied_to_the_password_field() {
    let view = view();
    let brand = brand("Acme");
    let frame = PageFrame { locale: Locale::En, brand: &brand, nonce: "n" };
    let mut page = ResetPasswordPage {
        token: "t".into(),
        email_masked: "a***@example.com".into(),
        min_length: 15,
        faults: vec!["Too plain.".into()],
    };
    let html = view.page(frame, &page).unwrap();
    assert!(
        html.contains("aria-invalid=\"true\" aria-describedby=\"password-faults password-hint\"")
    );
    assert!(html.contains("<title>Error: "));
    assert!(html.contains("<li>Too plain.</li>"));
    assert!(html.contains("autocomplete=\"new-password\""));
    page.faults.clear();
    let html = view.page(frame, &page).unwrap();
    assert!(!html.contains("aria-invalid") && !html.contains("password-faults"));
}

/// Whether a page has its texts and not their keys: Japanese has no blanks to tell by.
fn is_said(title: &str, text: &str) -> bool {
    [title, text].into_iter().all(|text| {
        text.chars().count() > 4 && !text.starts_with("page.") && !text.starts_with("error.")
    })
}

#[test]
fn every_code_has_its_page() {
    let texts = Texts::load();
    for locale in Locale::ALL {
        for code in Code::ALL {
            let page = MessagePage::error(&texts, locale, *code, None);
            assert!(is_said(&page.title, &page.text), "{page:?}");
        }
        for link in [
            Link::VerifyEmail,
            Link::ResetPassword,
            Link::ChangeEmail,
            Link::StopEmailChange,
            Link::NotMe,
        ] {
            let page = LostPage::dead_link(&texts, locale, link, "/t/acme");
            assert!(is_said(&page.title, &page.text), "{page:?}");
            assert!(page.ways.iter().all(|way| way.url.starts_with("/t/acme/")), "{page:?}");
        }
    }
}

#[test]
fn an_undefined_variable_is_an_error() {
    let brand = brand("Acme");
    let frame = PageFrame { locale: Locale::En, brand: &brand, nonce: "n" };
    assert!(view().render("pages/message.html", frame, context! { title => "t" }).is_err());
}

#[test]
fn moments_are_said_in_the_language_and_with_their_zone() {
    let texts = Texts::load();
    let at = Timestamp::from_micros(1_795_599_000_000_000);
    let cases = [
        (Locale::En, "25 November 2026, 09:30 UTC"),
        (Locale::De, "25. November 2026, 09:30 Uhr (UTC)"),
        (Locale::Fr, "25 novembre 2026 à 09:30 (UTC)"),
        (Locale::Es, "25 de noviembre de 2026, 09:30 (UTC)"),
        (Locale::Ja, "2026年11月25日 09:30（UTC）"),
        (Locale::Ar, "25 نوفمبر 2026، 09:30 (UTC)"),
    ];
    for (locale, expected) in cases {
        assert_eq!(moment(&texts, locale, at), expected);
    }
    let first = Timestamp::from_micros(1_793_520_000_000_000);
    assert_eq!(moment(&texts, Locale::Fr, first), "1er novembre 2026 à 08:00 (UTC)");
    assert_eq!(moment(&texts, Locale::En, Timestamp::from_micros(i64::MAX)), "");
}
