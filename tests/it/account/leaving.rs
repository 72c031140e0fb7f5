//! Signing out, taking everything along, and giving the account up.

use std::time::Duration;

use super::{EVE, GRACE, Room, assert_ids, signed_in, to};
use crate::support::PASSWORD;

const DAY: Duration = Duration::from_hours(24);

/// WEB-04: after a sign-out the browser has nothing of the pages, and the cookie opens nothing.
#[tokio::test]
async fn web_04_a_sign_out_ends_the_session_and_what_the_browser_keeps() {
    // The address of the button, and the one that it had before there was a portal.
    for path in ["/t/acme/account/sign-out", "/t/acme"] {
        let mut room = Room::new().await;
        let kept = room.browser.clone();
        let proof = room.world.csrf(&room.acme, &room.browser).await;
        let left = room.browser.post_form(path, &format!("proof={proof}")).await;
        assert_eq!(to(&left), "/t/acme/login?note=signed_out");
        assert_eq!(left.headers["clear-site-data"], "\"cache\", \"storage\"");
        assert!(left.set_cookie("session").unwrap().contains("Max-Age=0"));
        assert!(room.browser.follow(&left).await.text.contains("signed out"));
        let mut stolen = kept.clone();
        assert!(to(&stolen.get("/t/acme/account").await).starts_with("/t/acme/login"));
        // Once more is no fault.
        let again = kept.clone().post_form(path, &format!("proof={proof}")).await;
        assert_eq!(to(&again), "/t/acme/login?note=signed_out");
    }
}

/// Tenants share a host: who leaves one stays in the other.
#[tokio::test]
async fn a_sign_out_of_one_tenant_leaves_the_session_of_another() {
    let mut room = Room::new().await;
    let other = room.world.tenant("other", "{}").await;
    room.world.user(&other, EVE).await;
    let eve = signed_in(&room.world, "other", EVE).await;
    room.browser.cookies.extend(eve.cookies.iter().cloned());
    let (id, secret) = room.browser.session().unwrap();
    let now = room.world.cx("acme").await;
    let me = countersign::flows::me::Me::by_cookie(now, id, &secret).await.unwrap();
    let body = format!("proof={}", me.csrf_token().unwrap());
    let left = room.browser.post_form("/t/acme/account/sign-out", &body).await;
    assert!(!left.headers["clear-site-data"].to_str().unwrap().contains("cookies"));
    assert_eq!(room.browser.get("/t/other/account").await.status, 200);
}

#[tokio::test]
async fn everything_can_be_taken_along_as_a_file() {
    let mut room = Room::new().await;
    assert_ids(&room.see("/data").await, &["export"]);
    let file = room.send("/data/export", &[]).await;
    assert_eq!(file.status, 200, "{}", file.text);
    let name = file.headers["content-disposition"].to_str().unwrap();
    assert!(name.starts_with("attachment; filename=\"usr_") && name.ends_with(".json\""), "{name}");
    assert_eq!(file.headers["cache-control"], "no-store");
    assert_eq!(file.data()["profile"]["email"], GRACE);
    assert_eq!(room.world.recorded(&room.acme, "user.data_exported", "success").await, 1);
}

#[tokio::test]
async fn an_account_is_given_up_with_a_time_to_think_and_kept_again() {
    let settings = r#"{"account": {"self_deletion": true, "deletion_grace_days": 14}}"#;
    let mut room = Room::with(settings).await;
    let mut elsewhere = signed_in(&room.world, "acme", GRACE).await;
    let page = room.see("/delete").await;
    assert!(page.text.contains("15 January 2026"), "{}", page.text);
    let unsure = room.send("/delete", &[]).await;
    assert_eq!(unsure.status, 400);
    assert!(unsure.text.contains("aria-describedby=\"is_sure-fault\""), "{}", unsure.text);
    let given = room.send("/delete", &[("is_sure", "true")]).await;
    assert_eq!(to(&given), "/t/acme/account/data?note=deletion_scheduled");
    let page = room.follow(&given).await;
    assert_ids(&page, &["deletion-due", "keep"]);
    assert!(page.text.contains("15 January 2026") && !page.text.contains("id=\"delete\""));
    assert_ids(&room.see("").await, &["advice-deletion"]);
    assert_eq!(elsewhere.get("/t/acme/account").await.status, 303, "others are signed out");
    let kept = room.send("/delete/cancel", &[]).await;
    assert_eq!(to(&kept), "/t/acme/account/data?note=deletion_cancelled");
    assert_ids(&room.follow(&kept).await, &["delete"]);
    room.world.advance(DAY * 15);
    countersign::flows::account_deletion::delete_due(&room.world.app).await.unwrap();
    assert_eq!(room.world.client().login("acme", GRACE, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn an_account_may_be_gone_at_once() {
    let settings = r#"{"account": {"self_deletion": true, "deletion_grace_days": 0}}"#;
    let mut room = Room::with(settings).await;
    assert!(room.see("/delete").await.text.contains("deleted at once"));
    let gone = room.send("/delete", &[("is_sure", "true")]).await;
    assert_eq!(to(&gone), "/t/acme/login?note=account_deleted");
    assert!(gone.set_cookie("session").unwrap().contains("Max-Age=0"));
    assert!(gone.headers.contains_key("clear-site-data"));
    assert!(room.follow(&gone).await.text.contains("has been deleted"));
    assert_eq!(room.world.client().login("acme", GRACE, PASSWORD).await.status, 401);
}

#[tokio::test]
async fn where_accounts_stay_nobody_is_offered_to_delete_his() {
    let mut room = Room::new().await;
    let page = room.see("/data").await;
    assert!(!page.text.contains("id=\"delete\""), "{}", page.text);
    assert_eq!(room.open("/delete").await.status, 403);
    assert_eq!(room.send("/delete", &[("is_sure", "true")]).await.status, 403);
    assert_eq!(room.see("").await.status, 200);
}
