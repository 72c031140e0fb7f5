//! Mails with links: asking once more, another address, links that are dead.

use std::time::Duration;

use super::{GRACE, acme};
use crate::support::{Client, PASSWORD, World, applications::encoded, token_in};

const ANN: [(&str, &str); 4] = [
    ("first_name", "Ann"),
    ("last_name", "O'Neil & Sons"),
    ("email", "ann+test@example.com"),
    ("password", PASSWORD),
];

/// Sends the form that a page has for asking once more.
async fn again(
    browser: &mut Client,
    page: &crate::support::Answer,
    to: &str,
) -> crate::support::Answer {
    let fields = [("form_token", page.hidden("form_token")), ("wish", page.hidden("wish"))];
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post_form(to, &encoded(&fields)).await
}

#[tokio::test]
async fn b05_a_registration_mail_comes_again_after_a_wait_to_the_very_address() {
    let world = World::new().await;
    world.acme().await;
    let mut browser = world.client();
    let page = browser.fill_page("/t/acme/register", &ANN).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("a***@example.com") && !page.text.contains("ann+test"));
    assert!(page.text.contains("data-wait=\"60\""), "{}", page.text);
    let soon = again(&mut browser, &page, "/t/acme/verify-email/again").await;
    assert_eq!(soon.status, 429, "{}", soon.text);
    assert_eq!(world.inbox("ann+test@example.com").await.len(), 1);
    world.advance(Duration::from_secs(61));
    // The page that said no is as good as the one before.
    let sent = again(&mut browser, &soon, "/t/acme/verify-email/again").await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    assert!(sent.has("note"), "{}", sent.text);
    let mails = world.inbox("ann+test@example.com").await;
    assert_eq!(mails.len(), 2);
    for mail in &mails {
        let token = token_in(mail);
        let link = format!("/t/acme/verify-email?token={token}");
        assert_eq!(browser.get(&link).await.status, 200, "each of them works");
    }
    let token = token_in(&mails[0]);
    let done = browser.post_form("/t/acme/verify-email", &format!("token={token}")).await;
    assert!(done.has("login"), "the way on: {}", done.text);
    browser.login("acme", "ANN+test@example.com", PASSWORD).await.data();
}

#[tokio::test]
async fn another_address_keeps_the_names_and_not_the_password() {
    let world = World::new().await;
    world.acme().await;
    let mut browser = world.client();
    let page = browser.fill_page("/t/acme/register", &ANN).await;
    let (token, wish) = (page.hidden("form_token"), page.hidden("wish"));
    let form = encoded(&[("form_token", &token), ("wish", &wish), ("action", "change")]);
    let form = browser.post_form("/t/acme/register", &form).await;
    assert_eq!(form.status, 200);
    assert!(form.text.contains("value=\"Ann\"") && form.text.contains("O&#39;Neil &amp; Sons"));
    assert!(form.text.contains("value=\"ann+test@example.com\""));
    assert!(!form.text.contains(PASSWORD));
}

#[tokio::test]
async fn enu_asking_once_more_is_answered_alike_for_every_address() {
    let world = World::new().await;
    let cx = acme(&world).await;
    world.user_with(&cx, "unproved@example.com", None, false).await;
    let mut browser = world.client();
    let waits = browser.fill_page("/t/acme/register", &ANN).await;
    assert_eq!(waits.status, 200);
    for (to, mailed) in [
        ("/t/acme/verify-email/again", ["unproved@example.com", "ann+test@example.com"]),
        ("/t/acme/forgot-password", [GRACE, GRACE]),
    ] {
        let mut seen = std::collections::BTreeSet::new();
        for email in [GRACE, "unproved@example.com", "ann+test@example.com", "no@example.com"] {
            let count = world.inbox(email).await.len();
            let answer = browser.fill_page(to, &[("email", email)]).await;
            assert_eq!(answer.status, 200, "{to} {email}");
            let masked = format!("{}***@", &email[..1]);
            seen.insert(answer.main().replace(&masked, "x***@"));
            let more = world.inbox(email).await.len() - count;
            let is_due = mailed.contains(&email);
            assert!(
                more == usize::from(is_due) || to.ends_with("password"),
                "{to} {email}: {more}"
            );
        }
        assert_eq!(seen.len(), 1, "{seen:#?}");
    }
}

#[tokio::test]
async fn a_wish_is_good_in_its_tenant_and_for_a_day() {
    let world = World::new().await;
    acme(&world).await;
    world.tenant("other", "{}").await;
    let mut browser = world.client();
    let page = browser.fill_page("/t/acme/forgot-password", &[("email", GRACE)]).await;
    let wish = page.hidden("wish");
    world.advance(Duration::from_secs(61));
    for (tenant, seconds) in [("other", 0), ("acme", 24 * 3600)] {
        world.advance(Duration::from_secs(seconds));
        let to = format!("/t/{tenant}/forgot-password");
        let refused = browser.fill_page(&to, &[("wish", &wish)]).await;
        assert_eq!(refused.status, 400, "{tenant}");
        assert!(refused.has("email") && !refused.has("again"), "{}", refused.text);
    }
    assert_eq!(world.inbox(GRACE).await.len(), 1);
}

#[tokio::test]
async fn b03_b04_a_dead_link_has_one_button_for_a_new_mail() {
    let world = World::new().await;
    acme(&world).await;
    let mut browser = world.client();
    browser.fill_page("/t/acme/forgot-password", &[("email", GRACE)]).await;
    let token = token_in(&world.inbox(GRACE).await[0]);
    world.advance(Duration::from_secs(31 * 60));
    let dead = browser.get(&format!("/t/acme/reset-password?token={token}")).await;
    assert_eq!(dead.status, 400);
    let mark = "id=\"again\" class=\"button\" href=\"";
    let way = dead.text.split(mark).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let sent = browser.fill_page(&way, &[("email", GRACE)]).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let token = token_in(&world.inbox(GRACE).await[0]);
    let page = browser.get(&format!("/t/acme/reset-password?token={token}")).await;
    assert_eq!(page.status, 200);
    let dead = browser.get("/t/acme/verify-email?token=nonsense").await;
    assert!(dead.text.contains("href=\"/t/acme/verify-email/again\""), "{}", dead.text);
}

#[tokio::test]
async fn each_fault_of_a_registration_stands_at_its_field() {
    let world = World::new().await;
    world.acme().await;
    let mut browser = world.client();
    let fields = [("first_name", "Ann"), ("email", "no address"), ("password", "too short")];
    let page = browser.fill_page("/t/acme/register", &fields).await;
    assert_eq!(page.status, 400);
    for field in ["last_name", "email", "password"] {
        assert!(page.text.contains(&format!("href=\"#{field}\"")), "{field}: {}", page.text);
        assert!(page.has(&format!("{field}-faults")), "{field}");
        let own = page.text.split(&format!("<input id=\"{field}\"")).nth(1).unwrap();
        let own = own.split('>').next().unwrap();
        assert!(own.contains("aria-invalid=\"true\"") && own.contains("-faults"), "{own}");
    }
    assert!(page.text.contains("value=\"Ann\"") && page.text.contains("value=\"no address\""));
    assert!(page.text.contains("<title>Error:") && page.text.contains("at least 15"));
    assert!(!page.text.contains("too short"), "no password comes back");
    let mut weak = ANN;
    weak[3].1 = "acmeacmeacmeacme";
    let page = browser.fill_page("/t/acme/register", &weak).await;
    assert!(page.text.contains("password-fault-"), "{}", page.text);
}

#[tokio::test]
async fn a_password_that_is_due_is_set_by_a_mail_that_comes_again() {
    let world = World::new().await;
    acme(&world).await;
    let due = "UPDATE users SET must_change_password = TRUE";
    world.execute(countersign::db::sql(due)).await;
    let mut browser = world.client();
    let page = browser.fill_page("/t/acme/login", &super::SIGN_IN).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("g***@example.com") && page.has("send"), "{}", page.text);
    assert_eq!(world.inbox(GRACE).await.len(), 1);
    world.advance(Duration::from_secs(61));
    let sent = again(&mut browser, &page, "/t/acme/forgot-password").await;
    assert_eq!(sent.status, 200);
    assert_eq!(world.inbox(GRACE).await.len(), 2);
}

/// ENU-13: asking for a link is written down for every address, so that a commit, which waits for
/// the disk, does not tell whether there is something to prove.
#[tokio::test]
async fn enu_13_asking_for_a_link_writes_for_every_address_alike() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, GRACE).await;
    let counted = async || world.count("SELECT COUNT(*) FROM attempts").await;
    for address in [GRACE, "nobody@example.com"] {
        let before = counted().await;
        let mut browser = world.client();
        let sent = browser.fill_page("/t/acme/verify-email/again", &[("email", address)]).await;
        assert_eq!(sent.status, 200, "{}", sent.text);
        assert_eq!(counted().await, before + 1, "{address}");
        assert!(world.inbox(address).await.is_empty(), "{address}");
    }
}
