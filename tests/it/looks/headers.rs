//! Every page route, and the headers that each answer has (WEB-03 to WEB-06).

use axum::http::Method;

use crate::support::World;

const PAGES: [&str; 22] = [
    "/",
    "/login",
    "/register",
    "/select-account",
    "/device",
    "/t/acme",
    "/t/acme/login",
    "/t/acme/mfa",
    "/t/acme/mfa/enrol",
    "/t/acme/consent",
    "/t/acme/select-account",
    "/t/acme/register",
    "/t/acme/forgot-password",
    "/t/acme/verify-email?token=x",
    "/t/acme/reset-password?token=x",
    "/t/acme/change-email?token=x",
    "/t/acme/stop-email-change?token=x",
    "/t/acme/not-me?token=x",
    "/t/acme/device",
    "/t/nobody/login",
    "/oauth/authorize",
    "/dev/mailbox",
];

#[tokio::test]
async fn web_03_to_06_every_page_has_every_header_and_nothing_inline() {
    let world = World::new().await;
    world.acme().await;
    let mut seen = 0;
    for path in PAGES {
        for method in [Method::GET, Method::POST] {
            let form = Some("application/x-www-form-urlencoded");
            let answer = world.client().request(method.clone(), path, form, "").await;
            let what = format!("{method} {path}: {}", answer.status);
            let told = |name: &str| {
                answer.headers.get(name).map(|it| it.to_str().unwrap()).unwrap_or_default()
            };
            assert_eq!(told("cache-control"), "no-store", "{what}");
            assert_eq!(told("referrer-policy"), "no-referrer", "{what}");
            assert_eq!(told("x-content-type-options"), "nosniff", "{what}");
            assert_eq!(told("x-frame-options"), "DENY", "{what}");
            assert_eq!(told("cross-origin-resource-policy"), "same-origin", "{what}");
            let permissions = told("permissions-policy");
            for rule in ["publickey-credentials-get=(self)", "camera=()", "payment=()"] {
                assert!(permissions.contains(rule), "{what}: {permissions}");
            }
            let policy = told("content-security-policy");
            for rule in ["default-src 'none'", "frame-ancestors 'none'"] {
                assert!(policy.contains(rule), "{what}: {policy}");
            }
            for hole in ["unsafe", "https:", "*"] {
                assert!(!policy.contains(hole), "{what}: {policy}");
            }
            if !told("content-type").starts_with("text/html") {
                continue;
            }
            seen += 1;
            assert!(policy.contains("base-uri 'none'"), "{what}: {policy}");
            assert_eq!(told("cross-origin-opener-policy"), "same-origin", "{what}");
            let page = answer.text.to_lowercase();
            for inline in [" style=", "javascript:", "<script>", "<base", "<object", "<embed"] {
                assert!(!page.contains(inline), "{what}: {inline}");
            }
            let is_handler = |rest: &str| {
                let name: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
                !name.is_empty() && rest[name.len()..].starts_with("=\"")
            };
            assert!(!page.split(" on").skip(1).any(is_handler), "{what}");
        }
    }
    assert!(seen > 20, "only {seen} pages were seen");
}
