//! The commands, run as an operator runs them: the program itself, standard input, exit codes.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::PASSWORD;

/// A data folder, and what is typed there.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

/// What a command answered.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// Standard output as JSON, of a command that succeeded.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(line.split_whitespace()).arg("--data").arg(self.path());
        // Neither a settings file nor variables of whoever runs the tests.
        command.current_dir(self.path()).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Answer {
        self.tell(line, "")
    }

    /// Runs a command with `input` on its standard input.
    pub(crate) fn tell(&self, line: &str, input: &str) -> Answer {
        let mut child = self.command(line).spawn().unwrap();
        // A command that is refused earlier does not read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let done = child.wait_with_output().unwrap();
        Answer {
            code: done.status.code().unwrap(),
            out: String::from_utf8(done.stdout).unwrap(),
            err: String::from_utf8(done.stderr).unwrap(),
        }
    }

    /// A tenant and a user, whose id it returns.
    pub(crate) fn acme(&self) -> String {
        self.run("tenant create acme --json").json();
        let user = self.tell(
            "user create --tenant acme eve@example.com --first-name Eve --last-name L \
             --password-stdin --json",
            PASSWORD,
        );
        user.json().pointer("/id").and_then(Value::as_str).unwrap().to_owned()
    }
}

/// A running `serve --demo`, killed when the test ends.
struct Demo {
    child: Child,
    facts: Value,
    told: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Demo {
    fn start(desk: &Desk) -> Self {
        let mut command = desk.command("serve --demo --listen 127.0.0.1:0");
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = String::new();
        while !told.contains("demo.json") {
            told.push_str(&lines.next().expect("the demo ended").unwrap());
            told.push('\n');
        }
        let facts = std::fs::read_to_string(desk.path().join("demo.json")).unwrap();
        Self { child, facts: serde_json::from_str(&facts).unwrap(), told }
    }

    fn fact(&self, pointer: &str) -> &str {
        self.facts.pointer(pointer).and_then(Value::as_str).unwrap()
    }
}

#[test]
fn a_wrong_setting_is_named_and_nothing_is_made() {
    let desk = Desk::new();
    for (flag, name, allowed) in [
        ("--set registration.enabled=hunter2", "registration.enabled", "must be a boolean"),
        ("--set registration.nope=1", "registration.nope", "there is no such setting"),
        ("--set password_policy.min_length=3", "password_policy.min_length", "8 to 256"),
        ("--branding primary_color=hunter2", "branding.primary_color", "#rrggbb"),
        ("--contact-email hunter2", "contact_email", "an e-mail address"),
    ] {
        let answer = desk.run(&format!("tenant create acme {flag}"));
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{flag}");
        assert!(answer.err.starts_with(&format!("error: {name}: {allowed}")), "{}", answer.err);
        assert!(!answer.err.contains("hunter2"), "{}", answer.err);
    }
    assert_eq!(desk.run("tenant list --json").json(), json!([]));
}

#[test]
fn a_tenant_is_made_changed_suspended_and_deleted() {
    let desk = Desk::new();
    let made = desk.run("tenant create acme --set registration.enabled=true --json").json();
    assert_eq!((&made["slug"], &made["name"]), (&json!("acme"), &json!("acme")));
    assert_eq!(made["settings"]["registration"], json!({ "enabled": true }));
    assert_eq!(desk.run("tenant create acme").err, "error: slug taken\n");
    assert_eq!(desk.run("tenant update acme").code, 1);

    let line = "tenant update acme --set mfa.required=true --unset registration.enabled --json";
    let changed = desk.run(line).json();
    assert_eq!(changed["settings"]["registration"], json!({}));
    assert_eq!(changed["settings"]["mfa"], json!({ "required": true }));
    assert_eq!(desk.run("tenant suspend acme --json").json()["status"], "suspended");
    // Somebody has to be able to act on a suspended one.
    assert_eq!(desk.run("user list --tenant acme --json").json(), json!([]));
    assert_eq!(desk.run("tenant activate acme --json").json()["status"], "active");

    let unsure = desk.run("tenant delete acme");
    assert_eq!(unsure.code, 1);
    assert!(unsure.err.contains("--yes"), "{}", unsure.err);
    assert_eq!(desk.run("tenant show acme").code, 0);
    assert_eq!(desk.run("tenant delete acme --yes --json").json()["deleted"], made["id"]);
    assert_eq!(desk.run("tenant show acme").err, "error: tenant not found\n");
    assert_ne!(desk.run("tenant create acme --json").json()["id"], made["id"]);
}

#[test]
fn a_user_is_made_with_a_password_suspended_and_deleted() {
    let desk = Desk::new();
    let id = desk.acme();
    let list = desk.run("user list --tenant acme --json").json();
    let user = &list[0];
    assert_eq!(list.as_array().unwrap().len(), 1);
    for (field, value) in [
        ("id", json!(id)),
        ("email", json!("eve@example.com")),
        ("first_name", json!("Eve")),
        ("last_name", json!("L")),
        ("status", json!("active")),
        ("locale", Value::Null),
        ("identity_source", json!("local")),
        ("must_change_password", json!(false)),
    ] {
        assert_eq!(user[field], value, "{field}");
    }
    assert!(user["created_at"].as_str().unwrap().ends_with('Z'));
    assert!(user["email_verified_at"].is_string());

    let of = |verb: &str| desk.run(&format!("user {verb} --tenant acme Eve@EXAMPLE.com --json"));
    assert_eq!(of("show").json()["id"], json!(id));
    assert_eq!(of("suspend").json()["status"], "suspended");
    assert_eq!(desk.run(&format!("user activate --tenant acme {id}")).code, 0);
    assert_eq!(of("show").json()["status"], "active");
    assert_eq!(of("delete").code, 1);
    assert_eq!(of("delete --yes").json()["deleted"], json!(id));
    assert_eq!(of("show").err, "error: user not found\n");
    let again = desk.run(
        "user create --tenant acme eve@example.com --first-name A --last-name L --unverified --json",
    );
    assert_ne!(again.json()["id"], json!(id));
    assert_eq!(again.json()["email_verified_at"], Value::Null);
}

#[test]
fn what_cannot_be_a_user_is_named() {
    let desk = Desk::new();
    desk.acme();
    let create = |flags: &str, input: &str| {
        let line = format!("user create --tenant acme {flags}");
        let answer = desk.tell(&line, input);
        assert_eq!(answer.code, 1, "{line}");
        assert!(!answer.err.contains("hunter2"), "{}", answer.err);
        answer.err
    };
    let named = "bob@example.com --first-name B --last-name B";
    let short = create(&format!("{named} --password-stdin"), "hunter2\n");
    assert!(short.contains("password rejected: The password needs at least 15"), "{short}");
    let hash = create(&format!("{named} --password-hash-stdin"), "$hunter2$\n");
    assert!(hash.starts_with("error: password_hash: "), "{hash}");
    let empty = create(&format!("{named} --password-hash-stdin"), "");
    assert!(empty.starts_with("error: password_hash: "), "{empty}");
    let email = create("hunter2 --first-name B --last-name B", "");
    assert!(email.starts_with("error: email: "), "{email}");
    let locale = create(&format!("{named} --locale hunter2"), "");
    assert!(locale.starts_with("error: locale: must be en, de, fr, es, ja or ar"), "{locale}");
    let taken = create("eve@example.com --first-name B --last-name B", "");
    assert_eq!(taken, "error: user exists\n");
}

/// Passwords that were given on standard input, in clear or as another system's hash, are those
/// that sign-in takes.
#[test]
fn a_password_and_an_imported_hash_open_the_account() {
    let desk = Desk::new();
    desk.acme();
    let hash = bcrypt::hash_with_salt(PASSWORD, 5, [7; 16]).unwrap().to_string();
    let made = desk.tell(
        "user create --tenant acme bob@example.com --first-name B --last-name B \
         --password-hash-stdin --json",
        &format!("{hash}\n"),
    );
    made.json();
    let server = Demo::start(&desk);
    for email in ["eve@example.com", "bob@example.com"] {
        assert_eq!(login(&server, email, PASSWORD), 200, "{email}");
        assert_eq!(login(&server, email, "incorrect horse battery staple"), 401, "{email}");
    }
    // Beside the running server.
    let sessions = desk.run("session list --tenant acme bob@example.com --json").json();
    let session = sessions[0]["id"].as_str().unwrap().to_owned();
    let end = |what: &str| desk.run(&format!("session end --tenant acme {what} --json"));
    assert_eq!(end(&session).json(), json!({ "ended": 1 }));
    assert_eq!(end(&session).err, "error: session not found\n");
    assert_eq!(end("--user eve@example.com").json(), json!({ "ended": 1 }));
    let line = "user set-password --tenant acme bob@example.com --password-stdin";
    assert_eq!(desk.tell(line, "another horse battery staple\n").code, 0);
    assert_eq!(login(&server, "bob@example.com", PASSWORD), 401);
    assert_eq!(login(&server, "bob@example.com", "another horse battery staple"), 200);
}

#[test]
fn the_audit_trail_is_listed_and_shows_when_it_was_touched() {
    let desk = Desk::new();
    desk.acme();
    let events = desk.run("audit list --tenant acme --json").json();
    assert_eq!(events[0]["action"], "user.created");
    assert_eq!(events[0]["actor_type"], "operator");
    assert_eq!(events[1]["action"], "tenant.created");
    assert_eq!(events[1]["detail"], json!({ "slug": "acme" }));

    let check = desk.run("audit verify --all --json").json();
    assert_eq!((&check[0]["rows"], &check[0]["whole"]), (&json!(2), &json!(true)));
    let kept = format!("2:{}", check[0]["mark"].as_str().unwrap());
    desk.run("user suspend --tenant acme eve@example.com");
    let expect = |kept: &str| {
        let answer = desk.run(&format!("audit verify --tenant acme --expect {kept}"));
        (answer.code, answer.out)
    };
    assert_eq!(expect(&kept).0, 0);
    assert_eq!(expect(&kept.replace("2:", "1:")).0, 1);
    let (code, out) = expect(&kept.replace("2:", "9:"));
    assert!(code == 1 && out.contains("broken at row 4"), "{out}");
    assert_eq!(desk.run("audit verify").code, 2);
}

#[test]
fn how_far_the_database_is_can_be_asked_without_touching_it() {
    let desk = Desk::new();
    let status = desk.run("migrate --status --json").json();
    assert_eq!(status["applied"], json!([]));
    assert_eq!(status["pending"][0]["name"], "foundation");
    assert_eq!(std::fs::read_dir(desk.path()).unwrap().count(), 0);
    assert_eq!(desk.run("migrate").code, 0);
    let status = desk.run("migrate --status --json").json();
    assert_eq!(status["applied"][0]["version"], 1);
    assert_eq!(status["pending"], json!([]));
}

#[test]
fn the_api_document_and_its_pages_need_no_database() {
    let desk = Desk::new();
    assert_eq!(desk.run("openapi").json()["info"]["title"], "Countersign");
    let pages = desk.run("api-reference --out pages/api");
    assert!(pages.out.contains("pages/api/README.md"), "{}", pages.out);
    let index = std::fs::read_to_string(desk.path().join("pages/api/README.md")).unwrap();
    assert!(index.contains("/login"));
    assert_eq!(std::fs::read_dir(desk.path()).unwrap().count(), 1);
}

#[test]
fn the_demo_tells_what_is_true_and_tells_it_again_on_a_kept_folder() {
    use std::os::unix::fs::PermissionsExt as _;

    let desk = Desk::new();
    let first = Demo::start(&desk);
    assert_eq!(login(&first, first.fact("/user/email"), first.fact("/user/password")), 200);
    let base = first.fact("/base_url").to_owned();
    assert!(!base.ends_with(":0") && !base.ends_with('/'), "{base}");
    assert_eq!(first.fact("/mailbox_url"), format!("{base}/dev/mailbox"));
    assert_eq!(first.fact("/docs_url"), format!("{base}/docs/"));
    assert_eq!(first.fact("/tenant/slug"), "acme");
    for told in ["/base_url", "/user/email", "/user/password", "/mailbox_url", "/docs_url"] {
        assert!(first.told.contains(first.fact(told)), "{told} in {}", first.told);
    }
    let path = desk.path().join("demo.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (tenant, user) = (first.facts["tenant"].clone(), first.facts["user"].clone());
    let applications = first.facts["applications"].clone();
    let service = &applications["service"];
    let credentials = ["client_id", "client_secret"].map(|field| service[field].as_str().unwrap());
    assert!(first.told.contains(&format!("-u {}", credentials.join(":"))), "{}", first.told);
    drop(first);

    let second = Demo::start(&desk);
    assert_eq!((&second.facts["tenant"], &second.facts["user"]), (&tenant, &user));
    assert_eq!(second.facts["applications"], applications);
    assert_eq!(login(&second, second.fact("/user/email"), second.fact("/user/password")), 200);
    drop(second);

    // Nobody can tell the old password any more, so there is a new one.
    std::fs::remove_file(path).unwrap();
    let third = Demo::start(&desk);
    assert_eq!(third.facts["user"]["id"], user["id"]);
    for name in ["service", "platform", "web", "spa"] {
        let (now, before) = (&third.facts["applications"][name], &applications[name]);
        assert_eq!(now["client_id"], before["client_id"], "{name}");
        let is_public = name == "spa";
        assert_eq!(now["client_secret"].is_null(), is_public, "{name}");
        assert_eq!(now["client_secret"] == before["client_secret"], is_public, "{name}");
    }
    assert_ne!(third.facts["user"]["password"], user["password"]);
    assert_eq!(login(&third, third.fact("/user/email"), third.fact("/user/password")), 200);
}

/// The status of a sign-in at a running server.
fn login(server: &Demo, email: &str, password: &str) -> u16 {
    use std::io::Read as _;

    let body = json!({ "email": email, "password": password }).to_string();
    let host = server.fact("/base_url").trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let head = format!(
        "POST /api/v1/auth/tenants/acme/login HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn second_factors_are_listed_and_taken_away() {
    let desk = Desk::new();
    let id = desk.acme();
    let of = "--tenant acme eve@example.com";
    assert_eq!(desk.run(&format!("user factors list {of} --json")).json(), json!([]));
    let refused = desk.run(&format!("user factors reset {of}"));
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("say --yes"), "{}", refused.err);
    let reset = desk.run(&format!("user factors reset {of} --yes --json"));
    assert_eq!(reset.json(), json!({ "reset": id }));
    let trail = desk.run("audit list --tenant acme --json");
    assert!(trail.out.contains("user.mfa.removed"), "{}", trail.out);
    let nobody = desk.run("user factors list --tenant acme nobody@example.com");
    assert_eq!(nobody.code, 1);
}

#[test]
fn an_application_is_made_changed_and_deleted() {
    let desk = Desk::new();
    desk.acme();
    let create = "app create --tenant acme --type web --name Orders --json \
                  --redirect-uri https://a.test/cb --redirect-uri https://a.test/cb2 \
                  --post-logout-redirect-uri https://a.test/ --scope openid --scope orders:read \
                  --origin https://a.test --grant authorization_code --token-lifetime 600 \
                  --auth-method client_secret_post";
    let made = desk.run(create).json();
    let id = made["client_id"].as_str().unwrap();
    let secret = made["client_secret"].as_str().unwrap();
    assert_eq!(secret.len(), 43);
    for (field, value) in [
        ("type", json!("WEB")),
        ("scope", json!("TENANT")),
        ("status", json!("active")),
        ("name", json!("Orders")),
        ("redirect_uris", json!(["https://a.test/cb", "https://a.test/cb2"])),
        ("post_logout_redirect_uris", json!(["https://a.test/"])),
        ("allowed_scopes", json!(["openid", "orders:read"])),
        ("allowed_origins", json!(["https://a.test"])),
        ("grant_types", json!(["authorization_code"])),
        ("token_lifetime", json!(600)),
        ("token_endpoint_auth_method", json!("client_secret_post")),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    let of =
        |verb: &str, rest: &str| desk.run(&format!("app {verb} --tenant acme {id} {rest} --json"));
    let shown = of("show", "");
    assert!(!shown.out.contains(secret) && shown.json().get("client_secret").is_none());
    let line = format!("app update --tenant acme {id} --metadata - --name Sales --json");
    let changed = desk.tell(&line, r#"{"token_lifetime": null, "first_party": false}"#).json();
    assert_eq!(changed["name"], "Sales");
    assert_eq!((changed.get("token_lifetime"), &changed["first_party"]), (None, &json!(false)));
    let wrong = desk.tell(&line, r#"{"frist_party": "hunter2", "profile": "hunter2"}"#);
    assert!(wrong.err.contains("frist_party: there is no such field"), "{}", wrong.err);
    assert!(!wrong.err.contains("hunter2"), "{}", wrong.err);
    assert_eq!(of("update", "").code, 1, "there is nothing to change");

    let rotated = of("rotate-secret", "--overlap 60").json();
    assert_ne!(rotated["client_secret"], json!(secret));
    assert!(rotated["previous_secret_expires_at"].is_string());
    assert!(
        of("rotate-secret", "--revoke-previous").json()["previous_secret_expires_at"].is_null()
    );
    assert_eq!(of("disable", "").json()["status"], "disabled");
    assert_eq!(of("enable", "").json()["status"], "active");
    assert_eq!(desk.run("app list --tenant acme --json").json()[0]["client_id"], json!(id));
    assert_eq!(desk.run(&format!("app show --global {id}")).err, "error: application not found\n");
    assert_eq!(of("delete", "").code, 1, "nobody agreed");
    assert_eq!(of("delete", "--yes").json(), json!({ "deleted": id }));
    assert_eq!(desk.run("app list --tenant acme --json").json(), json!([]));
}

#[test]
fn an_application_is_of_a_tenant_a_partner_or_the_platform() {
    let desk = Desk::new();
    desk.acme();
    for (owner, scope) in
        [("--tenant acme", "TENANT"), ("--partner house", "PARTNER"), ("--global", "GLOBAL")]
    {
        let line = format!("app create {owner} --type service --name S --json");
        let made = desk.run(&line).json();
        assert_eq!((&made["scope"], &made["allowed_scopes"]), (&json!(scope), &json!([])));
        assert_eq!(
            desk.run(&format!("app list {owner} --json")).json().as_array().unwrap().len(),
            1
        );
    }
    assert_eq!(desk.run("app list").code, 2, "whose is not said");
    assert_eq!(desk.run("app list --tenant acme --global").code, 2);
    assert_eq!(desk.run("app list --partner nobody").err, "error: partner not found\n");
    let told = desk.run("app create --tenant acme --type spa --name Page");
    assert!(told.out.contains("none") && !told.out.contains("client_secret "), "{}", told.out);
    let secret = desk.run("app create --tenant acme --type web --name Page");
    assert!(secret.out.contains("(not shown again)"), "{}", secret.out);
    let twice = desk.run("app create --tenant acme --type spa --name P --auth-method hunter2");
    assert!(
        twice.err.starts_with("error: token_endpoint_auth_method: must be one of"),
        "{}",
        twice.err
    );
    assert!(!twice.err.contains("hunter2"));
}

#[test]
fn the_demo_has_an_application_of_each_kind() {
    let desk = Desk::new();
    let demo = Demo::start(&desk);
    let id = |name: &str| demo.fact(&format!("/applications/{name}/client_id")).to_owned();
    let show =
        |owner: &str, name: &str| desk.run(&format!("app show {owner} {} --json", id(name))).json();
    let service = show("--tenant acme", "service");
    assert_eq!(service["type"], "SERVICE");
    let scopes = json!(["openid", "profile", "email", "users:read", "files:read"]);
    assert_eq!(service["allowed_scopes"], scopes);
    let platform = show("--global", "platform");
    assert_eq!((&platform["type"], &platform["scope"]), (&json!("SERVICE"), &json!("GLOBAL")));
    assert_eq!(platform["allowed_scopes"], json!(["admin:read", "admin:write"]));
    let web = show("--tenant acme", "web");
    assert_eq!(web["type"], "WEB");
    assert!(web["allowed_scopes"].as_array().unwrap().contains(&json!("offline_access")));
    assert_eq!(web["redirect_uris"], json!(["http://localhost:3000/callback"]));
    assert_eq!(web["post_logout_redirect_uris"], json!(["http://localhost:3000/"]));
    let spa = show("--tenant acme", "spa");
    assert_eq!((&spa["type"], &spa["token_endpoint_auth_method"]), (&json!("SPA"), &json!("none")));
    assert_eq!(spa["allowed_origins"], json!(["http://localhost:5173"]));
    let told = &demo.facts["applications"];
    for name in ["service", "platform", "web", "spa"] {
        assert_eq!(told[name].as_object().unwrap().len(), 3, "{name}");
    }
    assert_eq!(told["web"]["redirect_uris"], web["redirect_uris"]);
    assert_eq!(told["spa"]["redirect_uris"], spa["redirect_uris"]);
    assert_eq!(told["spa"]["client_secret"], Value::Null);
}

#[test]
fn a_registration_token_is_made_listed_and_revoked() {
    let desk = Desk::new();
    desk.acme();
    let line = "app registration-token create --tenant acme --uses 3 --expires 7 --json";
    let made = desk.run(line).json();
    assert_eq!((made["token"].as_str().unwrap().len(), &made["uses_left"]), (43, &json!(3)));
    let listed = desk.run("app registration-token list --tenant acme --json");
    assert_eq!(listed.json()[0]["id"], made["id"]);
    assert!(!listed.out.contains(made["token"].as_str().unwrap()));
    let id = made["id"].as_str().unwrap();
    let revoke = || desk.run(&format!("app registration-token revoke --tenant acme {id}"));
    assert_eq!(revoke().code, 0);
    assert_eq!(revoke().err, "error: registration token not found\n");
    for wrong in ["--uses 0", "--uses 1001", "--expires 0", "--expires 366"] {
        let line = format!("app registration-token create --tenant acme {wrong}");
        assert_eq!(desk.run(&line).code, 1, "{wrong}");
    }
}
