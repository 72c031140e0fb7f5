//! A new password, by the present one.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::visit::{sent_on, with_cookies},
    owner::{Owner, Proved, Said, Seen, seen, sent},
    place::Place,
};
use crate::{
    domain::{password::Password, user::IdentitySource},
    error::{Code, Error, Result},
    flows::password_change::{self, Change},
    http::{
        cookies,
        door::Door,
        extract::{Form, Query},
    },
    view::pages::account::PasswordPage,
};

/// The form of a new password.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct ChangeForm {
    #[schema(required = false)]
    proof: String,
    #[schema(required = false, format = Password)]
    current_password: String,
    #[schema(required = false, format = Password)]
    new_password: String,
    #[schema(required = false)]
    end_all_sessions: bool,
}

impl Proved for ChangeForm {
    fn proof(&self) -> &str {
        &self.proof
    }
}

/// What is wrong with which field.
#[derive(Debug, Default)]
struct Faults {
    current: Option<String>,
    new: Vec<String>,
}

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen(door, query, Place::Password, async |owner: &Owner, _| {
        if owner.me.user().source != IdentitySource::Local {
            return Err(Error::NotFound);
        }
        form(owner, Faults::default(), false, &Said::Nothing)
    })
    .await
}

fn form(owner: &Owner, faults: Faults, everywhere: bool, said: &Said) -> Result<Response> {
    let page = PasswordPage {
        portal: owner.portal(said)?,
        min_length: u32::try_from(min_length(owner)).unwrap_or(u32::MAX),
        current_fault: faults.current,
        new_faults: faults.new,
        end_all_sessions: everywhere,
    };
    owner.page(&page, said)
}

fn min_length(owner: &Owner) -> usize {
    let settings = &owner.me.cx().tenant.settings;
    settings.password_policy.effective_min_length(settings.mfa_required)
}

pub(super) async fn submit(door: Door, body: Result<Form<ChangeForm>>) -> Response {
    sent(door, body, Place::Password, async |owner: &Owner, body| change(owner, &body).await).await
}

async fn change(owner: &Owner, body: &ChangeForm) -> Result<Response> {
    let cx = owner.me.cx();
    let everywhere = body.end_all_sessions;
    let parsed = (Password::parse(&body.current_password), Password::parse(&body.new_password));
    let (Ok(current), Ok(new)) = parsed else {
        let faults = form_faults(owner, body);
        return form(owner, faults, everywhere, &Said::FieldFault);
    };
    let device = cookies::device_of(cx, &owner.visit.protocol.door.headers);
    let change = Change { current, new, end_all_sessions: everywhere, device };
    match Box::pin(password_change::change(&owner.me, &change)).await {
        Ok(Some(opened)) => {
            let done = owner.on_to(Place::Security, "password_changed");
            Ok(with_cookies(done, [cookies::session(cx, &opened)]))
        }
        Ok(None) => {
            let to = format!("{}/login?note=password_changed", owner.base());
            Ok(sent_on(&to, [cookies::no_session(cx)]))
        }
        Err(error) => refused(owner, error, everywhere),
    }
}

/// What is wrong with passwords that have not even the form of one.
fn form_faults(owner: &Owner, body: &ChangeForm) -> Faults {
    let mut faults = Faults::default();
    if Password::parse(&body.current_password).is_err() {
        let is_empty = body.current_password.is_empty();
        let key = if is_empty {
            "page.account.password.no_current"
        } else {
            "page.account.wrong_password"
        };
        faults.current = Some(owner.say(key));
    }
    if Password::parse(&body.new_password).is_err() {
        let is_empty = body.new_password.is_empty();
        let key = if is_empty { "password.too_short" } else { "password.too_long" };
        let min = min_length(owner);
        faults.new.push(owner.fill(key, minijinja::context! { min }));
    }
    faults
}

fn refused(owner: &Owner, error: Error, everywhere: bool) -> Result<Response> {
    let faults = match error {
        Error::Refused(no) if no.code == Code::PasswordRejected => {
            Faults { new: no.reasons, ..Faults::default() }
        }
        Error::Refused(no) if no.code == Code::InvalidCredentials => {
            Faults { current: Some(owner.say("page.account.wrong_password")), ..Faults::default() }
        }
        other => {
            let told = owner.told_of(other)?;
            return form(owner, Faults::default(), everywhere, &Said::Fault(told));
        }
    };
    form(owner, faults, everywhere, &Said::FieldFault)
}
