//! What is known about oneself: reading and changing it, and proving the address.

use serde_json::{Map, Value};

use crate::{
    crypto::opaque::Token,
    domain::{
        audit::Action,
        user::{Name, User},
    },
    error::{Context, Error, Result},
    flows::{me::Me, register},
    store::{
        self,
        email_changes::Waiting,
        users::{Details, ProfileChange},
    },
    text::Locale,
};

/// Everything that self-service tells of an account.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The account.
    pub user: User,
    /// Free data.
    pub custom_data: Map<String, Value>,
    /// Factors and deletion.
    pub details: Details,
    /// A change of the address that waits for its proof.
    pub email_change: Option<Waiting>,
}

/// The profile.
///
/// # Errors
/// Where the database fails.
pub async fn show(me: &Me) -> Result<Profile> {
    let cx = me.cx();
    let (user, details, email_change) = cx
        .app
        .db
        .read((cx.tenant.id, me.user().id, cx.now), |tx, (tenant, user, now)| {
            Box::pin(async move {
                let found = store::users::by_id(tx, *tenant, *user).await?;
                let details = store::users::details(tx, *tenant, *user).await?;
                let waiting = store::email_changes::waiting(tx, *tenant, *user, *now).await?;
                match (found, details) {
                    (Some(user), Some(details)) => Ok((user, details, waiting)),
                    _ => Err(Error::NotFound),
                }
            })
        })
        .await?;
    let custom_data = serde_json::from_str(&details.custom_data).doing("reading custom_data")?;
    Ok(Profile { user, custom_data, details, email_change })
}

/// A parsed change; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Given name.
    pub first_name: Option<Name>,
    /// Family name.
    pub last_name: Option<Name>,
    /// The language; `Some(None)`: none is chosen any more.
    pub locale: Option<Option<Locale>>,
}

impl Change {
    /// What is changed, for the audit trail: names of fields, no values.
    fn fields(&self) -> Vec<&'static str> {
        let given = [
            ("first_name", self.first_name.is_some()),
            ("last_name", self.last_name.is_some()),
            ("locale", self.locale.is_some()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }
}

/// Changes the profile, and tells what it is then.
///
/// # Errors
/// Where the database fails.
pub async fn update(me: &Me, change: Change) -> Result<Profile> {
    let (cx, fields) = (me.cx(), change.fields());
    if !fields.is_empty() {
        let text = |name: Name| name.as_str().to_owned();
        let change = ProfileChange {
            first_name: change.first_name.map(text),
            last_name: change.last_name.map(text),
            locale: change.locale.map(|locale| locale.map(|it| it.as_str().to_owned())),
        };
        let queries = vec![
            store::users::update_profile(cx.tenant.id, me.user().id, change, cx.now),
            cx.record(me.person.event(Action::ProfileUpdated).with("fields", fields))?,
        ];
        cx.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
    }
    show(me).await
}

/// Sends the mail that proves the address once more, if it may go out; none where it is proved.
///
/// # Errors
/// Where the database fails.
pub async fn ask_for_proof(me: &Me) -> Result<()> {
    let cx = me.cx();
    if me.user().email_verified_at.is_some() {
        return Ok(());
    }
    let token = Token::generate(&cx.app.entropy)?;
    cx.app
        .db
        .write((me.clone(), token), |tx, (me, token)| {
            Box::pin(async move {
                let queries = register::ask_for_proof(tx, me.cx(), me.user(), token).await?;
                tx.pipeline(queries).await
            })
        })
        .await?;
    cx.app.mail_due.notify_one();
    Ok(())
}
