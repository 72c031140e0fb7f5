//! Passwords: whether a new one may be used, asking for a reset by mail, and the reset itself.

use crate::{
    clock::Timestamp,
    crypto::{
        breached::Asking,
        hasher::Class,
        opaque::{Token, TokenDigest, digest_text},
        password::{PasswordHash, Verdict},
    },
    db::{Query, Tx},
    domain::{
        audit::{Action, Actor, Event, Target},
        email::Email,
        guessing::{self, Count},
        limits::Limit,
        password::{Password, PasswordContext, PasswordFault, faults},
        ticket::{MAX_RESET_TICKETS, Purpose},
        user::{IdentitySource, User, UserStatus},
    },
    error::{Code, Error, Result},
    flows::{
        Cx, login,
        outbox::{self, Recipient},
        risk,
    },
    id::{SessionId, UserId},
    mail::message::Message,
    store::{self, tickets::Ticket},
};

/// The name that no password may hold.
const PRODUCT: &str = "Countersign";
const ONLY_RESET: [Purpose; 2] = [Purpose::ResetPassword, Purpose::ResetPassword];

/// Whom a new password is for.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The address.
    pub email: &'a str,
    /// Given and family name.
    pub names: [&'a str; 2],
    /// The account, where there is one: its former passwords count.
    pub user: Option<UserId>,
}

/// Refuses a new password that the tenant's policy does not allow, with all reasons at once.
///
/// # Errors
/// `password_rejected`, or where the database or the hash queue fails.
pub async fn check(cx: &Cx, password: &Password, owner: Owner<'_>) -> Result<()> {
    let settings = &cx.tenant.settings;
    let policy = &settings.password_policy;
    let context = PasswordContext {
        email: owner.email,
        names: &owner.names,
        tenant_name: &cx.tenant.name,
        product_name: PRODUCT,
    };
    let mut found = faults(policy, settings.mfa_required, password, &context);
    let asking = if policy.check_breached { Asking::Service } else { Asking::Nobody };
    if found.is_empty() && cx.app.breached.knows(password, asking).await {
        found.push(PasswordFault::Breached);
    }
    if let (true, Some(user)) = (found.is_empty() && policy.history > 0, owner.user)
        && is_reused(cx, password, user, policy.history).await?
    {
        found.push(PasswordFault::Reused);
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(rejected(cx, &found))
}

/// The refusal that says why a new password is not taken.
#[must_use]
pub fn rejected(cx: &Cx, found: &[PasswordFault]) -> Error {
    let settings = &cx.tenant.settings;
    let texts = cx.app.view.texts();
    let locale = cx.caller.locale;
    let min = settings.password_policy.effective_min_length(settings.mfa_required);
    let say = |fault: &PasswordFault| texts.say(locale, fault.key(), minijinja::context! { min });
    Error::password_rejected(found.iter().map(say).collect())
}

async fn is_reused(cx: &Cx, password: &Password, user: UserId, last: usize) -> Result<bool> {
    let last = i64::try_from(last).unwrap_or(i64::MAX);
    let known = cx
        .app
        .db
        .read((cx.tenant.id, user, last), |tx, (tenant, user, last)| {
            Box::pin(store::credentials::recent(tx, *tenant, *user, *last))
        })
        .await?;
    for hash in known {
        let hash = PasswordHash::from_stored(hash);
        // Whoever chooses the next password of an account has shown that it is his.
        let verdict = cx.app.passwords.verify(cx.hashing(Class::Known), password, Some(&hash));
        if matches!(verdict.await?, Verdict::Right { .. }) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Asks for a reset mail. The answer never tells whether one goes out.
///
/// # Errors
/// `invalid_redirect_uri`, `captcha_required` and the like, before anything is looked up; or where
/// the database fails.
pub async fn forgot(cx: &Cx, email: Email, redirect_uri: Option<String>) -> Result<()> {
    cx.check_redirect(redirect_uri.as_deref())?;
    risk::ask(cx, cx.tenant.settings.captchas.recovery).await?;
    let token = Token::generate(&cx.app.entropy)?;
    let input = (cx.clone(), email, redirect_uri, token);
    cx.app
        .db
        .write(input, |tx, (cx, email, redirect_uri, token)| {
            Box::pin(request_reset(tx, cx, email, redirect_uri.as_deref(), token))
        })
        .await?;
    cx.app.mail_due.notify_one();
    Ok(())
}

async fn request_reset(
    tx: &mut Tx,
    cx: &Cx,
    email: &Email,
    redirect_uri: Option<&str>,
    token: &Token,
) -> Result<()> {
    let user = store::users::by_email(tx, cx.tenant.id, email.key()).await?;
    let in_time = outbox::may_mail(tx, cx, Limit::ResetMails, email.key()).await?;
    let target = Target::User(user.as_ref().map(|user| user.id));
    let event = |reason: &str| {
        Event::failure(Action::PasswordResetRequested, Actor::Anonymous, target.clone(), reason)
    };
    let mut queries = Vec::new();
    match user {
        None => queries.push(cx.record(event("no_account"))?),
        Some(_) if !in_time => queries.push(cx.record(event("too_many_mails"))?),
        Some(user) if user.status != UserStatus::Active => {
            queries.push(cx.record(event("not_active"))?);
        }
        Some(user) => {
            queries.push(cx.record(Event::success(
                Action::PasswordResetRequested,
                Actor::Anonymous,
                target,
            ))?);
            queries.extend(reset_mail(cx, &user, token, redirect_uri)?);
        }
    }
    tx.pipeline(queries).await?;
    Ok(())
}

/// The rows of a reset token and of the mail that carries it; for who has no password here, of a
/// mail that says where he has one.
///
/// # Errors
/// Where there is no randomness.
pub fn reset_mail(
    cx: &Cx,
    user: &User,
    token: &Token,
    redirect_uri: Option<&str>,
) -> Result<Vec<Query>> {
    if let IdentitySource::Federated { provider, .. } = &user.source {
        let message = Message::ResetFederated { provider: provider.clone() };
        return Ok(vec![outbox::mail(cx, recipient(cx, user), &message)?]);
    }
    let link = cx.page_url("reset-password", Some(token.expose()));
    let message = Message::ResetPassword { link, expires_minutes: minutes(Purpose::ResetPassword) };
    let mut queries = reset_ticket(cx, user, token, redirect_uri)?;
    queries.push(outbox::mail(cx, recipient(cx, user), &message)?);
    Ok(queries)
}

/// How long a token of a purpose lives, in minutes.
#[must_use]
pub fn minutes(purpose: Purpose) -> u32 {
    u32::try_from(purpose.lifetime().as_secs() / 60).unwrap_or(u32::MAX)
}

/// Where mail to an account goes.
#[must_use]
pub fn recipient<'a>(cx: &Cx, user: &'a User) -> Recipient<'a> {
    Recipient { email: &user.email, locale: cx.mail_locale(user.locale.as_deref()) }
}

/// The rows of one more reset token; the oldest of more than three is void.
///
/// # Errors
/// Where there is no randomness.
pub fn reset_ticket(
    cx: &Cx,
    user: &User,
    token: &Token,
    redirect_uri: Option<&str>,
) -> Result<Vec<Query>> {
    let purpose = Purpose::ResetPassword;
    let ticket = Ticket {
        id: cx.id()?,
        purpose,
        email_key: user.email_key.clone(),
        user_id: Some(user.id),
        registration_id: None,
        redirect_uri: redirect_uri.map(str::to_owned),
        created_at: cx.now,
        expires_at: cx.now + purpose.lifetime(),
    };
    let tenant = cx.tenant.id;
    Ok(vec![
        store::tickets::insert(tenant, &ticket, *token.digest().as_bytes()),
        store::tickets::void_older(tenant, purpose, &user.email_key, MAX_RESET_TICKETS, cx.now),
    ])
}

/// A reset token that is still good, and whose it is.
#[derive(Debug, Clone)]
pub struct ResetStep {
    /// The account.
    pub user: User,
    /// Where the person goes afterwards.
    pub redirect_uri: Option<String>,
}

/// Looks at a reset token without spending it.
///
/// # Errors
/// `invalid_token` for every kind of bad token, `too_many_attempts` for a network that has tried
/// too many, or where the database fails.
pub async fn peek_reset(cx: &Cx, token: &str) -> Result<ResetStep> {
    check_token_guessing(cx).await?;
    let digest = Token::parse(token).map(|token| token.digest());
    let found = match digest {
        None => None,
        Some(digest) => {
            cx.app
                .db
                .read((cx.clone(), digest), |tx, (cx, digest)| Box::pin(reset_step(tx, cx, digest)))
                .await?
        }
    };
    match found {
        Some(step) => Ok(step),
        None => Err(wrong_token(cx).await?),
    }
}

async fn reset_step(tx: &mut Tx, cx: &Cx, digest: &TokenDigest) -> Result<Option<ResetStep>> {
    let tenant = cx.tenant.id;
    let found = store::tickets::peek(tx, tenant, ONLY_RESET, *digest.as_bytes(), cx.now).await?;
    let Some(ticket) = found.filter(|ticket| !ticket.is_used) else { return Ok(None) };
    let Some(user) = ticket.user_id else { return Ok(None) };
    let user = store::users::by_id(tx, tenant, user).await?;
    Ok(user
        .filter(|user| user.status == UserStatus::Active && user.email_key == ticket.email_key)
        .map(|user| ResetStep { user, redirect_uri: ticket.redirect_uri }))
}

/// Sets a new password by a mailed token. On success everything older ends (see
/// [`end_everything`]). Nobody is signed in.
///
/// # Errors
/// `invalid_token`; `password_rejected`, which does not spend the token; or where the database or
/// the hash queue fails.
pub async fn reset(cx: &Cx, token: &str, password: &Password) -> Result<ResetStep> {
    let step = peek_reset(cx, token).await?;
    let user = &step.user;
    let owner = Owner {
        email: &user.email,
        names: [&user.first_name, &user.last_name],
        user: Some(user.id),
    };
    check(cx, password, owner).await?;
    let hash = cx.app.passwords.hash(cx.hashing(Class::Known), password).await?;
    let digest = Token::parse(token).map(|token| token.digest());
    let digest = digest.ok_or_else(|| Error::refused(Code::InvalidToken))?;
    let input = (cx.clone(), step.clone(), hash, digest);
    cx.app
        .db
        .write(input, |tx, (cx, step, hash, digest)| {
            Box::pin(async move {
                let now = cx.now;
                // Before its tokens: two links used at once must not wait for each other.
                store::users::touch(cx.tenant.id, step.user.id, now).execute(tx).await?;
                let spent =
                    store::tickets::consume(tx, cx.tenant.id, ONLY_RESET, *digest.as_bytes(), now);
                if spent.await?.is_none() {
                    return Err(Error::refused(Code::InvalidToken));
                }
                let mut queries = replace(cx, &step.user, hash, Kept::default());
                let event = Event::success(
                    Action::PasswordReset,
                    Actor::User(step.user.id),
                    Target::User(Some(step.user.id)),
                );
                queries.push(cx.record(event)?);
                queries.push(store::users::verify_email(cx.tenant.id, step.user.id, now));
                let notice = Message::PasswordChanged { at: now.micros(), others: false };
                queries.push(outbox::mail(cx, recipient(cx, &step.user), &notice)?);
                tx.pipeline(queries).await?;
                Ok(())
            })
        })
        .await?;
    cx.app.mail_due.notify_one();
    Ok(step)
}

/// What lives on where everything else of an account ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept {
    /// The session of whoever asked for it.
    pub session: Option<SessionId>,
    /// The digest of the cookie of the device that it came from.
    pub device: Option<[u8; 32]>,
}

/// The rows that put a new password in the place of the old one and end all that rested on it.
#[must_use]
pub fn replace(cx: &Cx, user: &User, hash: &PasswordHash, kept: Kept) -> Vec<Query> {
    let (tenant, id, now) = (cx.tenant.id, user.id, cx.now);
    let history = i64::try_from(cx.tenant.settings.password_policy.history).unwrap_or(0);
    let mut queries = vec![
        store::users::start_epoch(tenant, id, now),
        store::credentials::retire(tenant, id, now),
        store::credentials::forget_former(tenant, id, (history - 1).max(0)),
        store::credentials::set(tenant, id, hash.expose(), now),
        store::attempts::clear_user(tenant, id),
        store::attempts::clear(tenant, login::account_subject(&user.email_key)),
    ];
    queries.extend(end_everything(cx, user, kept));
    if let Some(session) = kept.session {
        queries.push(store::sessions::carry_over(tenant, session));
        queries.push(store::grants::carry_over(tenant, session));
    }
    queries
}

/// The rows that end all that was opened or begun with an account's credentials: sessions, steps
/// under way, trusted and known devices, factors not yet confirmed, reset tokens, and a change of
/// the address that waits for its proof.
#[must_use]
pub fn end_everything(cx: &Cx, user: &User, kept: Kept) -> Vec<Query> {
    let (tenant, id, now) = (cx.tenant.id, user.id, cx.now);
    vec![
        match kept.session {
            Some(session) => store::sessions::end_others(tenant, id, session),
            None => store::sessions::end_all(tenant, id),
        },
        match kept.device {
            Some(device) => store::devices::forget_others(tenant, id, device),
            None => store::devices::forget_all(tenant, id),
        },
        store::trusted_devices::revoke_all(tenant, id),
        store::challenges::end_all(tenant, id),
        store::factors::end_setups(tenant, id),
        store::email_changes::withdraw(tenant, id, now),
        store::tickets::void_all(tenant, Purpose::ResetPassword, &user.email_key, now),
    ]
}

/// The digest of a token of the right form, from a network that has not tried too many.
///
/// # Errors
/// `invalid_token`, `too_many_attempts`, or where the database fails.
pub async fn token_digest(cx: &Cx, token: &str) -> Result<TokenDigest> {
    check_token_guessing(cx).await?;
    match Token::parse(token) {
        Some(token) => Ok(token.digest()),
        None => Err(wrong_token(cx).await?),
    }
}

/// Refuses a client network that has tried too many wrong tokens.
///
/// # Errors
/// `too_many_attempts`, or where the database fails.
pub async fn check_token_guessing(cx: &Cx) -> Result<()> {
    let count = cx
        .app
        .db
        .read((cx.tenant.id, token_subject(cx)), |tx, (tenant, subject)| {
            Box::pin(store::attempts::count(tx, *tenant, *subject))
        })
        .await?;
    match guessing::window_wait(count, Limit::WrongTokens, cx.now) {
        Some(retry) => Err(Error::Throttled { retry }),
        None => Ok(()),
    }
}

/// Counts a wrong token and gives the answer for it.
///
/// # Errors
/// Where the database fails.
pub async fn wrong_token(cx: &Cx) -> Result<Error> {
    let input = (cx.tenant.id, token_subject(cx), cx.now);
    cx.app
        .db
        .write(input, |tx, (tenant, subject, now): &(_, _, Timestamp)| {
            let window = Limit::WrongTokens.policy().window;
            let query = store::attempts::add_in_window(*tenant, *subject, window, *now);
            Box::pin(query.one::<Count>(tx))
        })
        .await?;
    Ok(Error::refused(Code::InvalidToken))
}

fn token_subject(cx: &Cx) -> [u8; 32] {
    digest_text(&["token", &cx.caller.address.network()])
}
