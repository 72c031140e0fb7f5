//! How things stand with an account, and what wants to be looked at.

use axum::response::Response;
use minijinja::context;

use super::{
    owner::{Owner, Said, Seen, seen},
    place::{Place, SECTIONS},
};
use crate::{
    domain::factor::Method,
    error::Result,
    flows::{
        authorized_apps,
        factors::{self, Overview},
        own_sessions,
        profile::{self, Profile},
    },
    http::{door::Door, extract::Query},
    view::{
        moment,
        pages::account::{AdviceShown, CardShown, LinkShown, OverviewPage},
    },
};

/// So few backup codes are too few.
const FEW_CODES: i64 = 3;

pub(super) async fn show(door: Door, query: Result<Query<Seen>>) -> Response {
    seen(door, query, Place::Overview, async |owner: &Owner, seen: Seen| {
        let said = Said::Note(seen.note);
        let profile = profile::show(&owner.me).await?;
        let factors = factors::overview(&owner.me.person).await?;
        let page = OverviewPage {
            portal: owner.portal(&said)?,
            advice: advice(owner, &profile, &factors),
            cards: cards(owner, &factors).await?,
        };
        owner.page(&page, &said)
    })
    .await
}

/// What wants to be looked at, the most pressing first.
fn advice(owner: &Owner, profile: &Profile, factors: &Overview) -> Vec<AdviceShown> {
    let mut all = Vec::new();
    let mut advise = |id, text: String, label: &str, place: Place| {
        let link = LinkShown { id, label: owner.say(label), url: owner.url(place) };
        all.push(AdviceShown { text, link });
    };
    if let Some(due) = profile.details.deletion_due_at {
        let cx = owner.me.cx();
        let at = moment(cx.app.view.texts(), owner.visit.look.locale, due);
        let text = owner.fill("page.account.overview.deletion_due", context! { at });
        advise("advice-deletion", text, "page.account.overview.keep", Place::Data);
    }
    if profile.user.email_verified_at.is_none() {
        let text = owner.say("page.account.overview.unverified");
        advise("advice-unverified", text, "page.account.overview.verify", Place::Profile);
    }
    if let Some(change) = &profile.email_change {
        let email = &change.new_email;
        let text = owner.fill("page.account.overview.pending_email", context! { email });
        advise("advice-email", text, "page.account.overview.look", Place::Email);
    }
    let methods = &owner.me.cx().tenant.settings.mfa_methods;
    let could_have = methods.iter().any(|method| *method != Method::BackupCode);
    if !factors.has_factor() && could_have {
        let text = owner.say("page.account.overview.no_factor");
        advise("advice-factor", text, "page.account.overview.set_up", Place::Security);
    }
    let left = factors.backup_codes.0;
    if factors.has_factor() && methods.contains(&Method::BackupCode) && left < FEW_CODES {
        let text = owner.fill("page.account.overview.few_codes", context! { left });
        advise("advice-codes", text, "page.account.overview.new_codes", Place::BackupCodes);
    }
    all
}

/// The parts of the portal, each with how things stand there.
async fn cards(owner: &Owner, factors: &Overview) -> Result<Vec<CardShown>> {
    let sessions = own_sessions::list(&owner.me).await?.len();
    let applications = authorized_apps::list(&owner.me).await?.len();
    let say = |place: Place| match place {
        Place::Profile => owner.say("page.account.overview.profile"),
        Place::Security if factors.has_factor() => owner.say("page.account.overview.factor_on"),
        Place::Security => owner.say("page.account.overview.factor_off"),
        Place::Devices => {
            owner.fill("page.account.overview.sessions", context! { count => sessions })
        }
        Place::Applications => {
            owner.fill("page.account.overview.applications", context! { count => applications })
        }
        Place::Activity => owner.say("page.account.overview.activity"),
        _ => owner.say("page.account.overview.data"),
    };
    let sections = SECTIONS.iter().filter(|(place, ..)| *place != Place::Overview);
    let card = |(place, id, key): &(Place, &'static str, &str)| CardShown {
        link: LinkShown { id, label: owner.say(key), url: owner.url(*place) },
        text: say(*place),
    };
    Ok(sections.map(card).collect())
}
