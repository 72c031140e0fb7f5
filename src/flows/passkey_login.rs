//! Sign-in with a passkey alone: whose it is, the authenticator says; that its user was there, it
//! proves. Possession and verification together count as two factors.

use serde_json::Value;

use crate::{
    crypto::{opaque::Token, webauthn::Verification},
    domain::{
        audit::{Action, Actor, Event, Target},
        factor::Method,
        login::{PasskeyDecision, decide_passkey},
        session::Persistence,
        settings::PasskeySignIn,
        user::User,
    },
    error::{Code, Error, Result},
    flows::{
        Cx,
        ceremonies::{self, Begun, Kind, Proved},
        login::{self, Outcome},
        register,
        session::open::{Grounds, Opening, Visitor, is_overtaken, place},
    },
    id::CeremonyId,
    store::{self, login::Known},
};

/// What a passkey sign-in is asked with.
#[derive(Debug)]
pub struct Input {
    /// The ceremony, as its begin named it.
    pub ceremony: Option<CeremonyId>,
    /// What the browser sent.
    pub credential: Value,
    /// Whether the session outlives the browser.
    pub persistence: Persistence,
    /// The device's cookie, where it sent one.
    pub device: Option<Token>,
}

/// Begins a ceremony with whatever passkey the authenticator has; also for autofill.
///
/// # Errors
/// `passkey_sign_in_disabled`, or where the database fails.
pub async fn begin(cx: &Cx) -> Result<Begun> {
    check_open(cx)?;
    ceremonies::begin_assertion(cx, &Kind::SignIn, &[], Verification::Required).await
}

fn check_open(cx: &Cx) -> Result<()> {
    let settings = &cx.tenant.settings;
    let is_open = settings.passkeys.sign_in != PasskeySignIn::Off
        && settings.mfa_methods.contains(&Method::Webauthn);
    if is_open { Ok(()) } else { Err(Error::refused(Code::PasskeySignInDisabled)) }
}

/// Signs in.
///
/// # Errors
/// `invalid_credentials` for every passkey that does not hold, `passkey_sign_in_disabled`,
/// `account_suspended`, `email_not_verified`, or where the database fails.
pub async fn finish(cx: &Cx, input: &Input) -> Result<Outcome> {
    check_open(cx)?;
    let wrong = || Error::refused(Code::InvalidCredentials);
    let ceremony = input.ceremony.ok_or_else(wrong)?;
    let proved = ceremonies::finish_assertion(cx, &Kind::SignIn, ceremony, &input.credential);
    let proved = proved.await?.map_err(|_| wrong())?;
    let search = store::login::KnownSearch {
        user: proved.user,
        device: input.device.as_ref().map(|token| *token.digest().as_bytes()),
        place: place(cx),
    };
    let known = cx
        .app
        .db
        .read((cx.tenant.id, search), |tx, (tenant, search)| {
            Box::pin(store::login::known(tx, *tenant, search))
        })
        .await?;
    let Some(known) = known else {
        spend(cx, &proved).await?;
        return Err(wrong());
    };
    let decision = decide_passkey(&cx.tenant.settings, &known.user);
    if decision != PasskeyDecision::Grant {
        spend(cx, &proved).await?;
    }
    match decision {
        PasskeyDecision::Grant => grant(cx, input, &known, proved).await,
        PasskeyDecision::Suspended => Err(refuse(cx, &known.user, Code::AccountSuspended).await?),
        PasskeyDecision::ChangePassword => login::change_password(cx, &known.user).await,
        PasskeyDecision::EmailNotVerified => {
            let token = Token::generate(&cx.app.entropy)?;
            cx.app
                .db
                .write((cx.clone(), known.user.clone(), token), |tx, (cx, user, token)| {
                    Box::pin(async move {
                        let rows = register::ask_for_proof(tx, cx, user, token).await?;
                        tx.pipeline(rows).await
                    })
                })
                .await?;
            cx.app.mail_due.notify_one();
            Err(refuse(cx, &known.user, Code::EmailNotVerified).await?)
        }
    }
}

/// Uses up an answer that opens nothing, so that it cannot be shown again when it would.
async fn spend(cx: &Cx, proved: &Proved) -> Result<()> {
    cx.app
        .db
        .write(proved.spent.clone(), |tx, spent| {
            Box::pin(async move {
                let counts = tx.pipeline(spent.to_vec()).await?;
                let held = counts.iter().all(|changed| *changed == 1);
                if held { Ok(()) } else { Err(Error::refused(Code::InvalidCredentials)) }
            })
        })
        .await
}

async fn grant(cx: &Cx, input: &Input, known: &Known, proved: Proved) -> Result<Outcome> {
    let visitor =
        Visitor { device: known.device, place: place(cx), place_known: known.place_known };
    let mut opening = Opening::new(
        cx,
        Grounds {
            user: &known.user,
            epoch: known.epoch,
            auth_methods: "hwk user mfa".to_owned(),
            persistence: input.persistence,
            checked_hash: None,
            visitor: &visitor,
        },
    )?;
    for query in proved.spent {
        opening.must(query);
    }
    let user = known.user.id;
    let done = Event::success(Action::LoginPasskey, Actor::User(user), Target::User(Some(user)))
        .with("passkey", proved.passkey.to_string())
        .with("session", opening.id().to_string());
    opening.also([cx.record(done)?]);
    opening.mint(cx, cx.caller.client_id.as_deref()).await?;
    let signed_in = opening.write(cx).await.map_err(|error| {
        if is_overtaken(&error) { Error::refused(Code::InvalidCredentials) } else { error }
    })?;
    Ok(Outcome::SignedIn(signed_in))
}

async fn refuse(cx: &Cx, user: &User, code: Code) -> Result<Error> {
    let target = Target::User(Some(user.id));
    let event = Event::failure(Action::LoginPasskey, Actor::User(user.id), target, code.as_str());
    let row = cx.record(event)?;
    cx.app.db.write(row, |tx, row| Box::pin(row.clone().execute(tx))).await?;
    Ok(Error::refused(code))
}
