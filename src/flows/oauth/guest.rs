//! People at pages of ours that no authorization request has brought them to: who is signed in at
//! a browser, and what a form of such a page proves itself with.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Ox,
    pending::{self, Present, Visitor},
};
use crate::{
    error::{Code, Error, Result},
    id::SessionId,
    secret::Secret,
    store,
};

/// Somebody at the page, and the accounts that his browser is signed in to.
#[derive(Debug)]
pub struct Guest {
    pub(super) present: Vec<(Present, String)>,
    proof: Secret<String>,
}

/// Who is at the page that keyed digests for `page` are for; `None` where nobody has signed in.
///
/// # Errors
/// Where the database fails.
pub async fn find(ox: &Ox, visitor: &Visitor, page: &'static str) -> Result<Option<Guest>> {
    let mut present = Vec::new();
    for one in pending::present(ox, visitor, None).await? {
        let input = (one.tenant.id, one.session.user);
        let user = ox
            .app
            .db
            .read(input, |tx, (tenant, user)| Box::pin(store::users::by_id(tx, *tenant, *user)))
            .await?;
        if let Some(user) = user {
            present.push((one, user.email));
        }
    }
    if present.is_empty() {
        return Ok(None);
    }
    // Cookies come in any order.
    present.sort_by_key(|(one, _)| one.session.id);
    let realm = ox.realm().to_string();
    let mut parts: Vec<Vec<u8>> = vec![realm.into_bytes()];
    for (one, _) in &present {
        let held = visitor.sessions.iter().find(|(_, id, _)| *id == one.session.id);
        parts.push(one.session.id.to_string().into_bytes());
        parts.extend(held.map(|(.., secret)| secret.digest().as_bytes().to_vec()));
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let mac = ox.app.master_key.mac(page, &parts)?;
    Ok(Some(Guest { present, proof: Secret::new(URL_SAFE_NO_PAD.encode(mac)) }))
}

/// An account that a guest may mean.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its session here.
    pub session: SessionId,
    /// Its address.
    pub email: String,
    /// Its tenant's name.
    pub tenant: String,
}

impl Guest {
    /// What the page proves itself with beside its cookies: bound to the sessions.
    #[must_use]
    pub fn proof(&self) -> &Secret<String> {
        &self.proof
    }

    /// Refuses a form that does not come from the page.
    ///
    /// # Errors
    /// `invalid_csrf_token`.
    pub fn check(&self, shown: Option<&str>) -> Result<()> {
        if self.proof == Secret::new(shown.unwrap_or_default().to_owned()) {
            return Ok(());
        }
        Err(Error::refused(Code::InvalidCsrfToken))
    }

    /// The accounts that he may mean.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        let account = |(one, email): &(Present, String)| Account {
            session: one.session.id,
            email: email.clone(),
            tenant: one.tenant.name.clone(),
        };
        self.present.iter().map(account).collect()
    }

    /// The session that he means; `None` where that is not clear.
    pub(super) fn of(&self, session: Option<SessionId>) -> Option<&Present> {
        let mut all = self.present.iter().map(|(one, _)| one);
        match session {
            Some(session) => all.find(|one| one.session.id == session),
            // The one that there is.
            None => all.next().filter(|_| self.present.len() == 1),
        }
    }
}
