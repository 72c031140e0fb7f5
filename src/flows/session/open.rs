//! Opening a session: what every way of signing in ends with.
//!
//! The session's row holds only if what it rests on still does, so it comes with the rows that use
//! up one-time things: all of them are written, or none.

use super::{Opened, prepare};
use crate::{
    crypto::{
        device as device_token,
        opaque::{Token, digest_text},
    },
    db::{Query, Written},
    domain::{agent, session::Persistence, token::Client, user::User},
    error::{Code, Error, Result},
    flows::{
        Cx,
        disavowal::{self, KnownDevice, Notice},
        oauth,
        tokens::{self, Minted, SessionFacts},
    },
    id::{DeviceId, Id as _, UserId},
    store,
};

/// A fresh session and the device it was opened from.
#[derive(Debug)]
pub struct SignedIn {
    /// Whose.
    pub user: UserId,
    /// The session with its cookie's secret.
    pub session: Opened,
    /// The cookie of a device that is new.
    pub device: Option<Token>,
    /// What a client is handed in the place of the session's cookie.
    pub tokens: Option<Box<Minted>>,
}

/// The device that somebody signs in from.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The known device whose cookie was shown.
    pub device: Option<DeviceId>,
    /// The kind of device and its network, as [`place`] has it.
    pub place: String,
    /// Whether the user has signed in from this kind of device and network before.
    pub place_known: bool,
}

/// The kind of the caller's device and its network, as one short text that tells neither.
#[must_use]
pub fn place(cx: &Cx) -> String {
    use base64::Engine as _;
    let parts = ["place", &cx.caller.agent, &cx.caller.address.network()];
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest_text(&parts))
}

/// What a session rests on.
#[derive(Debug)]
pub struct Grounds<'a> {
    /// Whose.
    pub user: &'a User,
    /// The epoch of the credentials that were shown.
    pub epoch: i64,
    /// How he proved who he is, space separated (RFC 8176).
    pub auth_methods: String,
    /// Whether it outlives the browser.
    pub persistence: Persistence,
    /// The password hash that was checked, where one was.
    pub checked_hash: Option<&'a str>,
    /// From where.
    pub visitor: &'a Visitor,
}

/// A session about to be opened.
#[derive(Debug)]
pub struct Opening {
    signed_in: SignedIn,
    facts: SessionFacts,
    must: Vec<Query>,
    rows: Vec<Query>,
    notice: Option<Notice>,
}

impl Opening {
    /// Prepares a session.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn new(cx: &Cx, grounds: Grounds<'_>) -> Result<Self> {
        let Grounds { user, visitor, .. } = grounds;
        let (epoch, methods) = (grounds.epoch, grounds.auth_methods);
        let (new, session) = prepare(cx, user.id, epoch, grounds.persistence, methods)?;
        let (device, row) = device(cx, user, visitor)?;
        let is_stranger = device.is_some() && !visitor.place_known;
        let known = if is_stranger { KnownDevice::No } else { KnownDevice::Yes };
        Ok(Self {
            must: vec![store::sessions::insert(cx.tenant.id, &new, grounds.checked_hash)],
            rows: vec![row],
            notice: disavowal::notice(cx, user, session.id, known)?,
            facts: SessionFacts::of(&new),
            signed_in: SignedIn { user: user.id, session, device, tokens: None },
        })
    }

    /// The session's public handle, as it will be.
    #[must_use]
    pub fn id(&self) -> crate::id::SessionId {
        self.signed_in.session.id
    }

    /// Has tokens made with the session, where it is a client that asks for it: our portal, or an
    /// application that calls for its users.
    ///
    /// # Errors
    /// Where there is no such client, no key or no randomness.
    pub async fn mint(&mut self, cx: &Cx, client_id: Option<&str>) -> Result<()> {
        let Some(id) = client_id else { return Ok(()) };
        let (queries, minted) = match Client::named(id) {
            Some(client) => tokens::prepare(cx, &client, &self.facts).await?,
            None => oauth::direct::prepare(cx, id, &self.facts).await?,
        };
        self.rows.extend(queries);
        self.signed_in.tokens = Some(Box::new(minted));
        Ok(())
    }

    /// Something that has to change exactly one row; where it does not, no session is opened.
    pub fn must(&mut self, query: Query) {
        self.must.push(query);
    }

    /// Something else that is written with the session.
    pub fn also(&mut self, queries: impl IntoIterator<Item = Query>) {
        self.rows.extend(queries);
    }

    /// Writes everything, or nothing.
    ///
    /// # Errors
    /// [`overtaken`] where something that it rests on no longer holds, or where the database
    /// fails.
    pub async fn write(self, cx: &Cx) -> Result<SignedIn> {
        let told = self.notice.is_some();
        let mut rows = self.rows;
        // A browser is in one session of a tenant: the one that its cookie had is replaced. A client
        // that is handed tokens gets no cookie.
        if let (Some(shown), None) = (cx.caller.session, &self.signed_in.tokens) {
            let new = self.signed_in.session.id;
            rows.extend(store::session_clients::replace(cx.tenant.id, shown, new));
        }
        match self.notice {
            // Whether a network is new has to be looked at in between.
            Some(notice) if notice.looks(cx) => {
                write_looking(cx, (self.must, rows), notice).await?;
            }
            notice => {
                rows.extend(notice.into_iter().flat_map(Notice::into_rows));
                if cx.app.db.write_all(self.must, rows).await? == Written::Nothing {
                    return Err(overtaken());
                }
            }
        }
        if told {
            cx.app.mail_due.notify_one();
        }
        Ok(self.signed_in)
    }
}

/// Writes everything, or nothing, and a notice where it turns out to be due.
async fn write_looking(
    cx: &Cx,
    (must, rows): (Vec<Query>, Vec<Query>),
    notice: Notice,
) -> Result<()> {
    let count = must.len();
    let queries: Vec<Query> = must.into_iter().chain(rows).collect();
    cx.app
        .db
        .write((cx.clone(), (count, queries), notice), |tx, (cx, (count, queries), notice)| {
            Box::pin(async move {
                let mut queries = queries.clone();
                queries.extend(disavowal::due(tx, cx, notice).await?);
                let counts = tx.pipeline(queries).await?;
                let held = counts.iter().take(*count).all(|changed| *changed == 1);
                if held { Ok(()) } else { Err(overtaken()) }
            })
        })
        .await
}

/// Says that what was read no longer holds: somebody was faster. Nothing was written; the caller
/// looks again, and tells nobody of this.
#[must_use]
pub fn overtaken() -> Error {
    Error::refused(Code::InvalidToken)
}

/// Whether an error is [`overtaken`].
#[must_use]
pub fn is_overtaken(error: &Error) -> bool {
    matches!(error, Error::Refused(no) if no.code == Code::InvalidToken)
}

/// The device's row, and a cookie where it is new.
fn device(cx: &Cx, user: &User, visitor: &Visitor) -> Result<(Option<Token>, Query)> {
    if let Some(known) = visitor.device {
        return Ok((None, store::devices::seen(cx.tenant.id, known, cx.now)));
    }
    let token = device_token::token(&cx.app.master_key, &cx.app.entropy, cx.tenant.id.uuid())?;
    let device = store::devices::Device {
        id: cx.id()?,
        user: user.id,
        digest: *token.digest().as_bytes(),
        place: visitor.place.clone(),
        label: agent::label(&cx.caller.agent),
    };
    Ok((Some(token), store::devices::remember(cx.tenant.id, &device, cx.now)))
}
