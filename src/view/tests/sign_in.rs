//! The pages by which people sign in, in every state of their own.

use super::{
    super::{
        PageFrame, View,
        pages::{
            FormPostPage, ProtocolErrorPage,
            captcha::CaptchaShown,
            lost::{LostPage, Way},
            mails::*,
            sign_in::*,
        },
    },
    brand, sample,
};

fn around(text: &str, full: bool) -> Around {
    let own = || text.to_owned();
    if !full {
        return Around::default();
    }
    Around {
        form_token: FormToken::new(text),
        handle: Some(own()),
        realm: Some("platform"),
        query: own(),
        application: Some(application(text)),
    }
}

fn application(text: &str) -> ApplicationShown {
    let logo = brand(text).shown("a-logo.png", (10, 10));
    ApplicationShown { name: text.to_owned(), logo: Some(logo) }
}

/// Every page, each text of it being `text`.
pub(super) fn samples(
    view: &View,
    frame: PageFrame<'_>,
    text: &str,
    full: bool,
) -> Vec<(&'static str, String)> {
    let own = || text.to_owned();
    let maybe = || full.then(own);
    let way = || Way::new("back", own(), own());
    let login = LoginPage {
        around: around(text, full),
        ask: if full { "both" } else { "email" },
        wrong: if full { vec!["email"] } else { Vec::new() },
        restart_url: None,
        elsewhere: maybe().map(|_| way()).into_iter().collect(),
        can_look: full,
        present: full.then(|| PresentShown { email: own(), continue_url: own() }),
        email: own(),
        remember: full,
        fault: maybe(),
        note: maybe(),
        passkey_url: maybe(),
        can_register: full,
        can_reset: full,
        tenants: maybe().map(|_| TenantShown { slug: own(), name: own() }).into_iter().collect(),
        captcha: full.then(|| CaptchaShown::Puzzle(own())),
    };
    let second = LoginPage { ask: "password", restart_url: Some(own()), ..login.clone() };
    let select = SelectAccountPage {
        around: around(text, full),
        accounts: vec![AccountShown { session: own(), name: own(), email: own(), tenant: maybe() }],
        fault: maybe(),
    };
    let register = RegisterPage {
        around: around(text, full),
        email: own(),
        first_name: own(),
        last_name: own(),
        min_length: 15,
        faults: faults(text, full),
        captcha: full.then(|| CaptchaShown::Puzzle(own())),
    };
    let lost = LostPage { title: own(), text: own(), ways: vec![way(), way()] };
    let mut found = vec![
        sample(view, frame, &login),
        sample(view, frame, &second),
        sample(view, frame, &lost),
        sample(view, frame, &select),
        sample(view, frame, &register),
        sample(view, frame, &consent(text, full)),
        sample(view, frame, &EmbeddedPage {}),
        sample(view, frame, &BackupCodesPage { codes: vec![own()], continue_url: own() }),
    ];
    let protocol =
        ProtocolErrorPage { code: "invalid_request", description: own(), request_id: own() };
    found.push(sample(view, frame, &protocol));
    let post = FormPostPage { action: own(), fields: vec![("code", own())] };
    found.push(sample(view, frame, &post));
    for method in ["totp", "email", "webauthn", "backup_code"] {
        found.push(sample(view, frame, &mfa(text, full, method)));
        found.push(sample(view, frame, &enrol(text, full, Some(method))));
    }
    found.push(sample(view, frame, &enrol(text, full, None)));
    found.extend(mails(view, frame, text, full));
    found
}

/// The pages that promise a mail, and those that ask for one.
fn mails(view: &View, frame: PageFrame<'_>, text: &str, full: bool) -> Vec<(&'static str, String)> {
    let own = || text.to_owned();
    let mail = check_mail(text, full, "register");
    let again = check_mail(text, full, "forgot-password");
    let forgot = AskMailPage {
        around: around(text, full),
        title: own(),
        lead: own(),
        action: "forgot-password",
        email: own(),
        fault: full.then(own),
        captcha: full.then(|| CaptchaShown::Puzzle(own())),
    };
    vec![sample(view, frame, &mail), sample(view, frame, &again), sample(view, frame, &forgot)]
}

fn faults(text: &str, full: bool) -> Vec<FaultShown> {
    let fields = ["", "first_name", "last_name", "email", "password", "password"];
    let fault = |field| FaultShown { field, text: text.to_owned() };
    if full { fields.map(fault).to_vec() } else { Vec::new() }
}

fn check_mail(text: &str, full: bool, change: &'static str) -> CheckMailPage {
    let own = || text.to_owned();
    let again = || AgainShown {
        action: "forgot-password",
        wish: own(),
        wait: Some(WaitShown { seconds: 60, clock: own() }),
    };
    CheckMailPage {
        around: around(text, full),
        title: own(),
        text: own(),
        destination: full.then(own),
        again: full.then(again),
        change,
        fault: full.then(own),
        note: full.then(own),
    }
}

fn consent(text: &str, full: bool) -> ConsentPage {
    let own = || text.to_owned();
    let maybe = || full.then(own);
    ConsentPage {
        around: Around { application: Some(application(text)), ..around(text, full) },
        proof: own(),
        email: own(),
        scopes: vec![ScopeShown { id: own(), text: maybe() }],
        details: vec![DetailShown { kind: own(), fields: vec![(own(), own())] }],
        destination: own(),
        policy_url: maybe(),
        terms_url: maybe(),
        is_unknown: full,
        not_you_url: own(),
        fault: maybe(),
    }
}

fn mfa(text: &str, full: bool, method: &'static str) -> MfaPage {
    MfaPage {
        around: around(text, full),
        method,
        others: vec![MethodShown { id: "totp", label: text.to_owned() }],
        destination: text.to_owned(),
        is_code_sent: full,
        wait: full.then(|| WaitShown { seconds: 42, clock: text.to_owned() }),
        is_code_wrong: full,
        fault: full.then(|| text.to_owned()),
        note: full.then(|| text.to_owned()),
        trust_days: if full { 30 } else { 0 },
        passkey_url: text.to_owned(),
    }
}

fn enrol(text: &str, full: bool, method: Option<&'static str>) -> EnrolPage {
    let maybe = || full.then(|| text.to_owned());
    EnrolPage {
        around: around(text, full),
        method,
        others: vec![MethodShown { id: "totp", label: text.to_owned() }],
        secret: maybe(),
        qr_svg: full.then(|| crate::view::qr::Qr::new("otpauth://totp/x").unwrap().svg()),
        destination: maybe(),
        fault: maybe(),
        note: maybe(),
        passkey_url: text.to_owned(),
    }
}
