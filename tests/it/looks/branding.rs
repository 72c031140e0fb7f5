//! A tenant's looks in its pages: colours, words, links, a style sheet of its own.

use countersign::{db::sql, domain::application::Owner};
use serde_json::json;

use crate::support::{
    World,
    applications::{challenge, request},
};

#[tokio::test]
async fn colours_corners_words_and_links_are_in_the_pages() {
    let world = World::new().await;
    world.acme().await;
    world
        .dress(json!({
            "display_name": "Acme & Sons", "primary_color": "#0b6e4f", "page_color": "#fff7ed",
            "corners": "square",
            "texts": {
                "default": {"title": "Welcome back", "lead": "Good <to> see you.",
                    "imprint": "https://acme.example/imprint?a=1&b=2",
                    "support": "mailto:help@acme.example"},
                "de": {"title": "Willkommen", "imprint": "https://acme.example/impressum"},
            },
        }))
        .await
        .unwrap();
    let mut client = world.client();
    let page = client.get("/t/acme/login").await.text;
    for told in [
        "Acme &amp; Sons",
        "--primary: #0b6e4f;",
        "--page-light: #fff7ed;",
        "--radius: 0px;",
        "<h1>Welcome back</h1>",
        "Good &lt;to&gt; see you.",
        "<a id=\"imprint\" href=\"https://acme.example/imprint?a=1&amp;b=2\"",
        "<a id=\"support\" href=\"mailto:help@acme.example\"",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(!page.contains("id=\"privacy\""), "what is not given is not there");
    client.headers.insert("accept-language", "de".parse().unwrap());
    let page = client.get("/t/acme/login").await.text;
    assert!(page.contains("<h1>Willkommen</h1>") && page.contains("Good &lt;to&gt; see you."));
    assert!(page.contains("https://acme.example/impressum\"") && page.contains(">Impressum</a>"));
}

#[tokio::test]
async fn looks_that_cannot_be_meant_are_refused_and_nothing_changes() {
    let world = World::new().await;
    world.acme().await;
    for looks in [
        json!({"css": "h1 { position: fixed }"}),
        json!({"page_color": "red"}),
        json!({"texts": {"default": {"imprint": "javascript:alert(1)"}}}),
        json!({"logo_url": "http://a.example/a.png"}),
    ] {
        assert!(world.dress(looks.clone()).await.is_err(), "{looks}");
    }
    assert_eq!(
        world.cx("acme").await.tenant.branding,
        countersign::domain::tenant::Branding::default()
    );
}

#[tokio::test]
async fn a_style_sheet_counts_where_people_sign_in_and_never_where_they_agree() {
    let world = World::new().await;
    let acme = world.acme().await;
    world.user(&acme, "grace@example.com").await;
    let app = world.web(Owner::Tenant(acme.tenant.id), json!({"first_party": false})).await;
    world.dress(json!({"css": "h1 { color: #123456; }"})).await.unwrap();
    let mut browser = world.client();
    let own = "h1{color:#123456;}";
    for page in ["login", "register", "forgot-password"] {
        let page = browser.get(&format!("/t/acme/{page}")).await;
        assert!(page.text.contains(own), "{}", page.text);
    }
    let challenge = challenge();
    let sent = browser.authorize("acme", &request(&app, &challenge)).await;
    let login = browser.follow(&sent).await;
    assert!(login.text.contains(own));
    let handle = login.text.split("name=\"request\" value=\"").nth(1).unwrap();
    let handle = handle.split('"').next().unwrap();
    let fields = [
        ("request", handle),
        ("email", "grace@example.com"),
        ("password", crate::support::PASSWORD),
    ];
    let entered = browser.fill_page(&format!("/t/acme/login?request={handle}"), &fields).await;
    let resumed = browser.follow(&entered).await;
    let consent = browser.follow(&resumed).await;
    assert!(consent.text.contains("id=\"allow\"") && !consent.text.contains(own));
    for path in ["/t/acme", "/t/acme/device", "/t/acme/nothing"] {
        assert!(!browser.get(path).await.text.contains(own), "{path}");
    }
}

#[tokio::test]
async fn web_06_a_sheet_that_got_into_the_database_otherwise_does_not_get_into_a_page() {
    let world = World::new().await;
    world.acme().await;
    for css in [
        "</style><script>alert(1)</script>",
        "body { background: url(https://evil.test/) }",
        "#fault { display: none }",
        "@import 'https://evil.test/a.css';",
    ] {
        let looks = json!({"css": css, "primary_color": "</style>"}).to_string();
        let text = "UPDATE tenants SET branding = $1";
        world.execute(sql(text).bind(looks)).await;
        let page = world.client().get("/t/acme/login").await;
        assert_eq!(page.status, 200);
        for harm in ["alert(1)", "evil.test", "display: none", "@import"] {
            assert!(!page.text.contains(harm), "{css}: {}", page.text);
        }
        assert_eq!(page.text.matches("</style>").count(), 1);
    }
}
