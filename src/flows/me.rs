//! Somebody who has signed in, and what he may do about himself.
//!
//! Who it is, is said by one of three types. A [`Me`] has a live session and may do everything. An
//! [`Enroller`] may also be in the middle of a sign-in that cannot go on before a first factor is
//! enrolled; only the use cases of enrolment take one.

use std::sync::Arc;

use crate::{
    crypto::opaque::Token,
    domain::{
        audit::{Action, Actor, Event, Target},
        factor::{STEP_FAILURES, is_recent},
        login::counts,
        session::Session,
        user::User,
    },
    error::{Code, Error, Result},
    flows::{Cx, session, session::open::place},
    id::SessionId,
    store::{self, challenges::Step, sessions::Held},
};

/// A user, and where he is.
#[derive(Debug, Clone)]
pub struct Person {
    /// The surroundings.
    pub cx: Cx,
    /// Who.
    pub user: Arc<User>,
    /// The epoch of his credentials.
    pub epoch: i64,
}

impl Person {
    /// Something that the user did to his own account.
    #[must_use]
    pub fn event(&self, action: Action) -> Event {
        let user = self.user.id;
        Event::success(action, Actor::User(user), Target::User(Some(user)))
    }
}

/// A user with a live session.
#[derive(Debug, Clone)]
pub struct Me {
    /// Who.
    pub person: Person,
    /// The session that was shown.
    pub session: Session,
    /// The digest of its cookie's secret.
    pub secret_digest: [u8; 32],
    /// How it was shown.
    pub shown_by: ShownBy,
}

/// How a session was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownBy {
    /// By its cookie.
    Cookie,
    /// By an access token that names it.
    Token,
}

impl Me {
    /// The session of a cookie.
    ///
    /// # Errors
    /// `not_authenticated`, or where the database fails.
    pub async fn by_cookie(cx: Cx, id: SessionId, secret: &Token) -> Result<Self> {
        Self::find(cx, id, Some(*secret.digest().as_bytes())).await
    }

    /// The session that a verified access token names.
    ///
    /// # Errors
    /// `not_authenticated`, or where the database fails.
    pub async fn by_token(cx: Cx, id: SessionId) -> Result<Self> {
        Self::find(cx, id, None).await
    }

    async fn find(cx: Cx, id: SessionId, digest: Option<[u8; 32]>) -> Result<Self> {
        let input = (cx.tenant.id, id, digest, cx.now);
        let held = cx
            .app
            .db
            .read(input, |tx, (tenant, id, digest, now)| {
                Box::pin(store::sessions::held(tx, *tenant, *id, *digest, *now))
            })
            .await?;
        let Some(Held { session, secret_digest, user, epoch }) = held else {
            return Err(Error::refused(Code::NotAuthenticated));
        };
        session::touch(&cx, &session).await?;
        let shown_by = if digest.is_some() { ShownBy::Cookie } else { ShownBy::Token };
        let person = Person { cx, user: Arc::new(user), epoch };
        Ok(Self { person, session, secret_digest, shown_by })
    }

    /// The surroundings.
    #[must_use]
    pub fn cx(&self) -> &Cx {
        &self.person.cx
    }

    /// Who.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.person.user
    }

    /// The session as it is after a new proof: `opened` is its new cookie, where it has one.
    ///
    /// # Errors
    /// As [`Me::by_cookie`].
    pub async fn again(&self, opened: Option<&session::Opened>) -> Result<Self> {
        let (cx, id) = (self.cx().clone(), self.session.id);
        match opened {
            Some(opened) => Self::by_cookie(cx, id, &opened.secret).await,
            None => Self::by_token(cx, id).await,
        }
    }

    /// Refuses what needs a recent proof of who it is, where the last one lies too far back.
    ///
    /// # Errors
    /// `reauthentication_required`.
    pub fn check_recent(&self) -> Result<()> {
        if is_recent(self.session.proved_at, self.person.cx.now) {
            return Ok(());
        }
        Err(Error::refused(Code::ReauthenticationRequired))
    }

    /// What a page of ours proves itself with beside the session's cookie, which any page can make
    /// a browser send: bound to the session and its present secret.
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn csrf_token(&self) -> Result<String> {
        use base64::Engine as _;
        let cx = &self.person.cx;
        let parts = [cx.tenant.id.to_string(), self.session.id.to_string()];
        let [tenant, session] = parts.each_ref().map(String::as_bytes);
        let mac = cx.app.master_key.mac("csrf", &[tenant, session, &self.secret_digest])?;
        Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac))
    }

    /// Refuses a request by cookie that lacks the proof.
    ///
    /// # Errors
    /// `invalid_csrf_token`.
    pub fn check_csrf(&self, shown: Option<&str>) -> Result<()> {
        let expected = crate::secret::Secret::new(self.csrf_token()?);
        let shown = crate::secret::Secret::new(shown.unwrap_or_default().to_owned());
        if expected == shown { Ok(()) } else { Err(Error::refused(Code::InvalidCsrfToken)) }
    }
}

/// Somebody who may enrol a second factor.
#[derive(Debug)]
pub struct Enroller {
    /// Who.
    pub person: Person,
    /// By what right.
    pub standing: Standing,
}

/// By what right somebody enrols.
#[derive(Debug)]
pub enum Standing {
    /// He has a session.
    Session(Box<Me>),
    /// He has shown the right password and has no factor yet, while one is demanded.
    Step(Box<Step>),
}

impl From<Me> for Enroller {
    fn from(me: Me) -> Self {
        Self { person: me.person.clone(), standing: Standing::Session(Box::new(me)) }
    }
}

impl Enroller {
    /// The enrolment step of a token.
    ///
    /// # Errors
    /// `invalid_mfa_token`, or where the database fails.
    pub async fn by_step(cx: Cx, token: &str, device: Option<&Token>) -> Result<Self> {
        let bad_step = || Error::refused(Code::InvalidMfaToken);
        let token = Token::parse(token).ok_or_else(bad_step)?;
        let search = store::challenges::Search {
            digest: *token.digest().as_bytes(),
            device: device.map(|token| *token.digest().as_bytes()),
            place: place(&cx),
            backup_code: None,
            max_failures: STEP_FAILURES,
            now: cx.now,
        };
        let step = cx
            .app
            .db
            .read((cx.tenant.id, search), |tx, (tenant, search)| {
                Box::pin(store::challenges::find(tx, *tenant, search))
            })
            .await?
            .filter(|step| step.purpose == "enrol" && !counts(&cx.tenant.settings, &step.methods))
            .ok_or_else(bad_step)?;
        let person = Person { cx, user: Arc::new(step.user.clone()), epoch: step.epoch };
        Ok(Self { person, standing: Standing::Step(Box::new(step)) })
    }

    /// Refuses a session whose last proof lies too far back. A step has just begun with one.
    ///
    /// # Errors
    /// `reauthentication_required`.
    pub fn check_recent(&self) -> Result<()> {
        match &self.standing {
            Standing::Session(me) => me.check_recent(),
            Standing::Step(_) => Ok(()),
        }
    }
}
