//! The account portal, as a browser without scripts goes through it. Names such as WEB-01 are those
//! of the security catalogue.

mod factors;
mod forms;
mod frame;
mod leaving;
mod lists;
mod safety;

use std::time::Duration;

use countersign::flows::Cx;

use crate::support::{Answer, Client, PASSWORD, World, applications::encoded};

const GRACE: &str = "grace@example.com";
const EVE: &str = "eve@example.com";
/// So much later a proof is no longer recent.
const LATER: Duration = Duration::from_secs(301);

/// Grace of `acme`, at the portal.
struct Room {
    world: World,
    acme: Cx,
    browser: Client,
}

impl Room {
    async fn new() -> Self {
        Self::with(r#"{"registration": {"enabled": true}}"#).await
    }

    /// The same in a tenant with `settings`.
    async fn with(settings: &str) -> Self {
        let world = World::new().await;
        let acme = world.tenant("acme", settings).await;
        world.user(&acme, GRACE).await;
        let browser = signed_in(&world, "acme", GRACE).await;
        Self { world, acme, browser }
    }

    /// Opens a page of the portal.
    async fn open(&mut self, path: &str) -> Answer {
        self.browser.get(&format!("/t/acme/account{path}")).await
    }

    /// Opens a page that is there.
    async fn see(&mut self, path: &str) -> Answer {
        let page = self.open(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        page
    }

    /// Sends a form of the portal with the proof of the session as it is now.
    async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let proof = self.world.csrf(&self.acme, &self.browser).await;
        let all: Vec<_> = [("proof", proof.as_str())].into_iter().chain(fields.to_vec()).collect();
        self.browser.post_form(&format!("/t/acme/account{path}"), &encoded(&all)).await
    }

    /// Follows to the page that a form leads to.
    async fn follow(&mut self, answer: &Answer) -> Answer {
        assert_eq!(answer.status, 303, "{}", answer.text);
        self.browser.follow(answer).await
    }

    /// The proof of who it is grows old.
    fn grow_old(&self) {
        self.world.advance(LATER);
    }
}

/// A browser in which somebody has signed in.
async fn signed_in(world: &World, slug: &str, email: &str) -> Client {
    let mut browser = world.client();
    assert_eq!(browser.login(slug, email, PASSWORD).await.data()["status"], "success");
    browser
}

/// The path and the query of where a browser is sent.
#[track_caller]
fn to(answer: &Answer) -> String {
    let url = answer.location();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{query}", url.path())
}

/// What stands between two texts of a page.
#[track_caller]
fn between<'a>(page: &'a Answer, start: &str, end: &str) -> &'a str {
    let rest = page.text.split(start).nth(1);
    let rest = rest.unwrap_or_else(|| panic!("no {start}: {} {}", page.status, page.text));
    rest.split(end).next().unwrap()
}

/// That a page holds elements of these ids, each once.
#[track_caller]
fn assert_ids(page: &Answer, ids: &[&str]) {
    for id in ids {
        let count = page.text.matches(&format!("id=\"{id}\"")).count();
        assert_eq!(count, 1, "{id}: {} {}", page.status, page.text);
    }
}
