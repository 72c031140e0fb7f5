//! The hosted pages of an authorization request, as a browser without scripts walks through them.

mod choosing;
mod consent;
mod factors;
mod language;
mod platform;
mod register;
mod walk;

use countersign::{db::sql, domain::application::Owner, flows::Cx};
use serde_json::json;

use crate::support::{
    Answer, Client, World,
    applications::{Made, challenge, encoded, request},
};

/// A tenant `acme` with `grace@example.com`, and an application of its own that asks for consent.
struct Scene {
    world: World,
    acme: Cx,
    app: Made,
    challenge: String,
}

impl Scene {
    async fn new() -> Self {
        Self::with(json!({"first_party": false})).await
    }

    async fn with(metadata: serde_json::Value) -> Self {
        let world = World::new().await;
        let acme = world.acme().await;
        world.user(&acme, "grace@example.com").await;
        let app = world.web(Owner::Tenant(acme.tenant.id), metadata).await;
        Self { world, acme, app, challenge: challenge() }
    }

    /// Sends a browser with a request to where a page comes first.
    async fn begin(&self, browser: &mut Client, more: &[(&str, &str)]) -> Answer {
        let mut pairs = request(&self.app, &self.challenge);
        pairs.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        let all: Vec<(&str, &str)> = pairs.into_iter().chain(more.iter().copied()).collect();
        browser.authorize("acme", &all).await
    }

    async fn rename_application(&self, name: &str) {
        let text = "UPDATE applications SET name = $1 WHERE id = $2";
        self.world.execute(sql(text).bind(name).bind(self.app.id)).await;
    }
}

/// The value of a hidden field.
#[track_caller]
fn hidden(page: &Answer, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let rest = page.text.split(&mark).nth(1);
    let rest = rest.unwrap_or_else(|| panic!("no {name}: {} {}", page.status, page.text));
    rest.split('"').next().unwrap().to_owned()
}

/// The path of a page that a browser was sent to.
#[track_caller]
fn path(answer: &Answer) -> String {
    answer.location().path().to_owned()
}

impl Client {
    /// Sends the form of a page, with what it keeps of its request.
    async fn fill(&mut self, page: &Answer, to: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all: Vec<(String, String)> = Vec::new();
        for name in ["form_token", "request", "realm", "proof", "method"] {
            if page.text.contains(&format!("name=\"{name}\" value=\"")) {
                all.push((name.to_owned(), hidden(page, name)));
            }
        }
        all.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
        let mut pairs: Vec<(&str, &str)> =
            all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        pairs.extend_from_slice(fields);
        self.post_form(to, &encoded(&pairs)).await
    }

    /// Fills in the sign-in of `acme`.
    async fn fill_in(&mut self, page: &Answer, email: &str, password: &str) -> Answer {
        self.fill(page, "/t/acme/login", &[("email", email), ("password", password)]).await
    }
}
