use super::{pages::*, *};
use crate::mail::{compose::*, message::Message};
use crate::id::Id;
fn write(name: &str, html: &str) {
    let html = html.replace("\"/static/", "\"/tmp/wt/c/static/").replace("app.css?v=", "app.css#").replace("app.js?v=", "app.js#");
    std::fs::create_dir_all("/tmp/shots").unwrap();
    std::fs::write(format!("/tmp/shots/{name}.html"), html).unwrap();
}
#[test]
fn shots() {
    let view = View::new(Texts::load().unwrap()).unwrap();
    let logo = format!("https://logo.example/logo.svg");
    let a = Brand::new(RawBrand { tenant_name: "Northwind Traders", logo_url: None, primary_color: Some("#0b6e4f"), base_url: "https://id.example.com/t/northwind" });
    let b = Brand::new(RawBrand { tenant_name: "Sonnenschein Energie", logo_url: Some(&logo), primary_color: Some("#ffc400"), base_url: "https://id.example.com/t/sonne" });
    let fa = PageFrame { locale: Locale::En, brand: &a, nonce: "n" };
    let fb = PageFrame { locale: Locale::De, brand: &b, nonce: "n" };
    for (tag, f) in [("a", fa), ("b", fb)] {
        let at = moment(view.texts(), f.locale, Timestamp::from_micros(1_795_599_000_000_000));
        write(&format!("verify-{tag}"), &view.page(f, &VerifyEmailPage { token: "t".into(), email_masked: "a***@example.com".into(), name: Some("Anna Schmidt".into()), registered_at: Some(at.clone()) }).unwrap());
        write(&format!("verified-{tag}"), &view.page(f, &VerifiedPage { already: false, continue_url: Some("https://x".into()) }).unwrap());
        write(&format!("reset-{tag}"), &view.page(f, &ResetPasswordPage { token: "t".into(), email_masked: "a***@example.com".into(), min_length: 15, faults: vec![] }).unwrap());
        write(&format!("resetbad-{tag}"), &view.page(f, &ResetPasswordPage { token: "t".into(), email_masked: "a***@example.com".into(), min_length: 15, faults: vec![view.texts().say(f.locale, "password.too_short", context!{min => 15}), view.texts().say(f.locale, "password.contains_name", context!{})] }).unwrap());
        write(&format!("done-{tag}"), &view.page(f, &ResetDonePage { continue_url: None }).unwrap());
        let mut dead = MessagePage::dead_link(view.texts(), f.locale, Link::VerifyEmail);
        dead.request_id = Some("req_01kb0000000000000000000000".into());
        write(&format!("dead-{tag}"), &view.page(f, &dead).unwrap());
        let id = crate::id::MailId::from_uuid(uuid::Uuid::nil());
        let env = Envelope { id, from: "x@example.com", to: "a@example.com", created_at: Timestamp::from_micros(1_795_599_000_000_000) };
        let mailbox = crate::mail::mailbox::Mailbox::default();
        let link = "https://id.example.com/t/northwind/verify-email?token=0123456789abcdefghijklmnopqrstuvwxyzABCDEFG".to_owned();
        for m in [
            Message::VerifyEmail { link: link.clone(), first_name: "Anna".into(), requested_at: 1_795_599_000_000_000, expires_hours: 24 },
            Message::AccountExists { requested_at: 1_795_599_000_000_000, sign_in_link: Some("https://id.example.com/t/northwind/login".into()) },
            Message::ResetPassword { link: link.replace("verify-email", "reset-password"), expires_minutes: 30 },
            Message::ResetFederated { provider: "Contoso".into() },
            Message::PasswordChanged { at: 1_795_599_000_000_000 },
            Message::NewDevice { at: 1_795_599_000_000_000, device: "Firefox on Linux".into(), address: "203.0.113.7".into() },
        ] {
            let mail = compose(&view, f.locale, f.brand, &env, &m).unwrap();
            write(&format!("mail-{}-{tag}", m.kind()), &mail.html);
            std::fs::write(format!("/tmp/shots/mail-{}-{tag}.txt", m.kind()), format!("{}\n\n{}", mail.subject, mail.text)).unwrap();
            mailbox.push(mail);
        }
        write(&format!("mailbox-{tag}"), &view.page(f, &mailbox.page(None, |id| Some(format!("/dev/mailbox/{id}.html")))).unwrap());
    }
}
