//! What is fuzzed: every parser that input of strangers reaches, each as a function that takes any
//! bytes and panics where something does not hold that should.
//!
//! The same functions run twice: under libFuzzer, by `main.rs`, and over the kept corpus, by
//! `tests/it/fuzzed.rs`. So nothing here names the fuzzer.

use std::{collections::BTreeMap, path::PathBuf, str::from_utf8, sync::LazyLock};

use countersign::{
    clock::Timestamp,
    config::load::{Sources, load},
    crypto::{
        breached::{download, filter::Header},
        certificate::Certificate,
        jose::{VerifyingKey, claimed_kid, dpop, foreign},
        opaque::Token,
        password::PasswordHash,
        refresh::RefreshToken,
        seal::MasterKey,
        totp,
    },
    domain::{
        agent,
        application::{Application, ApplicationType, Origin, Owner, metadata::Metadata, uri},
        email::Email,
        factor::canonical_code,
        oauth::{
            claims::ClaimsRequest,
            device::UserCode,
            parameters::Parameters,
            pkce, registration,
            request::{self, AuthorizationRequest},
            scope::Scope,
        },
        password::{Password, is_common},
        settings::{Settings, SettingsLayer},
        tenant::{
            Slug,
            picture::{PictureUse, judge},
            style,
        },
        token::SigningAlgorithm,
    },
    http::language::Switched,
    id::ApplicationId,
    secret::Secret,
    text::Locale,
    view::qr::Qr,
};
use serde_json::{Map, Value};

mod node;
mod signed;
mod web;
mod webauthn;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of the folder of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("breached", breached),
    ("certificate", certificate),
    ("codes", codes),
    ("config_file", config_file),
    ("dpop", dpop_proof),
    ("email", email),
    ("form_body", web::form_body),
    ("hash", hash),
    ("json_body", web::json_body),
    ("language", language),
    ("metadata", metadata),
    ("oauth", oauth),
    ("password", password),
    ("picture", picture),
    ("qr", qr),
    ("redirect_uri", redirect_uri),
    ("request", web::request),
    ("settings", settings),
    ("signed", signed::token),
    ("slug", slug),
    ("style", safe_style),
    ("token", token),
    ("webauthn", webauthn::answers),
];

/// Runs the target called `name`.
///
/// # Panics
/// Where there is none, or something does not hold.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    target(data);
}

fn email(data: &[u8]) {
    let Some(email) = from_utf8(data).ok().and_then(|text| Email::parse(text).ok()) else { return };
    let again = Email::parse(email.as_str()).expect("what is stored is an address");
    assert_eq!(again.as_str(), email.as_str());
    assert_eq!(again.key(), email.key());
    let by_key = Email::parse(email.key()).expect("the identity is an address");
    assert_eq!(by_key.key(), email.key());
    for text in [email.as_str(), email.key(), &email.envelope(), &email.masked()] {
        assert!(!text.chars().any(|it| it.is_control() || matches!(it, '\u{2028}' | '\u{2029}')));
        assert!(text.len() <= 512 && text.matches('@').count() >= 1);
    }
    assert!(email.domain().is_ascii() && !email.domain().is_empty());
}

fn slug(data: &[u8]) {
    let Some(slug) = from_utf8(data).ok().and_then(|text| Slug::parse(text).ok()) else { return };
    assert_eq!(Slug::parse(slug.as_str()).expect("a slug"), slug.clone());
    let is_plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    assert!(slug.as_str().bytes().all(is_plain) && slug.as_str().len() <= 63);
}

fn redirect_uri(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let kinds = [
        ApplicationType::Web,
        ApplicationType::Service,
        ApplicationType::Spa,
        ApplicationType::Native,
    ];
    let registered = [text.to_owned()];
    for kind in kinds {
        if uri::check_redirect(kind, text).is_err() {
            continue;
        }
        let url = url::Url::parse(text).expect("what may be registered is an address");
        assert!(!matches!(url.scheme(), "javascript" | "data" | "file" | "blob" | "vbscript"));
        assert!(url.fragment().is_none(), "{text:?}");
        assert!(!text.chars().any(|it| it.is_control() || it.is_whitespace()));
        assert!(uri::matches(kind, &registered, text), "{text:?} is not itself");
        let other = format!("{text}x");
        assert!(!uri::matches(kind, &registered, &other), "{text:?} is also {other:?}");
    }
    if uri::is_origin(text) {
        assert_eq!(url::Url::parse(text).expect("an origin").origin().ascii_serialization(), text);
    }
    if let Some(document) = uri::document(text) {
        assert_eq!(document.as_str(), text);
        assert!(uri::is_web(text));
    }
    let _ = uri::is_web(text);
}

/// Hashes of other systems. None is verified: that costs what its text says.
fn hash(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(hash) = PasswordHash::import(text) {
        assert_eq!(hash.expose(), text);
        assert!(text.len() < 4096, "{text:?}");
    }
}

fn password(data: &[u8]) {
    let Some(password) = from_utf8(data).ok().and_then(|text| Password::parse(text).ok()) else {
        return;
    };
    assert_eq!(Password::parse(password.expose()).expect("a password"), password.clone());
    assert!(password.expose().chars().count() <= 1024);
    if password.expose().chars().count() <= 64 {
        // Case and what stands behind do not make a common one uncommon.
        let known = is_common(password.expose());
        assert!(!known || is_common(&password.expose().to_lowercase()), "{:?}", password.expose());
    }
}

fn codes(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let code = canonical_code(text);
    assert_eq!(canonical_code(&code), code.clone());
    if let Some(code) = UserCode::parse(text) {
        assert_eq!(UserCode::parse(&code.grouped()), Some(code.clone()));
        assert_eq!(UserCode::parse(&code.as_str().to_lowercase()), Some(code));
    }
    if let Some(token) = Token::parse(text) {
        assert_eq!(token.expose(), text);
    }
    let key = totp::Key::from_bytes(Secret::new(b"12345678901234567890".to_vec()));
    let step = key.check(&code, Timestamp::from_micros(59_000_000)).expect("a long key");
    assert!(step.is_none_or(|step| (0..=2).contains(&step)));
}

/// The header of the filter of breached passwords, and the lines that it is built of.
fn breached(data: &[u8]) {
    // The length that its own numbers ask for, so that more is looked at.
    let number = |from: usize, to: usize| {
        let bytes = data.get(from..to).unwrap_or_default();
        bytes.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte))
    };
    let buckets = 1_u64.checked_shl(u32::try_from(number(12, 16)).unwrap_or(u32::MAX)).unwrap_or(0);
    let length =
        number(16, 24).wrapping_mul(3).wrapping_add(buckets.wrapping_mul(8)).wrapping_add(104);
    if let Ok(header) = Header::parse(data, length) {
        assert_eq!(Some(header.bytes().as_slice()), data.get(..96));
    }
    let (range, line) = data.split_at_checked(5).unwrap_or((b"", data));
    for (range, line) in [(b"".as_slice(), data), (range, line)] {
        if let Some(line) = download::parse(range, line) {
            let written = format!("{:016X}{}:{}", line.key, "0".repeat(24), line.count);
            assert_eq!(download::parse(b"", written.as_bytes()), Some(line));
        }
    }
}

fn certificate(data: &[u8]) {
    if let Some(certificate) = Certificate::from_der(data) {
        assert_eq!(certificate.der(), data);
        looked_at(&certificate);
    }
    let Ok(text) = from_utf8(data) else { return };
    let found = [Certificate::from_pem(text), Certificate::from_header(text)];
    for certificate in found.iter().flatten() {
        let again = Certificate::from_der(certificate.der()).expect("a certificate");
        assert_eq!(again.digest(), certificate.digest());
        looked_at(certificate);
    }
}

fn looked_at(certificate: &Certificate) {
    let _ = certificate.key();
    let _ = certificate.is_valid_at(1_767_225_600);
    let _ = certificate.has_subject("CN=app");
    let _ = certificate.has_dns_name("app.example.com");
    let _ = certificate.has_uri("spiffe://example.com/app");
}

fn config_file(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    // Settings that name a file have it read.
    if text.contains("_file") || text.contains("\\u") || text.contains("\\U") {
        return;
    }
    let file = Some((PathBuf::from("countersign.toml"), text.to_owned()));
    let sources = Sources { file, variables: BTreeMap::new(), ..Sources::default() };
    match load(&sources) {
        Ok(loaded) => drop(countersign::config::load::shown(&loaded)),
        Err(wrong) => assert!(!wrong.to_string().is_empty()),
    }
}

/// Two lines: a JSON Web Key Set, or what stands for one, and a token.
fn token(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let (set, token) = text.split_once('\n').unwrap_or((text, text));
    if let Some(keys) = foreign::ForeignKeys::read(set.as_bytes()) {
        let algorithms = [
            foreign::ForeignAlgorithm::Rs256,
            foreign::ForeignAlgorithm::Ps256,
            foreign::ForeignAlgorithm::Es256,
            foreign::ForeignAlgorithm::Es384,
            foreign::ForeignAlgorithm::EdDsa,
        ];
        let rules = foreign::Rules { algorithms: &algorithms, typ: None };
        if let Some(claims) = foreign::verify(&keys, token, &rules) {
            assert!(keys.may_hold_key_of(token));
            for name in ["exp", "nbf", "iat"] {
                let _ = foreign::date(&claims, name);
            }
            let _ = foreign::is_for(&claims, &["https://id.example.com"], true);
        }
        keys.iter().for_each(|key| assert!(!key.thumbprint().is_empty()));
    }
    let _ = foreign::unverified(token, "iss");
    let _ = claimed_kid(token);
    if let Ok(key) = VerifyingKey::from_json(SigningAlgorithm::Es256, set) {
        let _ = key.verify::<Map<String, Value>>("at+jwt", token);
    }
    let key = MasterKey::from_bytes(&[7; 32]).expect("32 bytes");
    if let Some(ours) = RefreshToken::parse(&key, token).expect("no fault") {
        assert_eq!(ours.text().expose(), token);
    }
}

fn expected() -> dpop::Expected<'static> {
    dpop::Expected {
        method: "POST",
        url: "https://id.example.com/t/acme/oauth/token",
        now: 1_767_225_600,
        access_token: None,
    }
}

fn dpop_proof(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let expected = expected();
    if let Ok(proof) = dpop::check(text, &expected) {
        assert!(!proof.jti.is_empty() && proof.jkt.len() == 43);
        assert!((expected.now - proof.iat).abs() < 86_400);
    }
}

fn settings(data: &[u8]) {
    let Ok(layer) = serde_json::from_slice::<SettingsLayer>(data) else { return };
    let written = serde_json::to_value(&layer).expect("JSON");
    assert_eq!(serde_json::from_value::<SettingsLayer>(written).expect("a layer"), layer.clone());
    if !layer.faults().is_empty() {
        return;
    }
    let effective = Settings::effective(&SettingsLayer::default(), &layer);
    assert!(effective.session.idle.as_secs() > 0 && effective.session.absolute.as_secs() > 0);
    // A partner that says the same changes nothing but what only the tenant may say.
    let both = Settings::effective(&layer, &layer);
    assert_eq!(both.mfa_required, effective.mfa_required);
    assert_eq!(both.password_policy, effective.password_policy);
    assert_eq!(both.session, effective.session);
}

fn safe_style(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Ok(safe) = style::safe(text) else { return };
    assert_eq!(style::safe(&safe).expect("what is let through is safe"), safe.clone());
    let lower = safe.to_lowercase();
    for hole in ["url(", "@import", "expression(", "</", "<!--", "javascript:", "behavior:"] {
        assert!(!lower.contains(hole), "{hole} in {safe:?}");
    }
}

fn language(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let _ = Locale::first_of(text);
    let _ = Locale::accepted(text);
    let now = Timestamp::from_micros(1_767_225_600_000_000);
    if let Some(switched) = Switched::parse(text, now) {
        let written = format!("{}.{}", switched.locale, switched.at);
        assert_eq!(Switched::parse(&written, now), Some(switched));
    }
    assert!(agent::label(text).chars().count() <= 256);
    assert!(agent::kept(text).chars().count() <= 256);
}

fn qr(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Ok(code) = Qr::new(text) else { return };
    assert!(code.svg().starts_with("<svg"));
    assert!(code.png().expect("a picture").starts_with(b"\x89PNG"));
}

fn picture(data: &[u8]) {
    for purpose in [PictureUse::Logo, PictureUse::Favicon] {
        if judge(data, purpose).is_ok() {
            assert!(data.len() <= purpose.largest());
        }
    }
}

fn metadata(data: &[u8]) {
    let Ok(change) = serde_json::from_slice::<Map<String, Value>>(data) else { return };
    if let Ok(metadata) = Metadata::default().changed(&change) {
        let written = serde_json::to_value(&metadata).expect("JSON");
        assert_eq!(
            serde_json::from_value::<Metadata>(written).expect("metadata"),
            metadata.clone()
        );
        for kind in [ApplicationType::Web, ApplicationType::Spa, ApplicationType::Native] {
            let _ = metadata.faults(kind);
        }
    }
    let _ = registration::read(&change, &["invoices".to_owned()]);
}

fn oauth(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let pairs = url::form_urlencoded::parse(data);
    if let Ok(given) = Parameters::collect(pairs.into_owned()) {
        assert!(given.iter().all(|(name, _)| given.get(name).is_some()));
        authorization(&given);
    }
    if let Some(scope) = Scope::parse(text) {
        let written = scope.to_string();
        assert_eq!(Scope::parse(&written).map(|it| it.to_string()), Some(written));
        assert!(scope.is_within(&scope));
    }
    if let Some(claims) = ClaimsRequest::parse(text) {
        let _ = claims.is_empty();
    }
    if pkce::is_verifier(text) {
        assert!((43..=128).contains(&text.len()));
    }
    let _ = pkce::is_challenge(text);
}

/// What the application of [`authorization`] has been registered with.
const REGISTERED: &str = r#"{
    "redirect_uris": ["https://app.example.com/cb", "http://127.0.0.1/cb"],
    "allowed_scopes": ["openid", "profile", "email", "offline_access", "invoices"],
    "allowed_audiences": ["https://api.example.com"],
    "authorization_details_types": ["payment"],
    "default_acr_values": ["urn:a"]
}"#;

static APPLICATION: LazyLock<Application> = LazyLock::new(|| {
    let metadata = serde_json::from_str(REGISTERED).expect("JSON");
    let id: ApplicationId = "app_01h455vb4pex5vsknk084sn02q".parse().expect("an id");
    Application {
        id,
        client_id: id.to_string(),
        owner: Owner::Platform,
        kind: ApplicationType::Native,
        name: "App".to_owned(),
        is_active: true,
        origin: Origin::Operator,
        metadata: Metadata::default().changed(&metadata).expect("metadata"),
        created_at: Timestamp::from_micros(0),
        updated_at: Timestamp::from_micros(0),
    }
});

/// An authorization request of an application that is known.
fn authorization(given: &Parameters) {
    let application = &*APPLICATION;
    let Ok(back) = request::return_path(application, given) else { return };
    let registered = application.metadata.redirect_uris.as_deref().unwrap_or_default();
    assert!(uri::matches(application.kind, registered, &back.redirect_uri));
    let Ok(checked) = request::check(application, given, &back) else { return };
    assert_eq!(checked.return_path(), back);
    assert!(checked.code_challenge.is_some(), "a native application proves that it asked");
    assert!(checked.scope.is_within(&request::personal_scopes(application)));
    let known = ["https://api.example.com", application.client_id.as_str()];
    assert!(checked.resource.iter().all(|it| known.contains(&it.as_str())));
    assert!(checked.authorization_details.iter().all(|it| it["type"] == "payment"));
    // As a row it waits, and is read again at each visit.
    let stored = serde_json::to_string(&checked).expect("JSON");
    let again: AuthorizationRequest = serde_json::from_str(&stored).expect("a request");
    assert_eq!(again, checked);
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0_u8; 4];
        three[1..=chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes(three);
        for place in 0..=chunk.len() {
            let six = number >> (18 - 6 * place) & 63;
            text.push(char::from(DIGITS[six as usize]));
        }
    }
    text
}
