//! A tenant's front page: the portal for whoever is signed in, the sign-in for everybody else.

use axum::response::Response;

use super::visit::{Asked, Visit, sent_on};
use crate::{
    error::{Code, Error, Result},
    flows::{Cx, me::Me},
    http::{cookies, door::Door, extract::Query},
};

/// Whoever is signed in at the tenant.
pub(super) async fn present(visit: &Visit, cx: &Cx) -> Result<Option<Me>> {
    let Some((id, secret)) = cookies::session_of(cx, &visit.protocol.door.headers) else {
        return Ok(None);
    };
    match Me::by_cookie(cx.clone(), id, &secret).await {
        Ok(me) => Ok(Some(me)),
        Err(Error::Refused(no)) if no.code == Code::NotAuthenticated => Ok(None),
        Err(fault) => Err(fault),
    }
}

pub(super) async fn show(door: Door, _: Result<Query<Asked>>) -> Response {
    let (visit, cx, _) = match Visit::at_tenant(door, Ok(Asked::default())).await {
        Ok(found) => found,
        Err(page) => return *page,
    };
    let base = visit.look.brand.base_path.clone();
    let goes_on = present(&visit, &cx).await.map(|me| {
        let page = if me.is_some() { "account" } else { "login" };
        sent_on(&format!("{base}/{page}"), [])
    });
    visit.concluded(goes_on)
}
