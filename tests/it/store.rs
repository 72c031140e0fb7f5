//! The contracts of the store: every statement runs on both engines, does something for its own
//! tenant, and finds and changes nothing of another's.

use std::time::Duration;

use countersign::{
    clock::Timestamp,
    crypto::opaque::{digest_text, sha256},
    db::{Query, Tx, Work, sql},
    domain::{
        application::Owner,
        audit::Record,
        factor::Method,
        session::{Expiry, Persistence},
        ticket::Purpose,
        user::{User, UserStatus},
    },
    error::{Error, Result},
    flows::Cx,
    id::{
        AlarmId, ApplicationId, AuditId, CeremonyId, ChallengeId, DeviceId, EmailChangeId, GrantId,
        Id, MailId, PasskeyId, Realm, RegistrationId, SessionId, TenantId, TicketId,
        TrustedDeviceId, UserId,
    },
    store::{
        alarms, attempts, audit, authorization_codes, captchas, challenges, consents, credentials,
        devices, email_changes, factors, grants, login, outbox, passkeys, registrations,
        session_clients, sessions, tenants, tickets, trusted_devices, users,
    },
};
use serde_json::json;

use crate::support::{PASSWORD, START, World};

const GRACE: &str = "grace@example.com";
const NEW: &str = "new@example.com";
const SUBJECT: [u8; 32] = [7; 32];
const RESET: [Purpose; 2] = [Purpose::ResetPassword, Purpose::ResetPassword];
const LATER: Timestamp = Timestamp::from_micros(START.micros() + 1);

/// One row of each kind, all of one tenant.
#[derive(Clone)]
struct Rows {
    user: User,
    hash: String,
    session: SessionId,
    session_digest: [u8; 32],
    grant: GrantId,
    application: ApplicationId,
    device: DeviceId,
    device_digest: [u8; 32],
    passkey: PasskeyId,
    ceremony: CeremonyId,
    trusted_device: TrustedDeviceId,
    challenge: ChallengeId,
    email_change: EmailChangeId,
    alarm: AlarmId,
    alarm_digest: [u8; 32],
    ticket: TicketId,
    ticket_digest: [u8; 32],
    registration: RegistrationId,
    mail: MailId,
    record: Record,
}

async fn one<T: std::str::FromStr>(world: &World, text: &'static str) -> T {
    let found: Vec<String> = world.rows(sql(text)).await;
    found[0].parse().ok().expect("an id")
}

async fn digest(world: &World, text: &'static str) -> [u8; 32] {
    world.rows::<Vec<u8>>(sql(text)).await.remove(0).try_into().unwrap()
}

/// An application that a user has allowed something, and that has tokens.
async fn allowed(world: &World, cx: &Cx, (user, session): (UserId, SessionId)) -> ApplicationId {
    let (tenant, owner) = (cx.tenant.id, Owner::Tenant(cx.tenant.id));
    let application = world.web(owner, json!({})).await.id;
    let consent = new_consent(application);
    assert_eq!(world.execute(consents::put(tenant, user, &consent)).await, 1);
    let family = new_family(fresh(), session, user, application);
    assert_eq!(world.execute(grants::insert_of_application(tenant, &family)).await, 1);
    application
}

/// A tenant in which everything has happened.
async fn full(world: &World, slug: &str) -> (Cx, Rows) {
    let cx = world.tenant(slug, r#"{"registration": {"enabled": true}}"#).await;
    let user = world.user(&cx, GRACE).await;
    let mut client = world.client();
    client.login(slug, GRACE, "wrong horse battery staple").await.refused(401);
    client.login(slug, GRACE, PASSWORD).await.data();
    let registration =
        json!({"email": NEW, "password": PASSWORD, "first_name": "N", "last_name": "N"});
    client.api(slug, "register", &registration).await.data();
    client.api(slug, "password/forgot", &json!({"email": GRACE})).await.data();
    world.execute(sql("DELETE FROM outbox WHERE kind <> 'reset_password'")).await;
    let (challenge, email_change) = (fresh(), fresh());
    let (passkey, ceremony, trusted) =
        (new_passkey(user.id), new_ceremony(), new_trusted_device(user.id));
    let mut queries = factors_of(cx.tenant.id, user.id).to_vec();
    queries.extend([
        credentials::retire(cx.tenant.id, user.id, START),
        challenges::insert(cx.tenant.id, &new_challenge(challenge, user.id)),
        attempts::add(cx.tenant.id, SUBJECT, Some(user.id), START),
        email_changes::insert(cx.tenant.id, &new_email_change(email_change, user.id)),
        passkeys::insert(cx.tenant.id, &passkey, 9),
        passkeys::begin(cx.tenant.id, &ceremony, 9),
        trusted_devices::trust(cx.tenant.id, &trusted, 9)[1].clone(),
    ]);
    for query in queries {
        assert_eq!(world.execute(query).await, 1);
    }
    let session = one(world, "SELECT id FROM sessions").await;
    let grant = new_grant(session);
    assert_eq!(world.execute(grants::insert(cx.tenant.id, &grant)).await, 1);
    let application = allowed(world, &cx, (user.id, session)).await;
    let newest = countersign::flows::audit::newest(&world.app, cx.tenant.id, 1).await.unwrap();
    let reset = "SELECT digest FROM tickets WHERE purpose = 'reset_password'";
    let rows = Rows {
        hash: world.stored_hash(&user).await,
        session,
        session_digest: digest(world, "SELECT secret_digest FROM sessions").await,
        grant: grant.id,
        application,
        device: one(world, "SELECT id FROM devices").await,
        device_digest: digest(world, "SELECT digest FROM devices").await,
        passkey: passkey.id,
        ceremony: ceremony.id,
        trusted_device: trusted.id,
        challenge,
        email_change,
        alarm: one(world, "SELECT id FROM alarms").await,
        alarm_digest: digest(world, "SELECT digest FROM alarms").await,
        ticket: one(world, "SELECT id FROM tickets WHERE purpose = 'reset_password'").await,
        ticket_digest: digest(world, reset).await,
        registration: one(world, "SELECT id FROM registrations").await,
        mail: one(world, "SELECT id FROM outbox").await,
        record: newest.into_iter().next().unwrap(),
        user,
    };
    (cx, rows)
}

/// An id that nothing has yet.
fn fresh<T: Id>() -> T {
    countersign::flows::fresh_id(&countersign::entropy::Entropy::Os, START).unwrap()
}

fn new_challenge(id: ChallengeId, user: UserId) -> challenges::New {
    challenges::New {
        id,
        user,
        digest: sha256(id.to_string().as_bytes()),
        purpose: "verify",
        epoch: 0,
        remember: false,
        subject: SUBJECT,
        client_id: None,
        now: START,
        expires_at: LATER,
    }
}

/// Its tokens' digests are made of its id: the one to confirm it, then the one to stop it.
fn digests(id: EmailChangeId) -> [[u8; 32]; 2] {
    ["confirm", "stop"].map(|what| digest_text(&[what, &id.to_string()]))
}

fn new_email_change(id: EmailChangeId, user: UserId) -> email_changes::New {
    let [confirm_digest, stop_digest] = digests(id);
    email_changes::New {
        id,
        user,
        old_email: GRACE.to_owned(),
        new_email: NEW.to_owned(),
        new_email_key: NEW.to_owned(),
        confirm_digest,
        stop_digest,
        epoch: 0,
        now: START,
        expires_at: LATER + Duration::from_secs(1),
        stop_expires_at: LATER + Duration::from_secs(1),
    }
}

/// A factor of each kind, one that waits, and a backup code.
fn factors_of(tenant: TenantId, user: UserId) -> [Query; 5] {
    [
        factors::begin_setup(tenant, user, Method::Totp, setup(), (START, LATER)),
        factors::put(tenant, user, Method::Totp, (Some(KEY.to_vec()), 0), START),
        factors::put(tenant, user, Method::Email, (None, 0), START),
        factors::put_backup_codes(tenant, user, &[SUBJECT], START).remove(1),
        factors::set_default(tenant, user, Some(Method::Totp), START),
    ]
}

/// The sealed key of an app, as far as the store cares.
const KEY: &[u8] = &[1, 2, 3];

fn setup() -> factors::Setup {
    factors::Setup { secret: None, code: Some(SUBJECT.to_vec()) }
}

/// Its credential's id is made of its own.
fn new_passkey(user: UserId) -> passkeys::Passkey {
    let id: PasskeyId = fresh();
    passkeys::Passkey {
        id,
        user,
        rp_id: "example.com".to_owned(),
        credential_id: credential_id(id),
        credential: "{}".to_owned(),
        counter: 0,
        name: "Key".to_owned(),
        aaguid: None,
        user_verified: true,
        backed_up: false,
        created_at: START,
        last_used_at: None,
    }
}

fn credential_id(id: PasskeyId) -> Vec<u8> {
    sha256(id.to_string().as_bytes()).to_vec()
}

fn new_ceremony() -> passkeys::Ceremony {
    passkeys::Ceremony {
        id: fresh(),
        purpose: "sign_in",
        bound_to: String::new(),
        state: "{}".to_owned(),
        now: START,
        expires_at: LATER,
    }
}

fn answer(rows: &Rows) -> passkeys::Search {
    passkeys::Search {
        ceremony: rows.ceremony,
        purpose: "sign_in",
        bound_to: String::new(),
        rp_id: "example.com".to_owned(),
        credential_id: credential_id(rows.passkey),
        now: START,
    }
}

fn new_trusted_device(user: UserId) -> trusted_devices::New {
    let id: TrustedDeviceId = fresh();
    trusted_devices::New {
        id,
        user,
        digest: sha256(id.to_string().as_bytes()),
        epoch: 0,
        fingerprint: Some(SUBJECT),
        label: String::new(),
        address: String::new(),
        now: START,
        expires_at: LATER,
    }
}

fn step(rows: &Rows) -> challenges::Search {
    challenges::Search {
        digest: sha256(rows.challenge.to_string().as_bytes()),
        device: None,
        place: String::new(),
        backup_code: Some(SUBJECT),
        max_failures: 5,
        now: START,
    }
}

fn new_session(user: UserId) -> sessions::New {
    sessions::New {
        id: fresh(),
        user,
        secret_digest: SUBJECT,
        epoch: 0,
        persistence: Persistence::Browser,
        auth_methods: "pwd".to_owned(),
        address: String::new(),
        agent: String::new(),
        now: START,
        expiry: Expiry { idle: LATER, absolute: LATER },
    }
}

fn new_consent(application: ApplicationId) -> consents::Consent {
    consents::Consent {
        application,
        scope: "openid".to_owned(),
        details: "[]".to_owned(),
        granted_at: START,
        updated_at: START,
    }
}

fn new_family(
    id: GrantId,
    session: SessionId,
    user: UserId,
    application: ApplicationId,
) -> grants::NewOfApplication {
    grants::NewOfApplication {
        id,
        session,
        user,
        application,
        client_id: application.to_string(),
        scope: "openid".to_owned(),
        auth_methods: "pwd".to_owned(),
        authenticated_at: START,
        digest: [7; 32],
        details: r#"{"realm": "platform"}"#.to_owned(),
        offline_until: None,
        now: START,
    }
}

fn new_listener(session: SessionId, application: ApplicationId) -> session_clients::New {
    session_clients::New {
        session,
        application,
        realm: Realm::Platform,
        sub: "x".to_owned(),
        client_id: application.to_string(),
        now: START,
    }
}

fn new_code(rows: &Rows) -> authorization_codes::New {
    authorization_codes::New {
        digest: [9; 32],
        application: rows.application,
        session: rows.session,
        user: rows.user.id,
        request: "{}".to_owned(),
        now: START,
        expires_at: LATER,
    }
}

fn new_grant(session: SessionId) -> grants::New {
    grants::New {
        id: fresh(),
        session,
        client_id: "portal".to_owned(),
        scope: "account".to_owned(),
        auth_methods: "pwd".to_owned(),
        authenticated_at: START,
        digest: SUBJECT,
        now: START,
    }
}

fn rotation(id: GrantId) -> grants::Rotation {
    grants::Rotation { id, shown: SUBJECT, next: [8; 32], salt: [9; 32], now: LATER }
}

fn new_device(user: UserId) -> devices::Device {
    let (place, label) = ("elsewhere".to_owned(), "Something".to_owned());
    devices::Device { id: fresh(), user, digest: SUBJECT, place, label }
}

fn new_ticket(rows: &Rows) -> tickets::Ticket {
    tickets::Ticket {
        id: fresh(),
        purpose: Purpose::ResetPassword,
        email_key: GRACE.to_owned(),
        user_id: Some(rows.user.id),
        registration_id: None,
        redirect_uri: None,
        created_at: START,
        expires_at: LATER,
    }
}

fn search() -> login::Search {
    login::Search {
        email_key: GRACE.to_owned(),
        account: countersign::flows::login::account_subject(GRACE),
        network: digest_text(&["network", "192.0.2.1"]),
        device: None,
        device_subject: SUBJECT,
        place: String::new(),
        trusted_device: None,
        trusted_subject: SUBJECT,
        now: START,
    }
}

/// A statement, or a function that runs some; how many rows it found or changed.
enum Call {
    Query(fn(TenantId, &Rows) -> Query),
    Function(for<'t> fn(&'t mut Tx, TenantId, &'t Rows) -> Work<'t, u64>),
}

use Call::{Function as F, Query as Q};

fn found<T>(rows: &[T]) -> u64 {
    rows.len() as u64
}

fn maybe<T>(row: Option<&T>) -> u64 {
    u64::from(row.is_some())
}

/// What finds and changes rows that are there.
#[rustfmt::skip]
const BOUND: &[(&str, Call)] = &[
    ("alarms::by_digest", F(|tx, t, it| Box::pin(async move {
        Ok(maybe(alarms::by_digest(tx, t, it.alarm_digest, LATER).await?.as_ref()))
    }))),
    ("alarms::spend", Q(|t, it| alarms::spend(t, it.alarm, LATER))),
    ("alarms::forget_since", Q(|t, it| alarms::forget_since(t, it.user.id, START))),
    ("alarms::forget_all", Q(|t, it| alarms::forget_all(t, it.user.id))),
    ("alarms::has_new_factor", F(|tx, t, it| Box::pin(async move {
        Ok(u64::from(alarms::has_new_factor(tx, t, it.user.id, START).await?))
    }))),
    ("attempts::count", F(|tx, t, _| Box::pin(async move { Ok(maybe(attempts::count(tx, t, SUBJECT).await?.as_ref())) }))),
    ("attempts::clear", Q(|t, _| attempts::clear(t, SUBJECT))),
    ("attempts::clear_user", Q(|t, it| attempts::clear_user(t, it.user.id))),
    ("audit::unchained", F(|tx, t, _| Box::pin(async move { Ok(found(&audit::unchained(tx, t, 9).await?)) }))),
    ("audit::newest", F(|tx, t, _| Box::pin(async move { Ok(found(&audit::newest(tx, t, 9).await?)) }))),
    ("audit::link", Q(|t, it| audit::link(t, it.record.id, 99, SUBJECT))),
    ("challenges::insert", Q(|t, it| challenges::insert(t, &new_challenge(fresh(), it.user.id)))),
    ("challenges::push_out", Q(|t, it| challenges::push_out(t, it.user.id, fresh(), 0))),
    ("challenges::find", F(|tx, t, it| Box::pin(async move { Ok(maybe(challenges::find(tx, t, &step(it)).await?.as_ref())) }))),
    ("challenges::owner", F(|tx, t, it| Box::pin(async move { Ok(maybe(challenges::owner(tx, t, step(it).digest).await?.as_ref())) }))),
    ("challenges::is_open", F(|tx, t, it| Box::pin(async move { Ok(u64::from(challenges::is_open(tx, t, it.challenge, START).await?)) }))),
    ("challenges::consume", Q(|t, it| challenges::consume(t, it.challenge, 5, START))),
    ("challenges::fail", Q(|t, it| challenges::fail(t, it.challenge))),
    ("challenges::set_email_code", Q(|t, it| challenges::set_email_code(t, it.challenge, SUBJECT, (5, START), START))),
    ("challenges::end_batch", Q(|t, _| challenges::end_batch(t, LATER, 9))),
    ("sessions::end_batch", Q(|t, _| sessions::end_batch(t, LATER, 9))),
    ("grants::end_batch", Q(|t, _| grants::end_batch(t, LATER, 9))),
    ("challenges::end_all", Q(|t, it| challenges::end_all(t, it.user.id))),
    ("authorization_codes::insert", Q(|t, it| authorization_codes::insert(t, Realm::Platform, &new_code(it)))),
    ("consents::find", F(|tx, t, it| Box::pin(async move {
        Ok(maybe(consents::find(tx, t, it.user.id, it.application).await?.as_ref()))
    }))),
    ("consents::put", Q(|t, it| consents::put(t, it.user.id, &new_consent(it.application)))),
    ("consents::revoke", Q(|t, it| consents::revoke(t, it.user.id, it.application))),
    ("consents::of_user", F(|tx, t, it| Box::pin(async move { Ok(found(&consents::of_user(tx, t, it.user.id).await?)) }))),
    ("consents::forget_all", Q(|t, it| consents::forget_all(t, it.user.id))),
    ("credentials::rehash", Q(|t, it| credentials::rehash(t, it.user.id, &it.hash, "x"))),
    ("credentials::hash", F(|tx, t, it| Box::pin(async move { Ok(maybe(credentials::hash(tx, t, it.user.id).await?.as_ref())) }))),
    ("credentials::recent", F(|tx, t, it| Box::pin(async move { Ok(found(&credentials::recent(tx, t, it.user.id, 9).await?)) }))),
    ("credentials::retire", Q(|t, it| credentials::retire(t, it.user.id, LATER))),
    ("credentials::forget_former", Q(|t, it| credentials::forget_former(t, it.user.id, 0))),
    ("credentials::forget", Q(|t, it| credentials::forget(t, it.user.id)[0].clone())),
    ("credentials::forget former", Q(|t, it| credentials::forget(t, it.user.id)[1].clone())),
    ("devices::is_known", F(|tx, t, it| Box::pin(async move {
        Ok(u64::from(devices::is_known(tx, t, it.user.id, it.device_digest).await?))
    }))),
    ("devices::seen", Q(|t, it| devices::seen(t, it.device, LATER))),
    ("devices::forget_all", Q(|t, it| devices::forget_all(t, it.user.id))),
    ("devices::forget_others", Q(|t, it| devices::forget_others(t, it.user.id, SUBJECT))),
    ("devices::of_user", F(|tx, t, it| Box::pin(async move { Ok(found(&devices::of_user(tx, t, it.user.id).await?)) }))),
    ("audit::of_user", F(|tx, t, it| Box::pin(async move { Ok(found(&audit::of_user(tx, t, it.user.id, (0, 9)).await?)) }))),
    ("email_changes::withdraw", Q(|t, it| email_changes::withdraw(t, it.user.id, LATER))),
    ("email_changes::by_confirm", F(|tx, t, it| Box::pin(async move {
        let [confirm, _] = digests(it.email_change);
        Ok(maybe(email_changes::by_confirm(tx, t, confirm, LATER).await?.as_ref()))
    }))),
    ("email_changes::by_stop", F(|tx, t, it| Box::pin(async move {
        let [_, stop] = digests(it.email_change);
        Ok(maybe(email_changes::by_stop(tx, t, stop, LATER).await?.as_ref()))
    }))),
    ("email_changes::confirm", Q(|t, it| email_changes::confirm(t, it.email_change, LATER))),
    ("email_changes::stop", Q(|t, it| email_changes::stop(t, it.email_change, LATER))),
    ("email_changes::stop_since", Q(|t, it| email_changes::stop_since(t, it.user.id, START, LATER))),
    ("email_changes::waiting", F(|tx, t, it| Box::pin(async move {
        Ok(maybe(email_changes::waiting(tx, t, it.user.id, LATER).await?.as_ref()))
    }))),
    ("email_changes::forget_all", Q(|t, it| email_changes::forget_all(t, it.user.id))),
    ("factors::of_user", F(|tx, t, it| Box::pin(async move { Ok(found(&factors::of_user(tx, t, it.user.id).await?)) }))),
    ("factors::totp_secret", F(|tx, t, it| Box::pin(async move { Ok(maybe(factors::totp_secret(tx, t, it.user.id).await?.as_ref())) }))),
    ("factors::put", Q(|t, it| factors::put(t, it.user.id, Method::Totp, (None, 0), LATER))),
    ("factors::use_step", Q(|t, it| factors::use_step(t, it.user.id, KEY, 1, LATER))),
    ("factors::mail_used", Q(|t, it| factors::mail_used(t, it.user.id, LATER))),
    ("factors::remove", Q(|t, it| factors::remove(t, it.user.id, Method::Totp))),
    ("factors::begin_setup", Q(|t, it| factors::begin_setup(t, it.user.id, Method::Totp, setup(), (LATER, LATER)))),
    ("factors::try_setup", F(|tx, t, it| Box::pin(async move {
        Ok(maybe(factors::try_setup(tx, t, it.user.id, Method::Totp, (1, START)).await?.as_ref()))
    }))),
    ("factors::end_setup", Q(|t, it| factors::end_setup(t, it.user.id, Method::Totp, &setup()))),
    ("factors::put_backup_codes", Q(|t, it| factors::put_backup_codes(t, it.user.id, &[[9; 32]], LATER).remove(1))),
    ("factors::put_backup_codes old", Q(|t, it| factors::put_backup_codes(t, it.user.id, &[], LATER).remove(0))),
    ("factors::use_backup_code", Q(|t, it| factors::use_backup_code(t, it.user.id, SUBJECT, LATER))),
    ("factors::backup_codes_left", F(|tx, t, it| Box::pin(async move {
        Ok(factors::backup_codes_left(tx, t, it.user.id).await?.0.unsigned_abs())
    }))),
    ("factors::forget_backup_codes", Q(|t, it| factors::forget_backup_codes(t, it.user.id))),
    ("factors::default_method", F(|tx, t, it| Box::pin(async move {
        Ok(maybe(factors::default_method(tx, t, it.user.id).await?.as_ref()))
    }))),
    ("factors::set_default", Q(|t, it| factors::set_default(t, it.user.id, None, LATER))),
    ("factors::remove_since", Q(|t, it| factors::remove_since(t, it.user.id, START)[0].clone())),
    ("factors::remove_since passkeys", Q(|t, it| factors::remove_since(t, it.user.id, START)[1].clone())),
    ("factors::remove_since backup codes", Q(|t, it| factors::remove_since(t, it.user.id, START)[2].clone())),
    ("factors::remove_all", Q(|t, it| factors::remove_all(t, it.user.id)[0].clone())),
    ("factors::remove_all setups", Q(|t, it| factors::remove_all(t, it.user.id)[1].clone())),
    ("factors::remove_all backup codes", Q(|t, it| factors::remove_all(t, it.user.id)[2].clone())),
    ("factors::remove_all passkeys", Q(|t, it| factors::remove_all(t, it.user.id)[3].clone())),
    ("factors::end_setups", Q(|t, it| factors::end_setups(t, it.user.id))),
    ("grants::insert", Q(|t, it| grants::insert(t, &new_grant(it.session)))),
    ("grants::facts", F(|tx, t, it| Box::pin(async move { Ok(maybe(grants::facts(tx, t, it.grant, None, LATER).await?.as_ref())) }))),
    ("grants::rotate", Q(|t, it| grants::rotate(t, &rotation(it.grant)))),
    ("grants::hold_session", Q(|t, it| grants::hold_session(t, it.session, LATER, LATER))),
    ("grants::carry_over", Q(|t, it| grants::carry_over(t, it.session))),
    ("grants::insert_of_application", Q(|t, it| {
        grants::insert_of_application(t, &new_family(fresh(), it.session, it.user.id, it.application))
    })),
    ("grants::newest_in_session", F(|tx, t, it| Box::pin(async move {
        Ok(maybe(grants::newest_in_session(tx, t, it.session, it.application).await?.as_ref()))
    }))),
    ("grants::of_applications", F(|tx, t, it| Box::pin(async move {
        Ok(found(&grants::of_applications(tx, t, it.user.id, LATER).await?))
    }))),
    ("grants::end_of_application", Q(|t, it| grants::end_of_application(t, it.user.id, it.application))),
    ("session_clients::note", Q(|t, it| session_clients::note(t, &new_listener(it.session, it.application)))),
    ("users::known", F(|tx, t, it| Box::pin(async move { Ok(maybe(users::known(tx, t, it.user.id).await?.as_ref())) }))),
    ("grants::end_all", Q(|t, it| grants::end_all(t, it.user.id))),
    ("grants::end", Q(|t, it| grants::end(t, it.grant))),
    ("login::facts", F(|tx, t, _| Box::pin(async move { Ok(maybe(login::facts(tx, t, &search()).await?.user.as_ref())) }))),
    ("login::facts account_count", F(|tx, t, _| Box::pin(async move {
        Ok(maybe(login::facts(tx, t, &login::Search { account: SUBJECT, ..search() }).await?.account_count.as_ref()))
    }))),
    ("login::facts pending", F(|tx, t, _| Box::pin(async move {
        Ok(maybe(login::facts(tx, t, &login::Search { email_key: NEW.to_owned(), ..search() }).await?.pending.as_ref()))
    }))),
    ("login::facts methods", F(|tx, t, _| Box::pin(async move { Ok(found(&login::facts(tx, t, &search()).await?.methods)) }))),
    ("login::facts trusted_device", F(|tx, t, it| Box::pin(async move {
        let digest = sha256(it.trusted_device.to_string().as_bytes());
        let search = login::Search { trusted_device: Some(digest), ..search() };
        Ok(maybe(login::facts(tx, t, &search).await?.trusted_device.as_ref()))
    }))),
    ("login::facts trusted_count", F(|tx, t, _| Box::pin(async move {
        Ok(maybe(login::facts(tx, t, &search()).await?.trusted_count.as_ref()))
    }))),
    ("login::known", F(|tx, t, it| Box::pin(async move {
        let (user, device) = (it.user.id, Some(it.device_digest));
        let search = login::KnownSearch { user, device, place: String::new() };
        Ok(maybe(login::known(tx, t, &search).await?.and_then(|known| known.device).as_ref()))
    }))),
    ("passkeys::insert", Q(|t, it| passkeys::insert(t, &new_passkey(it.user.id), 9))),
    ("passkeys::of_user", F(|tx, t, it| Box::pin(async move { Ok(found(&passkeys::of_user(tx, t, it.user.id).await?)) }))),
    ("passkeys::used", Q(|t, it| passkeys::used(t, it.passkey, ("{}", 1), true, LATER))),
    ("passkeys::rename", Q(|t, it| passkeys::rename(t, it.user.id, it.passkey, "Other"))),
    ("passkeys::remove", Q(|t, it| passkeys::remove(t, it.user.id, it.passkey))),
    ("passkeys::finish", F(|tx, t, it| Box::pin(async move {
        Ok(maybe(passkeys::finish(tx, t, it.ceremony, ("sign_in", ""), START).await?.as_ref()))
    }))),
    ("passkeys::answered", F(|tx, t, it| Box::pin(async move {
        let found = passkeys::answered(tx, t, &answer(it)).await?;
        Ok(maybe(found.and_then(|(_, key)| key).as_ref()))
    }))),
    ("passkeys::end", Q(|t, it| passkeys::end(t, it.ceremony))),
    ("trusted_devices::trust the same", Q(|t, it| trusted_devices::trust(t, &new_trusted_device(it.user.id), 9)[0].clone())),
    ("trusted_devices::trust", Q(|t, it| trusted_devices::trust(t, &new_trusted_device(it.user.id), 9)[1].clone())),
    ("trusted_devices::trust the oldest", Q(|t, it| trusted_devices::trust(t, &new_trusted_device(it.user.id), 0)[2].clone())),
    ("trusted_devices::used", Q(|t, it| trusted_devices::used(t, it.trusted_device, START))),
    ("trusted_devices::of_user", F(|tx, t, it| Box::pin(async move {
        Ok(found(&trusted_devices::of_user(tx, t, it.user.id, START).await?))
    }))),
    ("trusted_devices::revoke", Q(|t, it| trusted_devices::revoke(t, it.user.id, it.trusted_device))),
    ("trusted_devices::revoke_all", Q(|t, it| trusted_devices::revoke_all(t, it.user.id))),
    ("outbox::sent", Q(|t, it| outbox::sent(t, it.mail, LATER))),
    ("outbox::postpone", Q(|t, it| outbox::postpone(t, it.mail, "x", LATER))),
    ("outbox::give_up", Q(|t, it| outbox::give_up(t, it.mail, "x", LATER))),
    ("outbox::list", F(|tx, t, _| Box::pin(async move { Ok(found(&outbox::list(tx, t, None, 9).await?)) }))),
    ("outbox::list waiting", F(|tx, t, _| Box::pin(async move {
        Ok(found(&outbox::list(tx, t, Some("waiting".to_owned()), 9).await?))
    }))),
    ("outbox::revive", F(|tx, t, it| Box::pin(async move {
        let dead = "UPDATE outbox SET state = 'dead' WHERE id = $1";
        sql(dead).bind(it.mail).execute(tx).await?;
        let revived = outbox::revive(tx, t, LATER, LATER).await?;
        sql("UPDATE outbox SET state = 'waiting' WHERE id = $1").bind(it.mail).execute(tx).await?;
        Ok(revived)
    }))),
    ("registrations::by_id", F(|tx, t, it| Box::pin(async move { Ok(maybe(registrations::by_id(tx, t, it.registration).await?.as_ref())) }))),
    ("registrations::push_out_from_network", Q(|t, _| registrations::push_out_from_network(t, NEW, "192.0.2.1", 0))),
    ("registrations::push_out", Q(|t, _| registrations::push_out(t, NEW, 0))),
    ("registrations::drop_all", Q(|t, _| registrations::drop_all(t, NEW))),
    ("sessions::insert", Q(|t, it| sessions::insert(t, &new_session(it.user.id), Some(&it.hash)))),
    ("sessions::live", F(|tx, t, it| Box::pin(async move {
        Ok(maybe(sessions::live(tx, t, it.session, it.session_digest, LATER).await?.as_ref()))
    }))),
    ("sessions::touch", F(|tx, t, it| Box::pin(async move {
        sessions::touch(tx, t, it.session, LATER, LATER).await?;
        let touched = "SELECT COUNT(*) FROM sessions WHERE last_seen_at = $1";
        Ok(sql(touched).bind(LATER).one::<i64>(tx).await?.unsigned_abs())
    }))),
    ("sessions::of_user", F(|tx, t, it| Box::pin(async move { Ok(found(&sessions::of_user(tx, t, it.user.id, LATER).await?)) }))),
    ("sessions::end", F(|tx, t, it| Box::pin(async move { Ok(u64::from(sessions::end(tx, t, it.session).await?)) }))),
    ("sessions::held", F(|tx, t, it| Box::pin(async move {
        Ok(maybe(sessions::held(tx, t, it.session, Some(it.session_digest), LATER).await?.as_ref()))
    }))),
    ("sessions::held by its id", F(|tx, t, it| Box::pin(async move {
        Ok(maybe(sessions::held(tx, t, it.session, None, LATER).await?.as_ref()))
    }))),
    ("sessions::end_others", Q(|t, it| sessions::end_others(t, it.user.id, fresh()))),
    ("sessions::end_own", Q(|t, it| sessions::end_own(t, it.user.id, it.session))),
    ("sessions::prove", Q(|t, it| sessions::prove(t, it.session, (it.session_digest, SUBJECT), "pwd", LATER))),
    ("sessions::carry_over", Q(|t, it| sessions::carry_over(t, it.session))),
    ("sessions::end_all", Q(|t, it| sessions::end_all(t, it.user.id))),
    ("tickets::consume", F(|tx, t, it| Box::pin(async move { Ok(maybe(tickets::consume(tx, t, RESET, it.ticket_digest, LATER).await?.as_ref())) }))),
    ("tickets::peek", F(|tx, t, it| Box::pin(async move { Ok(maybe(tickets::peek(tx, t, RESET, it.ticket_digest, LATER).await?.as_ref())) }))),
    ("tickets::settle", Q(|t, it| tickets::settle(t, it.ticket, it.user.id))),
    ("tickets::void_all", Q(|t, _| tickets::void_all(t, Purpose::ResetPassword, GRACE, LATER))),
    ("tickets::void_older", Q(|t, _| tickets::void_older(t, Purpose::ResetPassword, GRACE, 0, LATER))),
    ("tickets::void_orphans", F(|tx, t, it| Box::pin(async move {
        let orphan = "UPDATE tickets SET registration_id = NULL WHERE registration_id = $1";
        sql(orphan).bind(it.registration).execute(tx).await?;
        let voided = tickets::void_orphans(t, NEW, LATER).execute(tx).await?;
        let back = "UPDATE tickets SET registration_id = $1 WHERE purpose = 'register'";
        sql(back).bind(it.registration).execute(tx).await?;
        Ok(voided)
    }))),
    ("tickets::void_of_user", Q(|t, it| tickets::void_of_user(t, it.user.id, LATER))),
    ("users::details", F(|tx, t, it| Box::pin(async move { Ok(maybe(users::details(tx, t, it.user.id).await?.as_ref())) }))),
    ("users::update_profile", Q(|t, it| users::update_profile(t, it.user.id, users::ProfileChange::default(), LATER))),
    ("users::hold", Q(|t, it| users::hold(t, it.user.id, 0, LATER))),
    ("users::change_email", Q(|t, it| users::change_email(t, it.user.id, ("x@example.com", "x@example.com"), LATER))),
    ("users::schedule_deletion", Q(|t, it| users::schedule_deletion(t, it.user.id, LATER, LATER))),
    ("users::keep, users::hold_due", F(|tx, t, it| Box::pin(async move {
        let due = "UPDATE users SET deletion_due_at = $2 WHERE id = $1";
        sql(due).bind(it.user.id).bind(START).execute(tx).await?;
        let held = users::hold_due(t, it.user.id, START).execute(tx).await?;
        let kept = users::keep(t, it.user.id, START).execute(tx).await?;
        let back = "UPDATE users SET deletion_due_at = NULL, updated_at = $2 WHERE id = $1";
        sql(back).bind(it.user.id).bind(START).execute(tx).await?;
        assert_eq!(held, kept);
        Ok(kept)
    }))),
    ("users::by_email", F(|tx, t, _| Box::pin(async move { Ok(maybe(users::by_email(tx, t, GRACE).await?.as_ref())) }))),
    ("users::by_id", F(|tx, t, it| Box::pin(async move { Ok(maybe(users::by_id(tx, t, it.user.id).await?.as_ref())) }))),
    ("users::page", F(|tx, t, _| Box::pin(async move { Ok(found(&users::page(tx, t, "", 9).await?)) }))),
    ("users::touch", Q(|t, it| users::touch(t, it.user.id, LATER))),
    ("users::verify_email", F(|tx, t, it| Box::pin(async move {
        let verified = "SELECT email_verified_at FROM users WHERE id = $1";
        let before: Timestamp = sql(verified).bind(it.user.id).one(tx).await?;
        let unproved = "UPDATE users SET email_verified_at = NULL WHERE id = $1";
        sql(unproved).bind(it.user.id).execute(tx).await?;
        let changed = users::verify_email(t, it.user.id, LATER).execute(tx).await?;
        let back = "UPDATE users SET email_verified_at = $2 WHERE id = $1";
        sql(back).bind(it.user.id).bind(before).execute(tx).await?;
        Ok(changed)
    }))),
    ("users::set_status", F(|tx, t, it| Box::pin(async move {
        Ok(u64::from(users::set_status(tx, t, it.user.id, UserStatus::Suspended, LATER).await?))
    }))),
    ("users::set_must_change_password", Q(|t, it| users::set_must_change_password(t, it.user.id, true, LATER))),
    ("users::delete", F(|tx, t, it| Box::pin(async move { Ok(u64::from(users::delete(tx, t, it.user.id, LATER).await?)) }))),
    ("users::renew_epoch", Q(|t, it| users::renew_epoch(t, it.user.id, LATER))),
    ("users::start_epoch", Q(|t, it| users::start_epoch(t, it.user.id, LATER))),
];

/// What makes rows of the tenant it is given, or none where they would point at another's.
#[rustfmt::skip]
const MAKING: &[(&str, Call)] = &[
    ("alarms::insert", Q(|t, it| alarms::insert(t, &alarms::New {
        id: fresh(),
        user: it.user.id,
        session: it.session,
        email_key: GRACE.to_owned(),
        device: "Something".to_owned(),
        address: String::new(),
        now: START,
        expires_at: LATER,
    }, SUBJECT))),
    ("alarms::note_network", Q(|t, it| alarms::note_network(t, it.user.id, SUBJECT, START))),
    ("alarms::has_networks", F(|tx, t, it| Box::pin(async move {
        alarms::note_network(t, it.user.id, SUBJECT, START).execute(tx).await?;
        Ok(u64::from(alarms::has_networks(tx, t, it.user.id).await?))
    }))),
    ("alarms::see_network", F(|tx, t, it| Box::pin(async move {
        alarms::note_network(t, it.user.id, SUBJECT, START).execute(tx).await?;
        alarms::see_network(t, it.user.id, SUBJECT, LATER).execute(tx).await
    }))),
    ("alarms::forget_networks", F(|tx, t, it| Box::pin(async move {
        alarms::note_network(t, it.user.id, SUBJECT, START).execute(tx).await?;
        alarms::forget_networks(t, it.user.id).execute(tx).await
    }))),
    ("attempts::add", Q(|t, it| attempts::add(t, SUBJECT, Some(it.user.id), LATER))),
    ("attempts::add_in_window", Q(|t, _| attempts::add_in_window(t, SUBJECT, Duration::from_secs(1), LATER))),
    ("audit::append", Q(|t, it| audit::append(t, Record { id: fresh::<AuditId>(), ..it.record.clone() }))),
    ("audit::head", F(|tx, t, _| Box::pin(async move { audit::head(tx, t).await.map(|_| 1) }))),
    ("audit::read_head", F(|tx, t, _| Box::pin(async move {
        audit::head(tx, t).await?;
        Ok(maybe(audit::read_head(tx, t).await?.as_ref()))
    }))),
    ("audit::advance", F(|tx, t, _| Box::pin(async move {
        audit::head(tx, t).await?;
        let next = audit::Head { seq: 1, hash: vec![1; 32] };
        Ok(u64::from(audit::advance(tx, t, 0, &next).await?))
    }))),
    ("audit::chained", F(|tx, t, it| Box::pin(async move {
        let id = fresh::<AuditId>();
        audit::append(t, Record { id, ..it.record.clone() }).execute(tx).await?;
        audit::link(t, id, 1, SUBJECT).execute(tx).await?;
        Ok(found(&audit::chained(tx, t, 0, 9).await?))
    }))),
    ("captchas::spend", F(|tx, t, _| Box::pin(async move { Ok(u64::from(captchas::spend(tx, t, SUBJECT, LATER).await?)) }))),
    ("credentials::set", Q(|t, it| credentials::set(t, it.user.id, "x", LATER))),
    ("devices::remember", Q(|t, it| devices::remember(t, &new_device(it.user.id), LATER))),
    ("outbox::insert", Q(|t, _| outbox::insert(t, outbox::New {
        id: fresh(),
        kind: "reset_password",
        recipient: GRACE.to_owned(),
        locale: "en".to_owned(),
        payload: vec![1],
        now: LATER,
        give_up_at: LATER,
    }))),
    ("registrations::insert", Q(|t, it| registrations::insert(t, &registrations::Registration {
        id: fresh(),
        user_id: fresh(),
        email: NEW.to_owned(),
        email_key: NEW.to_owned(),
        password_hash: it.hash.clone(),
        first_name: "N".to_owned(),
        last_name: "N".to_owned(),
        locale: "en".to_owned(),
        custom_data: "{}".to_owned(),
        redirect_uri: None,
        network: String::new(),
        created_at: LATER,
        expires_at: LATER,
    }))),
    ("passkeys::begin", Q(|t, _| passkeys::begin(t, &new_ceremony(), 9))),
    ("tickets::insert", Q(|t, it| tickets::insert(t, &new_ticket(it), SUBJECT))),
    ("users::insert", F(|tx, t, it| Box::pin(async move {
        let user = User { id: fresh(), email_key: "third@example.com".to_owned(), ..it.user.clone() };
        Ok(u64::from(users::insert(tx, t, &user, "{}").await?))
    }))),
];

async fn run(tx: &mut Tx, call: &Call, tenant: TenantId, rows: &Rows) -> Result<u64> {
    match call {
        Call::Query(make) => make(tenant, rows).execute(tx).await,
        Call::Function(function) => function(tx, tenant, rows).await,
    }
}

/// Runs a call and undoes it; what it found or changed.
async fn tried(world: &World, call: &'static Call, tenant: TenantId, rows: &Rows) -> u64 {
    let slot = std::sync::Arc::new(std::sync::Mutex::new(None));
    let input = (call, tenant, rows.clone(), std::sync::Arc::clone(&slot));
    let undone: Result<()> = world
        .app
        .db
        .write(input, |tx, (call, tenant, rows, slot)| {
            Box::pin(async move {
                let outcome = run(tx, call, *tenant, rows).await;
                *slot.lock().unwrap() = Some(outcome);
                Err(Error::NotFound)
            })
        })
        .await;
    assert!(undone.is_err());
    let outcome = slot.lock().unwrap().take();
    outcome.unwrap().unwrap()
}

#[tokio::test]
async fn every_statement_does_its_work_on_this_engine() {
    let world = World::new().await;
    let (cx, rows) = full(&world, "acme").await;
    let before = world.dump().await;
    for (name, call) in BOUND.iter().chain(MAKING) {
        let count = tried(&world, call, cx.tenant.id, &rows).await;
        assert!(count >= 1, "{name}");
    }
    assert_eq!(world.dump().await, before, "what is undone leaves nothing");
}

/// The lines of a dump that hold something of a tenant.
async fn of_tenant(world: &World, cx: &Cx) -> Vec<String> {
    let id = cx.tenant.id.to_string();
    let dump = world.dump().await;
    dump.lines().filter(|line| line.contains(&id)).map(str::to_owned).collect()
}

#[tokio::test]
async fn no_statement_of_one_tenant_finds_or_changes_anything_of_another() {
    let world = World::new().await;
    let (acme, rows) = full(&world, "acme").await;
    let before = of_tenant(&world, &acme).await;
    assert!(before.len() > 15, "{}", before.len());
    let other = world.tenant("other", "{}").await;
    world.execute(sql("DELETE FROM audit WHERE tenant_id = $1").bind(other.tenant.id)).await;
    for (is_making, (name, call)) in
        BOUND.iter().map(|it| (false, it)).chain(MAKING.iter().map(|it| (true, it)))
    {
        let input = (call, other.tenant.id, rows.clone());
        let outcome = world
            .app
            .db
            .write(input, |tx, (call, tenant, rows)| Box::pin(run(tx, call, *tenant, rows)))
            .await;
        if !is_making {
            assert_eq!(outcome.unwrap_or(0), 0, "{name}");
        }
        let after = of_tenant(&world, &acme).await;
        assert_eq!(after, before, "{name} changed something");
    }
}

/// That the database refuses a statement.
async fn refused(world: &World, query: Query) -> bool {
    world.app.db.write(query, |tx, query| Box::pin(query.clone().execute(tx))).await.is_err()
}

#[tokio::test]
async fn a_row_cannot_point_at_another_tenants() {
    let world = World::new().await;
    let (_, rows) = full(&world, "acme").await;
    let other = world.tenant("other", "{}").await;
    for table in [
        "sessions",
        "grants",
        "devices",
        "challenges",
        "passwords",
        "former_passwords",
        "factors",
        "setups",
        "backup_codes",
        "passkeys",
        "trusted_devices",
        "email_changes",
        "alarms",
    ] {
        let moved = format!("UPDATE {table} SET tenant_id = $1").leak();
        assert!(refused(&world, sql(moved).bind(other.tenant.id)).await, "{table}");
    }
    let gone = sql("DELETE FROM users WHERE id = $1").bind(rows.user.id);
    assert!(refused(&world, gone).await, "a user with rows of his own is not dropped");
    let gone = "DELETE FROM tenants WHERE slug = 'acme'";
    assert!(refused(&world, sql(gone)).await, "nor is a tenant");
}

#[tokio::test]
async fn what_is_unique_in_a_tenant_is_so_in_the_database() {
    let world = World::new().await;
    let (cx, rows) = full(&world, "acme").await;
    let tenant = cx.tenant.id;
    let again = User { id: fresh(), ..rows.user.clone() };
    let inserted = world.app.db.write((tenant, again), |tx, (tenant, user)| {
        Box::pin(users::insert(tx, *tenant, user, "{}"))
    });
    assert!(!inserted.await.unwrap(), "an address has one account");
    assert!(refused(&world, tickets::insert(tenant, &new_ticket(&rows), rows.ticket_digest)).await);
    let same = challenges::New {
        id: fresh(),
        digest: sha256(rows.challenge.to_string().as_bytes()),
        ..new_challenge(fresh(), rows.user.id)
    };
    assert!(refused(&world, challenges::insert(tenant, &same)).await);
    let spend = async || {
        world
            .app
            .db
            .write(tenant, |tx, tenant| Box::pin(captchas::spend(tx, *tenant, SUBJECT, LATER)))
            .await
            .unwrap()
    };
    assert_eq!((spend().await, spend().await), (true, false), "an answer is good once");
    let renumber = "UPDATE audit SET seq = 1, hash = hash";
    assert!(refused(&world, sql(renumber)).await, "a number in the chain is given once");
}

#[tokio::test]
async fn a_token_is_consumed_once_for_its_purpose_in_its_time() {
    let world = World::new().await;
    let (cx, rows) = full(&world, "acme").await;
    let consume = async |purposes: [Purpose; 2], at: Timestamp| {
        let input = (cx.tenant.id, rows.ticket_digest, purposes, at);
        world
            .app
            .db
            .write(input, |tx, (tenant, digest, purposes, at)| {
                Box::pin(tickets::consume(tx, *tenant, *purposes, *digest, *at))
            })
            .await
            .unwrap()
            .is_some()
    };
    let end = START + Purpose::ResetPassword.lifetime();
    assert!(!consume([Purpose::Register, Purpose::VerifyEmail], START).await);
    assert!(!consume(RESET, end).await);
    assert!(consume(RESET, end - Duration::from_micros(1)).await);
    assert!(!consume(RESET, START).await, "it was used");
}

#[tokio::test]
async fn a_credential_has_one_owner_among_all_tenants_of_its_relying_party() {
    let world = World::new().await;
    let (_, rows) = full(&world, "acme").await;
    let other = world.tenant("other", "{}").await;
    let user = world.user(&other, GRACE).await;
    let same =
        passkeys::Passkey { credential_id: credential_id(rows.passkey), ..new_passkey(user.id) };
    assert_eq!(world.execute(passkeys::insert(other.tenant.id, &same, 9)).await, 0);
    let elsewhere = passkeys::Passkey { rp_id: "example.org".to_owned(), ..same };
    assert_eq!(world.execute(passkeys::insert(other.tenant.id, &elsewhere, 9)).await, 1);
    let full = passkeys::insert(other.tenant.id, &new_passkey(user.id), 1);
    assert_eq!(world.execute(full).await, 0, "no more than the limit");
}

#[tokio::test]
async fn origins_are_told_of_tenants_in_use_only() {
    let world = World::new().await;
    let settings = r#"{"passkeys": {"origins": ["https://app.example.com"]}}"#;
    world.tenant("acme", settings).await;
    world.tenant("plain", "{}").await;
    let count = async || {
        let read =
            world.app.db.read((), |tx, ()| Box::pin(tenants::with_origins_all_tenants(tx, 9)));
        read.await.unwrap().iter().filter(|(_, text)| text.contains("app.example.com")).count()
    };
    assert_eq!(count().await, 1);
    world.execute(sql("UPDATE tenants SET status = 'suspended'")).await;
    assert_eq!(count().await, 0);
}
