//! Signing out of a tenant.

use axum::{http::HeaderValue, response::Response};

use super::{
    super::{
        home::present,
        visit::{Asked, Visit, sent_on},
    },
    owner::{Pressed, Proved as _},
};
use crate::{
    error::{Error, Result},
    flows::{Cx, own_sessions},
    http::{cookies, door::Door, extract::Form},
};

/// What a browser forgets with a session: what it has kept of our pages. Not its cookies, since
/// those of other tenants lie beside ours.
const FORGOTTEN: HeaderValue = HeaderValue::from_static("\"cache\", \"storage\"");

/// The button of every page of the portal.
pub(in crate::http::pages) async fn submit(door: Door, body: Result<Form<Pressed>>) -> Response {
    let (visit, cx, _) = match Visit::at_tenant(door, Ok(Asked::default())).await {
        Ok(found) => found,
        Err(page) => return *page,
    };
    let leaves = async { leave(&visit, &cx, &body?.0).await };
    visit.concluded(leaves.await)
}

async fn leave(visit: &Visit, cx: &Cx, body: &Pressed) -> Result<Response> {
    if let Some(me) = present(visit, cx).await? {
        me.check_csrf(Some(body.proof()))?;
        match own_sessions::end(&me, me.session.id).await {
            // Somebody was faster; it has ended either way.
            Ok(()) | Err(Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(left(visit, cx, "signed_out"))
}

/// Sends a browser whose session has ended to the sign-in, which says `note`.
pub(super) fn left(visit: &Visit, cx: &Cx, note: &str) -> Response {
    let to = format!("{}/login?note={note}", visit.look.brand.base_path);
    let mut response = sent_on(&to, [cookies::no_session(cx)]);
    response.headers_mut().insert("clear-site-data", FORGOTTEN);
    response
}
