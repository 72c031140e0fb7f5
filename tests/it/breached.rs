//! Passwords known from breaches: the filter as an operator builds it, and what it refuses.

use std::{fmt::Write as _, path::Path};

use serde_json::json;

use crate::{
    cli::Desk,
    support::{PASSWORD, World, token_in},
};

/// The line of `Zuckerwatte auf dem Mond`, as it is published.
const LINE: &str = "5E798035D8EB9D21E4DE832F5987DCF6F9D728CF:37";
const KNOWN: &str = "Zuckerwatte auf dem Mond";

fn write(desk: &Desk, name: &str, text: &str) {
    std::fs::write(desk.path().join(name), text).unwrap();
}

/// A filter that holds [`KNOWN`], built as an operator builds it.
fn filter(desk: &Desk) -> std::path::PathBuf {
    write(desk, "hashes.txt", &format!("{LINE}\r\n"));
    let built = desk.run("breached-passwords build --from hashes.txt --to filter --json");
    assert_eq!(built.code, 0, "{}", built.err);
    desk.path().join("filter")
}

async fn world(filter: &Path) -> World {
    let filter = filter.to_owned();
    World::with(|config| config.passwords.breach_filter = Some(filter)).await
}

#[tokio::test]
async fn a_filter_applies_to_every_new_password_though_no_tenant_asks_for_it() {
    let desk = Desk::new();
    let world = world(&filter(&desk)).await;
    let acme = world.acme().await;
    world.user(&acme, "eve@example.com").await;
    let mut client = world.client();
    let register = |password: &str| {
        json!({"email": "grace@example.com", "password": password, "first_name": "Grace",
               "last_name": "Hopper"})
    };
    let answer = client.api("acme", "register", &register(KNOWN)).await;
    assert_eq!(answer.refused(400), "password_rejected");
    let said = "This password has appeared in a data breach and may be known to others.";
    assert_eq!(answer.json()["reasons"], json!([said]));
    assert_eq!(world.count("SELECT COUNT(*) FROM registrations").await, 0);
    client.api("acme", "register", &register(PASSWORD)).await.data();
    // The page says why, at the field.
    let fields = [
        ("email", "hopper@example.com"),
        ("password", KNOWN),
        ("first_name", "Grace"),
        ("last_name", "Hopper"),
    ];
    let page = client.fill_page("/t/acme/register", &fields).await;
    assert_eq!(page.status, 400);
    assert!(page.text.contains(said) && !page.text.contains(KNOWN), "{}", page.text);
    // A mailed reset.
    client.api("acme", "forgot-password", &json!({"email": "eve@example.com"})).await.data();
    let token = token_in(&world.inbox("eve@example.com").await[0]);
    let body = json!({"token": token, "new_password": KNOWN});
    let answer = client.api("acme", "password/reset", &body).await;
    assert_eq!(answer.refused(400), "password_rejected");
    let body = json!({"token": token, "new_password": "another long phrase of hers"});
    client.api("acme", "password/reset", &body).await.data();
}

#[test]
fn commands_build_it_check_it_and_refuse_what_it_knows() {
    let desk = Desk::new();
    filter(&desk);
    std::fs::write(
        desk.path().join("countersign.toml"),
        "[passwords]\nbreach_filter = \"filter\"\n",
    )
    .unwrap();
    let verified = desk.run("breached-passwords verify --json").json();
    assert_eq!((&verified["entries"], &verified["min_count"]), (&json!(1), &json!(1)));
    let check = |password: &str| desk.tell("breached-passwords check --json", password).json();
    assert_eq!(check(KNOWN), json!({"list": false, "filter": true, "service": null}));
    assert_eq!(check(PASSWORD), json!({"list": false, "filter": false, "service": null}));
    assert_eq!(check("password1"), json!({"list": true, "filter": false, "service": null}));
    let told = desk.tell("breached-passwords check", KNOWN);
    assert!(told.out.contains("filter") && !told.out.contains("Mond"), "{}", told.out);
    // The database was not touched for any of it.
    assert!(!desk.path().join("countersign.db").exists());
    desk.acme();
    let refused = desk.tell(
        "user create --tenant acme judy@example.com --first-name J --last-name L --password-stdin",
        KNOWN,
    );
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("data breach"), "{}", refused.err);
}

#[test]
fn what_is_no_download_and_what_is_no_filter_is_told() {
    let desk = Desk::new();
    let build =
        |from: &str| desk.run(&format!("breached-passwords build --from {from} --to filter"));
    let mut text = String::new();
    for _ in 0..9 {
        writeln!(text, "{LINE}").unwrap();
    }
    write(&desk, "broken.txt", &format!("{text}{}\n{LINE}\n", &LINE[..20]));
    let answer = build("broken.txt");
    assert_eq!(answer.code, 1);
    let said = "error: broken.txt, line 10: not a SHA-1, a colon and a count\n";
    assert!(answer.err.ends_with(said), "{}", answer.err);
    write(&desk, "empty.txt", "");
    assert!(build("empty.txt").err.contains("there is no line"));
    assert!(build("nowhere.txt").err.contains("nowhere.txt cannot be read: No such file"));
    assert!(!desk.path().join("filter").exists());
    // Standard input, and a folder of ranges with the same line.
    let piped = desk.tell("breached-passwords build --from - --to a", LINE);
    assert_eq!(piped.code, 0, "{}", piped.err);
    std::fs::create_dir(desk.path().join("ranges")).unwrap();
    write(&desk, "ranges/5E798.txt", &LINE[5..].to_lowercase());
    assert_eq!(desk.run("breached-passwords build --from ranges --to b").code, 0);
    let read = |name: &str| std::fs::read(desk.path().join(name)).unwrap();
    assert_eq!(read("a"), read("b"));
    // The server does not start with a filter that is not whole.
    std::fs::write(desk.path().join("a"), &read("b")[..100]).unwrap();
    std::fs::write(desk.path().join("countersign.toml"), "[passwords]\nbreach_filter = \"a\"\n")
        .unwrap();
    for line in ["serve --listen 127.0.0.1:0", "breached-passwords verify"] {
        let answer = desk.run(line);
        assert_eq!(answer.code, 1, "{line}");
        assert!(answer.err.contains("the file is not whole; build it anew"), "{}", answer.err);
    }
}

#[test]
fn a_broken_filter_stops_no_command_but_the_server() {
    let desk = Desk::new();
    desk.acme();
    desk.run("user create --tenant acme judy@example.com --first-name J --last-name L");
    write(&desk, "filter", "no filter");
    write(&desk, "countersign.toml", "[passwords]\nbreach_filter = \"filter\"\n");
    let answer = desk.run("lockdown acme judy@example.com");
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.err.contains("going on without the filter"), "{}", answer.err);
    assert_eq!(desk.run("serve --listen 127.0.0.1:0").code, 1);
}
