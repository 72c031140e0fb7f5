//! What is written, whom it is safe from, and how it leaves. Sending is tested against a server
//! that speaks the protocol, in `smtp`.

use std::collections::BTreeSet;

use super::{
    compose::{Envelope, Mail, compose},
    mailbox::Mailbox,
    message::{Message, one_line, plain_name},
    *,
};
use crate::{
    clock::Timestamp,
    id::{Id, MailId},
    text::{Locale, Texts},
    view::{Brand, RawBrand, TEMPLATES, View},
};

mod sink;
mod smtp;

const AT: i64 = 1_795_599_000_000_000;
const LINK: &str = "https://id.example.com/t/acme/verify-email?token=abc123";

fn view() -> View {
    View::new(Texts::load()).unwrap()
}

fn brand(tenant_name: &str) -> Brand {
    let brand = Brand::new(RawBrand {
        tenant_name,
        primary_color: Some("#0b6e4f"),
        base_url: "https://id.example.com/t/acme",
        ..RawBrand::default()
    });
    Brand { logo: Some(brand.shown("logo.png", (1, 1))), ..brand }
}

/// One message of every kind, and of every form of it, with `text` wherever others write.
fn samples(text: &str) -> Vec<Message> {
    let link = || LINK.to_owned();
    let own = || text.to_owned();
    vec![
        Message::VerifyEmail {
            link: link(),
            first_name: own(),
            requested_at: AT,
            expires_hours: 24,
        },
        Message::AccountExists { requested_at: AT, sign_in_link: Some(link()) },
        Message::AccountExists { requested_at: AT, sign_in_link: None },
        Message::ResetPassword { link: link(), expires_minutes: 30 },
        Message::PasswordExpired { link: link(), expires_minutes: 30 },
        Message::ResetFederated { provider: own() },
        Message::PasswordChanged { at: AT, others: true },
        Message::PasswordChanged { at: AT, others: false },
        Message::ConfirmEmailChange { at: AT, link: link(), expires_hours: 24 },
        Message::AddressWanted { at: AT },
        Message::EmailChangeRequested { at: AT, new_email: own(), stop_link: link(), days: 7 },
        Message::EmailChanged { at: AT, new_email: own() },
        Message::DeletionScheduled { at: AT, due_at: AT },
        Message::AccountDeleted { at: AT },
        Message::FactorsReset { at: AT },
        Message::MfaCode { code: "012345".to_owned(), expires_minutes: 10 },
        Message::FactorFailures { at: AT, device: own(), address: own() },
        Message::FactorChanged { at: AT, method: "totp".to_owned(), added: true },
        Message::NewDevice { at: AT, device: own(), address: own(), link: None, days: 0 },
        Message::NewDevice { at: AT, device: own(), address: own(), link: Some(link()), days: 7 },
        Message::NewPlace { at: AT, device: own(), address: own(), link: Some(link()), days: 7 },
    ]
}

fn written(tenant_name: &str, locale: Locale, message: &Message) -> Mail {
    let envelope = Envelope {
        id: MailId::from_uuid(uuid::Uuid::from_u128(7)),
        from: "Countersign <no-reply@example.com>",
        to: "anna@example.net",
        created_at: Timestamp::from_micros(AT),
    };
    compose(&view(), locale, &brand(tenant_name), &envelope, message).unwrap()
}

#[test]
fn every_message_is_written_in_every_language() {
    for locale in Locale::ALL {
        for message in samples("Anna") {
            let mail = written("Acme", locale, &message);
            let what = format!("{locale} {}", message.kind());
            assert!(mail.subject.contains("Acme"), "{what}");
            for part in [&mail.text, &mail.html] {
                assert!(part.contains("Acme"), "{what}");
                assert!(!part.contains(&format!("mail.{}", message.kind())), "{what} shows a key");
            }
            assert!(
                mail.html.contains("src=\"https://id.example.com/t/acme/pictures/logo.png\""),
                "{what}"
            );
            assert!(mail.html.contains("#0b6e4f") || !mail.html.contains(LINK), "{what}");
            assert_eq!(mail.html.contains(LINK), mail.text.contains(LINK), "{what}");
            assert!(!mail.text.contains("\n\n\n") && !mail.text.contains(['<', '>']), "{what}");
            assert_eq!((mail.to.as_str(), mail.from_name.as_str()), ("anna@example.net", "Acme"));
        }
    }
}

#[test]
fn no_template_is_left_out_of_the_samples() {
    let kinds: BTreeSet<&str> = samples("x").iter().map(Message::kind).collect();
    let templates: BTreeSet<&str> = TEMPLATES
        .iter()
        .filter_map(|(name, _)| name.strip_prefix("mail/")?.split('.').next())
        .filter(|name| !["layout", "parts"].contains(name))
        .collect();
    assert_eq!(kinds, templates);
}

#[test]
fn the_text_part_reads_well_by_itself() {
    let mail = written("Acme", Locale::En, &samples("Anna")[0]);
    expect_test::expect![[r"
        Hello Anna,

        Somebody registered at Acme with this e-mail address on 25 November 2026, 09:30 UTC. If it was you, please confirm it.

        Confirm e-mail address:
        https://id.example.com/t/acme/verify-email?token=abc123

        The link works for 24 hours.

        If it was not you, ignore this mail: without your confirmation there is no account.

        --
        Acme sent you this mail because of your account or a request for one. Please do not reply to it.
        https://id.example.com/t/acme
    "]]
    .assert_eq(&mail.text);
}

#[test]
fn what_others_wrote_stays_text() {
    let hostile = "</style><script>alert(1)</script>\"'><img src=x onerror=y>{{ 7*7 }}{% if %}";
    for message in samples(hostile) {
        let mail = written(hostile, Locale::En, &message);
        assert!(!mail.html.contains("<script>") && !mail.html.contains("<img src=x"));
        assert_eq!(mail.html.matches("</style>").count(), 1);
        assert!(!mail.html.contains("49") && !mail.text.contains("49"));
    }
}

#[test]
fn what_others_wrote_stays_on_its_line() {
    let hostile = "Anna\r\nBcc: eve@example.org\n\nDear customer\u{2028}pay\u{85}now";
    for message in samples(hostile) {
        let mail = written(hostile, Locale::En, &message);
        let controls = |text: &str| text.contains(|c: char| c.is_control() || c == '\u{2028}');
        assert!(!controls(&mail.subject) && !controls(&mail.from_name), "{:?}", mail.subject);
        for line in mail.text.lines() {
            assert!(!line.starts_with("Bcc") && !line.starts_with("Dear"), "{line}");
            assert!(!controls(line), "{line:?}");
        }
    }
    let long = written(&"x".repeat(5000), Locale::En, &samples("Anna")[0]);
    assert_eq!(long.subject.chars().count(), 150);
}

#[test]
fn no_link_or_advertisement_gets_into_a_mail_to_an_unproved_address() {
    let cases = [
        ("Anna", "Anna"),
        ("  Anna\tMaria ", "Anna Maria"),
        ("Jean-Luc O'Brien d\u{2019}Arc", "Jean-Luc O'Brien d\u{2019}Arc"),
        ("J.R.R. Tolkien Jr.", "J R R. Tolkien Jr."),
        ("St.John", "St John"),
        ("Zoë Straße 李小龍 Σωκράτης", "Zoë Straße 李小龍 Σωκράτης"),
        ("नेहा", "नेहा"),
        ("Elizabeth 2", "Elizabeth 2"),
        ("https://evil.example/x Anna", "Anna"),
        ("evil.example", "evil example"),
        ("evil\u{3002}example", "evil example"),
        ("www.evil", ""),
        ("call +49 30 1234567 now", "call 49 30 now"),
        ("eve@evil.example", ""),
        ("<b>Anna</b>", ""),
        ("<script>", "script"),
        ("{{ tenant }} {% if %}", "tenant if"),
        ("Anna\u{202e}\u{200b}\u{0}", "Anna"),
        ("...", ""),
        ("", ""),
    ];
    for (name, expected) in cases {
        assert_eq!(plain_name(name), expected, "{name:?}");
    }
    assert_eq!(plain_name(&"a".repeat(1000)).chars().count(), 64);
    let mail = written("Acme", Locale::En, &samples("Win at https://evil.example now")[0]);
    assert!(mail.text.starts_with("Hello Win at now,\n"), "{}", mail.text);
    assert!(!mail.html.contains("evil"));
    let nameless = written("Acme", Locale::En, &samples("www.evil.example")[0]);
    assert!(nameless.text.starts_with("Hello,\n"), "{}", nameless.text);
}

#[test]
fn a_message_survives_the_outbox_under_its_kind() {
    for message in samples("Anna") {
        let json = serde_json::to_value(&message).unwrap();
        assert_eq!(json["kind"], message.kind());
        assert!(serde_json::from_value::<Message>(json).unwrap() == message);
    }
}

#[test]
fn nothing_secret_is_printed() {
    for message in samples("Anna") {
        let mail = written("Acme", Locale::En, &message);
        let printed = format!("{message:?} {mail:?}");
        assert!(!printed.contains("token") && !printed.contains("anna@"), "{printed}");
    }
}

#[test]
fn a_line_is_cut_by_characters_and_holds_no_breaks() {
    assert_eq!(one_line(" a\r\n\tb\u{2029}c\u{0} ", 10), "a b c");
    assert_eq!(one_line("äöü", 2), "äö");
}

#[tokio::test]
async fn the_mailbox_keeps_the_newest_and_finds_by_address() {
    let mailbox = Mailbox::default();
    let mailer = Mailer::Mailbox(mailbox.clone());
    let mail = written("Acme", Locale::En, &samples("Anna")[0]);
    for number in 0..1005 {
        let to = format!("User{number}@Example.net");
        mailer.send(&Mail { to, ..mail.clone() }).await.unwrap();
    }
    assert_eq!(mailbox.to(None).len(), 1000);
    assert_eq!(mailbox.to(None)[0].to, "User1004@Example.net");
    assert_eq!(mailbox.to(Some("uSER7@example.NET")).len(), 1);
    assert!(mailbox.to(Some("user4@example.net")).is_empty(), "the oldest should be gone");
    let json = serde_json::to_value(mailbox.json(Some("user7@example.net"))).unwrap();
    assert_eq!(json[0]["created_at"], "2026-11-25T09:30:00.000000Z");
    assert_eq!(json[0].as_object().unwrap().len(), 6);
}

#[test]
fn the_mailbox_page_has_the_link_of_a_mail_and_not_that_of_its_footer() {
    let mailbox = Mailbox::default();
    mailbox.push(written("Acme", Locale::En, &Message::PasswordChanged { at: AT, others: false }));
    mailbox.push(written("Acme", Locale::En, &samples("Anna")[0]));
    let page = mailbox.page(None, |id| Some(format!("/dev/mailbox/{id}.html")));
    assert_eq!(page.mails[0].link.as_deref(), Some(LINK));
    assert_eq!(page.mails[1].link, None);
    let id = page.mails[0].id.clone();
    assert_eq!(page.mails[0].html_url, Some(format!("/dev/mailbox/{id}.html")));
}

#[tokio::test]
async fn without_a_mail_server_mail_waits() {
    let mail = written("Acme", Locale::En, &samples("Anna")[0]);
    assert!(!Mailer::Held.is_ready());
    assert!(matches!(Mailer::Held.send(&mail).await, Err(SendFault::Later(_))));
}
