//! Sessions and trusted devices: looking at them, and ending them.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    owner::{Owner, Pressed, Question, Said, Seen, seen, sent},
    place::Place,
    sign_out::left,
};
use crate::{
    clock::Timestamp,
    domain::{agent, session::Session},
    error::{Error, Result},
    flows::own_sessions::{self, TrustedDevice},
    http::{
        door::Door,
        extract::{Form, Path, Query},
    },
    id::{SessionId, TrustedDeviceId},
    view::pages::account::lists::{DevicesPage, SessionShown, TrustedDeviceShown},
};

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen(door, query, Place::Devices, async |owner: &Owner, seen: Seen| {
        let said = Said::Note(seen.note);
        let sessions = own_sessions::list(&owner.me).await?;
        let devices = own_sessions::trusted_devices(&owner.me).await?;
        let page = DevicesPage {
            portal: owner.portal(&said)?,
            has_others: sessions.len() > 1,
            sessions: sessions.iter().map(|session| shown(owner, session)).collect(),
            devices: devices.into_iter().map(device).collect(),
        };
        owner.page(&page, &said)
    })
    .await
}

fn shown(owner: &Owner, session: &Session) -> SessionShown {
    SessionShown {
        id: session.id.to_string(),
        device: agent::label(&session.agent),
        address: session.address.clone(),
        created_at: session.created_at.micros(),
        last_seen_at: session.last_seen_at.micros(),
        is_current: session.id == owner.me.session.id,
        is_remembered: session.persistence.is_remembered(),
    }
}

fn device(device: TrustedDevice) -> TrustedDeviceShown {
    TrustedDeviceShown {
        id: device.id.to_string(),
        device: device.label,
        address: device.address,
        created_at: device.created_at.micros(),
        last_used_at: device.last_used_at.map(Timestamp::micros),
        expires_at: device.expires_at.micros(),
    }
}

/// The session that a path names.
#[derive(Deserialize, ToSchema)]
pub(super) struct SessionPath {
    session_id: String,
}

fn session(path: Result<Path<SessionPath>>) -> Option<SessionId> {
    path.ok().and_then(|Path(path)| path.session_id.parse().ok())
}

/// A question about a device: its name and its address.
fn question(owner: &Owner, key: &str, about: Option<(String, String)>, path: String) -> Question {
    let facts = about.into_iter().flat_map(|(device, address)| {
        [
            (owner.say("page.account.devices.device"), device),
            (owner.say("page.account.devices.address"), address),
        ]
    });
    Question {
        title: owner.say(&format!("page.account.{key}.title")),
        lead: owner.say(&format!("page.account.{key}.lead")),
        facts: facts.collect(),
        path,
        fields: Vec::new(),
        submit: owner.say(&format!("page.account.{key}.submit")),
        is_loss: true,
    }
}

pub(super) async fn ask(
    door: Door,
    path: Result<Path<SessionPath>>,
    query: Result<Query<Seen>>,
) -> Response {
    let id = session(path);
    seen(door, query, Place::Devices, async |owner: &Owner, _| {
        let sessions = own_sessions::list(&owner.me).await?;
        let found = sessions.into_iter().find(|session| Some(session.id) == id);
        let found = found.ok_or(Error::NotFound)?;
        let about = (agent::label(&found.agent), found.address);
        let path = format!("/account/sessions/{}", found.id);
        owner.ask(question(owner, "end_session", Some(about), path))
    })
    .await
}

pub(super) async fn end(
    door: Door,
    path: Result<Path<SessionPath>>,
    body: Result<Form<Pressed>>,
) -> Response {
    let id = session(path);
    sent(door, body, Place::Devices, async |owner: &Owner, _| {
        let id = id.ok_or(Error::NotFound)?;
        own_sessions::end(&owner.me, id).await?;
        if id == owner.me.session.id {
            return Ok(left(&owner.visit, owner.me.cx(), "signed_out"));
        }
        Ok(owner.on_to(Place::Devices, "session_ended"))
    })
    .await
}

pub(super) async fn ask_others(door: Door, query: Result<Query<Seen>>) -> Response {
    seen(door, query, Place::Devices, async |owner: &Owner, _| {
        owner.ask(question(owner, "end_others", None, "/account/devices/others".to_owned()))
    })
    .await
}

pub(super) async fn end_others(door: Door, body: Result<Form<Pressed>>) -> Response {
    sent(door, body, Place::Devices, async |owner: &Owner, _| {
        own_sessions::end_others(&owner.me).await?;
        Ok(owner.on_to(Place::Devices, "session_ended"))
    })
    .await
}

/// The trusted device that a path names.
#[derive(Deserialize, ToSchema)]
pub(super) struct DevicePath {
    device_id: String,
}

fn trusted(path: Result<Path<DevicePath>>) -> Option<TrustedDeviceId> {
    path.ok().and_then(|Path(path)| path.device_id.parse().ok())
}

pub(super) async fn ask_distrust(
    door: Door,
    path: Result<Path<DevicePath>>,
    query: Result<Query<Seen>>,
) -> Response {
    let id = trusted(path);
    seen(door, query, Place::Devices, async |owner: &Owner, _| {
        let devices = own_sessions::trusted_devices(&owner.me).await?;
        let found = devices.into_iter().find(|device| Some(device.id) == id);
        let found = found.ok_or(Error::NotFound)?;
        let path = format!("/account/trusted-devices/{}", found.id);
        owner.ask(question(owner, "forget_device", Some((found.label, found.address)), path))
    })
    .await
}

pub(super) async fn distrust(
    door: Door,
    path: Result<Path<DevicePath>>,
    body: Result<Form<Pressed>>,
) -> Response {
    let id = trusted(path);
    sent(door, body, Place::Devices, async |owner: &Owner, _| {
        own_sessions::distrust(&owner.me, id.ok_or(Error::NotFound)?).await?;
        Ok(owner.on_to(Place::Devices, "device_forgotten"))
    })
    .await
}

pub(super) async fn ask_distrust_all(door: Door, query: Result<Query<Seen>>) -> Response {
    seen(door, query, Place::Devices, async |owner: &Owner, _| {
        owner.ask(question(owner, "forget_all", None, "/account/trusted-devices".to_owned()))
    })
    .await
}

pub(super) async fn distrust_all(door: Door, body: Result<Form<Pressed>>) -> Response {
    sent(door, body, Place::Devices, async |owner: &Owner, _| {
        own_sessions::distrust_all(&owner.me).await?;
        Ok(owner.on_to(Place::Devices, "device_forgotten"))
    })
    .await
}
