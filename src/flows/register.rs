//! Self-registration. Where addresses have to be proved (the default), there is no account before
//! the proof, and the answer tells nobody whether the address has one.

use serde_json::{Map, Value};

use crate::{
    crypto::{hasher::Class, opaque::Token, password::PasswordHash},
    db::{Query, Tx},
    domain::{
        audit::{Action, Actor, Event, Target},
        email::Email,
        limits::Limit,
        password::Password,
        registration::{
            LIFETIME, MAX_PENDING, MAX_PENDING_FROM_NETWORK, custom_data_faults, takes_domain,
        },
        ticket::Purpose,
        user::{Name, User, UserStatus},
    },
    error::{Code, Context, Error, Fault, Loc, Result},
    flows::{
        Cx, login,
        outbox::{self, Recipient},
        password, risk, verify_email,
    },
    id::UserId,
    mail::message::{Message, plain_name},
    store::{self, registrations::Registration, tickets::Ticket},
    text::Locale,
};

/// A parsed request for an account.
#[derive(Debug, Clone)]
pub struct Input {
    /// The address.
    pub email: Email,
    /// The password.
    pub password: Password,
    /// Given name.
    pub first_name: Name,
    /// Family name.
    pub last_name: Name,
    /// Where the person goes afterwards.
    pub redirect_uri: Option<String>,
    /// Free data.
    pub custom_data: Map<String, Value>,
}

/// What is told about a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The address has to be proved.
    PendingVerification,
    /// An administrator has to agree.
    PendingApproval,
    /// The account may be used.
    Active,
}

/// The answer to a registration: the same for an address that has an account.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    /// The id that the account will have; of nobody where the address has an account.
    pub user: UserId,
    /// What comes next.
    pub state: State,
}

/// Registers.
///
/// # Errors
/// `registration_disabled`, `invalid_redirect_uri`, `email_domain_not_allowed`, the faults of
/// `custom_data`, `captcha_required`, `captcha_failed`, `password_rejected`, or where the database
/// or the hash queue fails.
pub async fn register(cx: &Cx, input: Input) -> Result<Registered> {
    let settings = &cx.tenant.settings;
    if !settings.registration_enabled {
        return Err(Error::refused(Code::RegistrationDisabled));
    }
    cx.check_redirect(input.redirect_uri.as_deref())?;
    if !takes_domain(settings, &input.email) {
        return Err(Error::refused(Code::EmailDomainNotAllowed));
    }
    check_custom_data(cx, &input.custom_data)?;
    let owner = password::Owner {
        email: input.email.as_str(),
        names: [input.first_name.as_str(), input.last_name.as_str()],
        user: None,
    };
    password::check(cx, &input.password, owner).await?;
    // After everything that the person can mend, so that the puzzle is not spent on it.
    risk::ask(cx, settings.captchas.registration).await?;
    let hash = cx.app.passwords.hash(cx.hashing(Class::Stranger), &input.password).await?;
    let _turn = login::enter(cx, &input.email).await?;
    let pending = pending(cx, &input, &hash)?;
    let token = Token::generate(&cx.app.entropy)?;
    let user = pending.user_id;
    cx.app
        .db
        .write((cx.clone(), pending, token), |tx, (cx, pending, token)| {
            Box::pin(record(tx, cx, pending, token))
        })
        .await?;
    cx.app.mail_due.notify_one();
    Ok(Registered { user, state: state(cx) })
}

/// Mails the link that proves an address once more, where one is waited for: of the newest
/// registration, or of an account. The answer never tells whether a mail goes out.
///
/// # Errors
/// Where the database fails.
pub async fn again(cx: &Cx, email: &Email) -> Result<()> {
    let token = Token::generate(&cx.app.entropy)?;
    cx.app
        .db
        .write((cx.clone(), email.key().to_owned(), token), |tx, (cx, key, token)| {
            Box::pin(async move {
                let tenant = cx.tenant.id;
                // Counted for every address alike: a commit that waits for the disk tells nothing.
                if !outbox::may_mail(tx, cx, Limit::VerificationAgain, key).await? {
                    return Ok(Vec::new());
                }
                let queries = match store::users::by_email(tx, tenant, key).await? {
                    Some(user) if user.email_verified_at.is_none() => {
                        ask_for_proof(tx, cx, &user, token).await?
                    }
                    Some(_) => Vec::new(),
                    None => match store::registrations::newest(tx, tenant, key, cx.now).await? {
                        Some(id) => remind(tx, cx, id, token).await?,
                        None => Vec::new(),
                    },
                };
                tx.pipeline(queries).await
            })
        })
        .await?;
    cx.app.mail_due.notify_one();
    Ok(())
}

fn state(cx: &Cx) -> State {
    let settings = &cx.tenant.settings;
    match (settings.email_verification, settings.approval) {
        (true, _) => State::PendingVerification,
        (false, true) => State::PendingApproval,
        (false, false) => State::Active,
    }
}

fn check_custom_data(cx: &Cx, data: &Map<String, Value>) -> Result<()> {
    let mut faults = custom_data_faults(data);
    if let (true, Some(schema)) = (faults.is_empty(), &cx.tenant.settings.custom_data_schema) {
        let schema = jsonschema::validator_for(schema).doing("reading a custom_data_schema")?;
        let data = Value::Object(data.clone());
        faults = schema
            .iter_errors(&data)
            .take(20)
            .map(|error| {
                let fields = error.instance_path().to_string();
                let steps = fields.split('/').filter(|step| !step.is_empty());
                let names = ["body", "custom_data"].into_iter().chain(steps);
                Fault {
                    loc: names.map(|step| Loc::Name(step.to_owned())).collect(),
                    kind: "value_error",
                    message: "does not fit the schema that the tenant gave".to_owned(),
                }
            })
            .collect();
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

fn pending(cx: &Cx, input: &Input, hash: &PasswordHash) -> Result<Registration> {
    let fallback = cx.mail_locale(None);
    Ok(Registration {
        id: cx.id()?,
        user_id: cx.id()?,
        email: input.email.as_str().to_owned(),
        email_key: input.email.key().to_owned(),
        password_hash: hash.expose().to_owned(),
        first_name: input.first_name.as_str().to_owned(),
        last_name: input.last_name.as_str().to_owned(),
        locale: Locale::choose(cx.caller.accept_language.as_deref(), fallback).as_str().to_owned(),
        custom_data: serde_json::to_string(&input.custom_data).doing("writing custom_data")?,
        redirect_uri: input.redirect_uri.clone(),
        network: cx.caller.address.network(),
        created_at: cx.now,
        expires_at: cx.now + LIFETIME,
    })
}

async fn record(tx: &mut Tx, cx: &Cx, pending: &Registration, token: &Token) -> Result<()> {
    let existing = store::users::by_email(tx, cx.tenant.id, &pending.email_key).await?;
    let action = Action::RegistrationRequested;
    let mut queries = Vec::new();
    match existing {
        Some(owner) => {
            let target = Target::User(Some(owner.id));
            queries.push(cx.record(Event::failure(
                action,
                Actor::Anonymous,
                target,
                "account_exists",
            ))?);
            let key = &owner.email_key;
            if outbox::may_mail(tx, cx, Limit::AccountExistsMails, key).await? {
                let message =
                    Message::AccountExists { requested_at: cx.now.micros(), sign_in_link: None };
                queries.push(outbox::mail(cx, password::recipient(cx, &owner), &message)?);
            }
        }
        None if !cx.tenant.settings.email_verification => {
            return open(tx, cx, pending).await;
        }
        None => {
            let target = Target::Registration(pending.user_id);
            queries.push(cx.record(Event::success(action, Actor::Anonymous, target))?);
            // One that could not be proved must not push out one whose mail is on its way.
            if may_mail(tx, cx, &pending.email_key).await? {
                queries.extend(hold(cx, pending));
                queries.extend(proof_mail(cx, pending, token)?);
            }
        }
    }
    tx.pipeline(queries).await?;
    Ok(())
}

/// Makes the account at once, where the tenant asks for no proof of the address.
async fn open(tx: &mut Tx, cx: &Cx, pending: &Registration) -> Result<()> {
    let user = verify_email::account(cx, pending);
    if !store::users::insert(tx, cx.tenant.id, &user, &pending.custom_data).await? {
        return Ok(());
    }
    let event =
        Event::success(Action::UserCreated, Actor::User(user.id), Target::User(Some(user.id)));
    tx.pipeline(vec![
        store::credentials::set(cx.tenant.id, user.id, &pending.password_hash, cx.now),
        cx.record(event.with("by", "registration"))?,
    ])
    .await?;
    Ok(())
}

/// The rows that let a registration wait, the newest pushing out the oldest.
fn hold(cx: &Cx, it: &Registration) -> Vec<Query> {
    let (tenant, key) = (cx.tenant.id, &it.email_key);
    vec![
        store::registrations::insert(tenant, it),
        store::registrations::push_out_from_network(
            tenant,
            key,
            &it.network,
            MAX_PENDING_FROM_NETWORK,
        ),
        store::registrations::push_out(tenant, key, MAX_PENDING),
        store::tickets::void_orphans(tenant, key, cx.now),
    ]
}

/// A stranger must not use up what the owner of the address needs, nor fill his mailbox.
async fn may_mail(tx: &mut Tx, cx: &Cx, key: &str) -> Result<bool> {
    let from_here = format!("{key} {}", cx.caller.address.network());
    Ok(outbox::may_mail(tx, cx, Limit::VerificationMailsFromNetwork, &from_here).await?
        && outbox::may_mail(tx, cx, Limit::VerificationMails, key).await?)
}

/// The rows of a token that proves a registration, and of its mail.
fn proof_mail(cx: &Cx, pending: &Registration, token: &Token) -> Result<Vec<Query>> {
    let ticket = Ticket {
        id: cx.id()?,
        purpose: Purpose::Register,
        email_key: pending.email_key.clone(),
        user_id: None,
        registration_id: Some(pending.id),
        redirect_uri: pending.redirect_uri.clone(),
        created_at: cx.now,
        expires_at: pending.expires_at,
    };
    let message = verify_message(cx, token, &pending.first_name, pending.created_at);
    let to = Recipient { email: &pending.email, locale: cx.mail_locale(Some(&pending.locale)) };
    Ok(vec![
        store::tickets::insert(cx.tenant.id, &ticket, *token.digest().as_bytes()),
        outbox::mail(cx, to, &message)?,
    ])
}

fn verify_message(
    cx: &Cx,
    token: &Token,
    first_name: &str,
    requested_at: crate::clock::Timestamp,
) -> Message {
    Message::VerifyEmail {
        link: cx.page_url("verify-email", Some(token.expose())),
        first_name: plain_name(first_name),
        requested_at: requested_at.micros(),
        expires_hours: password::minutes(Purpose::VerifyEmail) / 60,
    }
}

/// Sends the mail that proves a pending registration once more, if it may go out; for a sign-in
/// with that registration's password.
///
/// # Errors
/// Where the database fails.
pub async fn remind(
    tx: &mut Tx,
    cx: &Cx,
    id: crate::id::RegistrationId,
    token: &Token,
) -> Result<Vec<Query>> {
    let Some(pending) = store::registrations::by_id(tx, cx.tenant.id, id).await? else {
        return Ok(Vec::new());
    };
    if may_mail(tx, cx, &pending.email_key).await? {
        proof_mail(cx, &pending, token)
    } else {
        Ok(Vec::new())
    }
}

/// Sends the mail that proves the address of an account, if it may go out.
///
/// # Errors
/// Where the database fails.
pub async fn ask_for_proof(tx: &mut Tx, cx: &Cx, user: &User, token: &Token) -> Result<Vec<Query>> {
    if user.status != UserStatus::Active || !may_mail(tx, cx, &user.email_key).await? {
        return Ok(Vec::new());
    }
    let purpose = Purpose::VerifyEmail;
    let ticket = Ticket {
        id: cx.id()?,
        purpose,
        email_key: user.email_key.clone(),
        user_id: Some(user.id),
        registration_id: None,
        redirect_uri: None,
        created_at: cx.now,
        expires_at: cx.now + purpose.lifetime(),
    };
    let message = verify_message(cx, token, &user.first_name, cx.now);
    Ok(vec![
        store::tickets::insert(cx.tenant.id, &ticket, *token.digest().as_bytes()),
        outbox::mail(cx, password::recipient(cx, user), &message)?,
    ])
}
