//! What `serve --demo` prepares and tells: a tenant, a user, and what to try first.

use std::{fmt::Write as _, io::Write as _, path::Path, sync::Arc};

use serde_json::{Value, json};

use super::output;
use crate::{
    app::App,
    crypto::opaque::Token,
    domain::{
        email::Email,
        password::Password,
        tenant::Slug,
        user::{Name, User},
    },
    error::{Context, Error, Result},
    flows::{
        Caller, Cx,
        tenants::{self, Change},
        users::{self, Credential, New},
    },
};

const SLUG: &str = "acme";
const EMAIL: &str = "ada@example.com";
const SETTINGS: &str = r#"{"registration": {"enabled": true}}"#;

/// Makes the demo's tenant and user where they are missing, and tells what there is, on standard
/// output and in `demo.json`.
///
/// # Errors
/// Where the database or the file fails.
pub(super) async fn prepare(app: &Arc<App>) -> Result<()> {
    let cx = tenant(app).await?;
    let path = app.config.data_dir.join("demo.json");
    let (user, password) = user(&cx, &path).await?;
    let facts = facts(&cx, &user, &password);
    write(&path, &facts)?;
    output::text(&told(&facts))
}

async fn tenant(app: &Arc<App>) -> Result<Cx> {
    let slug = Slug::parse(SLUG).doing("naming the demo's tenant")?;
    let caller = Caller::operator("demo".to_owned());
    if tenants::by_slug(app, &slug).await?.is_none() {
        let change = Change {
            name: Some("Acme".to_owned()),
            settings: Some(serde_json::from_str(SETTINGS).doing("reading the demo's settings")?),
            ..Change::default()
        };
        tenants::create(app, &caller, slug.clone(), change).await?;
    }
    let tenant = tenants::by_slug(app, &slug).await?.ok_or(Error::NotFound)?;
    Ok(Cx { app: Arc::clone(app), tenant, caller: Arc::new(caller), now: app.clock.now() })
}

/// The demo's user; on a kept data folder the one that was told before, with the same password.
async fn user(cx: &Cx, path: &Path) -> Result<(User, String)> {
    let known = match users::show(cx, EMAIL).await {
        Ok(user) => Some(user),
        Err(Error::NotFound) => None,
        Err(other) => return Err(other),
    };
    if let (Some(user), Some(password)) = (&known, told_before(path)) {
        return Ok((user.clone(), password));
    }
    let secret = Token::generate(&cx.app.entropy)?;
    let letters: Vec<char> = secret.expose().chars().filter(char::is_ascii_alphanumeric).collect();
    let groups: Vec<String> = letters.chunks(5).take(4).map(|it| it.iter().collect()).collect();
    let text = groups.join("-");
    let password = Password::parse(&text).doing("making the demo's password")?;
    if let Some(user) = known {
        users::set_password(cx, &user, &password, false).await?;
        return Ok((user, text));
    }
    let new = New {
        email: Email::parse(EMAIL).doing("naming the demo's user")?,
        first_name: Name::parse("Ada").doing("naming the demo's user")?,
        last_name: Name::parse("Lovelace").doing("naming the demo's user")?,
        credential: Some(Credential::Password(password)),
        email_verified: true,
        must_change_password: false,
        locale: None,
    };
    Ok((users::create(cx, new).await?, text))
}

fn told_before(path: &Path) -> Option<String> {
    let facts: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    facts.pointer("/user/password")?.as_str().map(str::to_owned)
}

fn facts(cx: &Cx, user: &User, password: &str) -> Value {
    let base = cx.app.config.public_url.as_str().trim_end_matches('/').to_owned();
    json!({
        "base_url": base,
        "docs_url": format!("{base}/docs/"),
        "mailbox_url": format!("{base}/dev/mailbox"),
        "tenant": {"id": cx.tenant.id.to_string(), "slug": cx.tenant.slug.as_str()},
        "user": {"id": user.id.to_string(), "email": user.email, "password": password},
    })
}

/// The facts hold a password: for the owner's eyes only.
fn write(path: &Path, facts: &Value) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).doing("writing demo.json")?;
    file.write_all(format!("{facts:#}\n").as_bytes()).doing("writing demo.json")
}

fn told(facts: &Value) -> String {
    let text = |pointer: &str| facts.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (base, email, password) = (text("/base_url"), text("/user/email"), text("/user/password"));
    let api = format!("{base}/api/v1/auth/tenants/{}", text("/tenant/slug"));
    let mut out = String::from("\nCountersign is ready to be tried.\n\n");
    for (name, value) in [
        ("API", api.as_str()),
        ("API reference", text("/docs_url")),
        ("Mailbox", text("/mailbox_url")),
        ("Tenant", text("/tenant/slug")),
        ("User", email),
        ("Password", password),
    ] {
        let _ = writeln!(out, "  {name:<15}{value}");
    }
    let _ = write!(
        out,
        "\nSign in:\n\n  curl -s {api}/login \\\n    -H 'Content-Type: application/json' \\\n    \
         -d '{{\"email\": \"{email}\", \"password\": \"{password}\"}}'\n\n\
         Mail lands in the mailbox, not in the world. Stop with Ctrl-C.\n\n"
    );
    out
}
