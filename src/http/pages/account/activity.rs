//! What happened to the account, in plain words.

use axum::response::Response;

use super::{
    owner::{Owner, Said, Seen, seen},
    place::Place,
};
use crate::{
    domain::audit::Action,
    error::Result,
    flows::activity::{self, Happening},
    http::{door::Door, extract::Query},
    view::pages::account::lists::{ActivityPage, HappeningShown},
};

/// What stands on one page.
const PER_PAGE: i64 = 20;
/// The last page that is shown.
const LAST_PAGE: i64 = 500;

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen(door, query, Place::Activity, async |owner: &Owner, seen: Seen| {
        // Whatever is no page is the first one.
        let page = seen.page.parse().unwrap_or(1).clamp(1, LAST_PAGE);
        let said = Said::Nothing;
        let mut found = activity::list(&owner.me, (page - 1) * PER_PAGE, PER_PAGE + 1).await?;
        let limit = usize::try_from(PER_PAGE).unwrap_or_default();
        let has_more = found.len() > limit && page < LAST_PAGE;
        found.truncate(limit);
        let at = |page: i64| format!("{}?page={page}", owner.url(Place::Activity));
        let page = ActivityPage {
            portal: owner.portal(&said)?,
            happenings: found.into_iter().map(|it| shown(owner, it)).collect(),
            page,
            newer_url: (page > 1).then(|| at(page - 1)),
            older_url: has_more.then(|| at(page + 1)),
        };
        owner.page(&page, &said)
    })
    .await
}

fn shown(owner: &Owner, it: Happening) -> HappeningShown {
    let by = match it.by {
        "operator" => Some("page.account.activity.by_operator"),
        "somebody" => Some("page.account.activity.by_somebody"),
        _ => None,
    };
    let method = it.method.as_deref().and_then(method);
    HappeningShown {
        at: it.at.micros(),
        text: owner.say(&words(&it.what)),
        is_failure: it.result == "failure",
        by: by.map(|key| owner.say(key)),
        device: it.device,
        address: it.address,
        method: method.map(|key| owner.say(key)),
    }
}

fn method(name: &str) -> Option<&'static str> {
    match name {
        "password" => Some("page.account.confirm.way_password"),
        "webauthn" => Some("method.webauthn"),
        "totp" => Some("method.totp"),
        "email" => Some("method.email"),
        "backup_code" => Some("method.backup_code"),
        _ => None,
    }
}

/// The key of what an event is called. What another release has recorded has no name of its own.
fn words(what: &str) -> String {
    let is_known =
        Action::ALL.iter().any(|action| action.as_str() == what) && concerns_people(what);
    if is_known {
        format!("page.account.event.{what}")
    } else {
        "page.account.event.other".to_owned()
    }
}

/// Whether an event is told to people at all; the others are of tenants, keys and applications.
fn concerns_people(what: &str) -> bool {
    ["auth.", "user.", "oauth.", "session."].iter().any(|start| what.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Locale, Texts};

    #[test]
    fn everything_that_concerns_people_has_words_in_every_language() {
        let texts = Texts::load();
        for action in Action::ALL {
            let key = words(action.as_str());
            for locale in Locale::ALL {
                let text = texts.say(locale, &key, minijinja::context! {});
                assert!(text != key && text.len() > 5, "{locale}: {key}");
            }
        }
        assert_eq!(words("tenant.created"), "page.account.event.other");
        assert_eq!(words("user.turned_into_a_frog"), "page.account.event.other");
    }
}
