//! The account portal, in every state of its pages.

use super::{
    super::{
        PageFrame, View,
        pages::{
            account::{factors::*, lists::*, *},
            sign_in::ScopeShown,
        },
    },
    sample,
};

/// 2026-11-25 09:30 UTC.
const AT: i64 = 1_795_599_000_000_000;

fn portal(text: &str, full: bool) -> Portal {
    let own = || text.to_owned();
    let section = |id, current| SectionShown { id, label: own(), url: own(), current };
    Portal {
        sections: vec![section("overview", Some("page")), section("data", None)],
        name: own(),
        email: own(),
        initials: own(),
        proof: own(),
        fault: full.then(own),
        note: full.then(own),
        kept: full.then(|| ("to", own())).into_iter().collect(),
        switch_url: full.then(own),
    }
}

fn link(text: &str) -> LinkShown {
    LinkShown { id: "link", label: text.to_owned(), url: text.to_owned() }
}

/// As many as there are: one or none.
fn some<T>(full: bool, one: impl FnOnce() -> T) -> Vec<T> {
    full.then(one).into_iter().collect()
}

/// Every page, each text of it being `text`.
pub(super) fn samples(
    view: &View,
    frame: PageFrame<'_>,
    text: &str,
    full: bool,
) -> Vec<(&'static str, String)> {
    let mut all = of_profile(view, frame, text, full);
    all.extend(of_factors(view, frame, text, full));
    all.extend(of_lists(view, frame, text, full));
    all.extend(of_history(view, frame, text, full));
    all
}

fn of_profile(
    view: &View,
    frame: PageFrame<'_>,
    text: &str,
    full: bool,
) -> Vec<(&'static str, String)> {
    let own = || text.to_owned();
    let maybe = || full.then(own);
    let portal = || portal(text, full);
    let overview = OverviewPage {
        portal: portal(),
        advice: some(full, || AdviceShown { text: own(), link: link(text) }),
        cards: vec![CardShown { link: link(text), text: own() }],
    };
    let profile = ProfilePage {
        portal: portal(),
        first_name: own(),
        first_name_fault: maybe(),
        last_name: own(),
        last_name_fault: maybe(),
        locales: vec![LanguageShown { tag: "en", name: own(), is_chosen: full }],
        is_verified: full,
        pending: maybe(),
        can_change_email: full,
        created_at: AT,
    };
    let password = PasswordPage {
        portal: portal(),
        min_length: 15,
        current_fault: maybe(),
        new_faults: some(full, own),
        end_all_sessions: full,
    };
    let pending = || PendingEmailShown { email: own(), requested_at: AT, expires_at: AT };
    let email = EmailPage {
        portal: portal(),
        typed: own(),
        email_fault: maybe(),
        pending: full.then(pending),
    };
    let mut all = vec![
        sample(view, frame, &overview),
        sample(view, frame, &profile),
        sample(view, frame, &password),
        sample(view, frame, &email),
        sample(
            view,
            frame,
            &ToldPage { portal: portal(), title: own(), text: own(), back: link(text) },
        ),
    ];
    all.extend(of_questions(view, frame, text, full));
    all
}

fn of_questions(
    view: &View,
    frame: PageFrame<'_>,
    text: &str,
    full: bool,
) -> Vec<(&'static str, String)> {
    let own = || text.to_owned();
    let portal = || portal(text, full);
    let mut all = Vec::new();
    for method in [Some("password"), Some("totp"), Some("webauthn"), Some("backup_code"), None] {
        let confirm = ConfirmPage {
            portal: portal(),
            to: own(),
            method,
            others: some(full, || WayShown { id: "totp", label: own(), url: own() }),
            passkey_url: own(),
            login_url: own(),
        };
        all.push(sample(view, frame, &confirm));
    }
    let question = QuestionPage {
        portal: portal(),
        title: own(),
        lead: own(),
        facts: some(full, || (own(), own())),
        action: own(),
        fields: some(full, || ("field", own())),
        submit: own(),
        is_loss: full,
        back_url: own(),
    };
    all.push(sample(view, frame, &question));
    all
}

fn security(text: &str, full: bool) -> SecurityPage {
    let own = || text.to_owned();
    let factor = |id| FactorShown {
        id,
        label: own(),
        hint: own(),
        setup_url: own(),
        remove_url: own(),
        is_allowed: true,
        created_at: full.then_some(AT),
        last_used_at: None,
    };
    let key = |last_used_at| PasskeyShown {
        id: own(),
        name: own(),
        is_synced: full,
        created_at: AT,
        last_used_at,
    };
    SecurityPage {
        portal: portal(text, full),
        provider: (!full).then(own),
        is_required: full,
        is_on: full,
        factors: vec![factor("totp"), FactorShown { last_used_at: Some(AT), ..factor("email") }],
        has_passkeys: full,
        passkeys: if full { vec![key(None), key(Some(AT))] } else { Vec::new() },
        backup_codes: full.then_some(BackupCodesShown { left: 1, made_at: Some(AT) }),
        defaults: some(full, || DefaultShown { id: "", label: own(), is_chosen: true }),
    }
}

fn of_factors(
    view: &View,
    frame: PageFrame<'_>,
    text: &str,
    full: bool,
) -> Vec<(&'static str, String)> {
    let own = || text.to_owned();
    let maybe = || full.then(own);
    let portal = || portal(text, full);
    let totp = TotpPage {
        portal: portal(),
        replaces: full,
        secret: maybe(),
        qr_svg: full.then(|| "<svg></svg>".to_owned()),
        is_begun: full,
        code_fault: maybe(),
    };
    let waiting = TotpPage { secret: None, qr_svg: None, ..totp.clone() };
    let mailed = MailedCodesPage {
        portal: portal(),
        destination: own(),
        is_sent: full,
        code_fault: maybe(),
    };
    let passkey = NewPasskeyPage {
        portal: portal(),
        passkey_name: own(),
        name_fault: maybe(),
        passkey_url: own(),
    };
    let rename =
        RenamePage { portal: portal(), action: own(), passkey_name: own(), name_fault: maybe() };
    let codes =
        NewCodesPage { portal: portal(), codes: vec![own()], file_name: own(), is_first: full };
    vec![
        sample(view, frame, &security(text, full)),
        sample(view, frame, &totp),
        sample(view, frame, &waiting),
        sample(view, frame, &mailed),
        sample(view, frame, &passkey),
        sample(view, frame, &rename),
        sample(view, frame, &codes),
    ]
}

fn of_lists(
    view: &View,
    frame: PageFrame<'_>,
    text: &str,
    full: bool,
) -> Vec<(&'static str, String)> {
    let own = || text.to_owned();
    let maybe = || full.then(own);
    let portal = || portal(text, full);
    let at = full.then_some(AT);
    let session = |is_current| SessionShown {
        id: own(),
        device: own(),
        address: maybe().unwrap_or_default(),
        created_at: AT,
        last_seen_at: AT,
        is_current,
        is_remembered: full,
    };
    let device = || TrustedDeviceShown {
        id: own(),
        device: own(),
        address: own(),
        created_at: AT,
        last_used_at: at,
        expires_at: AT,
    };
    let devices = DevicesPage {
        portal: portal(),
        sessions: vec![session(true), session(false)],
        has_others: full,
        devices: some(full, device),
    };
    let row = || ApplicationRow {
        name: own(),
        logo: full.then(|| frame.brand.shown("a-logo.png", (10, 10))),
        scopes: vec![ScopeShown { id: own(), text: maybe() }, ScopeShown { id: own(), text: None }],
        granted_at: AT,
        last_used_at: at,
        revoke_url: own(),
    };
    let applications = ApplicationsPage { portal: portal(), applications: some(full, row) };
    vec![sample(view, frame, &devices), sample(view, frame, &applications)]
}

fn of_history(
    view: &View,
    frame: PageFrame<'_>,
    text: &str,
    full: bool,
) -> Vec<(&'static str, String)> {
    let own = || text.to_owned();
    let maybe = || full.then(own);
    let portal = || portal(text, full);
    let at = full.then_some(AT);
    let happening = |is_failure| HappeningShown {
        at: AT,
        text: own(),
        is_failure,
        by: maybe(),
        device: maybe(),
        address: maybe(),
        method: maybe(),
    };
    let activity = ActivityPage {
        portal: portal(),
        happenings: if full { vec![happening(true), happening(false)] } else { Vec::new() },
        page: 2,
        newer_url: maybe(),
        older_url: maybe(),
    };
    let data = DataPage { portal: portal(), can_delete: full, deletion_due_at: at };
    let kept = DataPage { deletion_due_at: None, ..data.clone() };
    let delete = DeletionPage { portal: portal(), due_at: at, is_unsure: full };
    vec![
        sample(view, frame, &activity),
        sample(view, frame, &data),
        sample(view, frame, &kept),
        sample(view, frame, &delete),
    ]
}
