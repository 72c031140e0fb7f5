//! How the pages by which people sign in behave where things go otherwise than on the straight way.

mod awkward;
mod errors;
mod mails;
mod proof;
mod second_step;
mod step_by_step;

use countersign::flows::Cx;

use crate::support::{Answer, Client, PASSWORD, World};

const GRACE: &str = "grace@example.com";
const SIGN_IN: [(&str, &str); 2] = [("email", GRACE), ("password", PASSWORD)];

/// A tenant `acme` with an account.
async fn acme(world: &World) -> Cx {
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    acme
}

/// The path that a browser was sent to.
#[track_caller]
fn path(answer: &Answer) -> String {
    answer.location().path().to_owned()
}

/// Whether the browser is in a session that lives.
async fn is_in(browser: &mut Client) -> bool {
    browser.get("/api/v1/me/mfa").await.status == 200
}
