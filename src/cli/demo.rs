//! What `serve --demo` prepares and tells: a tenant where people may register, a user with a fresh
//! password, applications (see [`applications`]), and where to find everything.
//!
//! The facts are also in `demo.json` in the data folder, for programs. On a folder that is kept,
//! a second start finds all of it as it is and tells the same password and secrets again.

mod applications;

use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use self::applications::DemoApplications;
use super::output;
use crate::{
    app::App,
    domain::{email::Email, password::Password, settings::SettingsLayer, tenant::Slug, user::Name},
    entropy::Entropy,
    error::{Context, Error, Result},
    flows::{
        Caller, Cx, fresh_id,
        tenants::{self, Change},
        users::{self, Credential, New},
    },
    id::RequestId,
    mail::Mailer,
};

const TENANT: &str = "acme";
const EMAIL: &str = "ada@example.com";

/// What becomes of the data when the demo ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was made for this run and goes with it.
    Temporary,
    /// It is in a folder that was named.
    Kept,
}

/// What the demo consists of, as `demo.json` has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Demo {
    base_url: String,
    tenant: DemoTenant,
    user: DemoUser,
    applications: DemoApplications,
    /// Absent where an SMTP server takes the mail.
    mailbox_url: Option<String>,
    docs_url: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct DemoTenant {
    id: String,
    slug: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct DemoUser {
    id: String,
    email: String,
    password: String,
}

impl std::fmt::Debug for DemoUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DemoUser")
    }
}

/// Makes the demo's tenant, user and applications where they are missing, once the database is open.
///
/// # Errors
/// Where the database fails.
pub(super) async fn prepare(app: &Arc<App>) -> Result<Demo> {
    let cx = tenant(app).await?;
    let user = user(&cx).await?;
    let applications = applications::prepare(&cx).await?;
    let base_url = app.config.public_url.as_str().trim_end_matches('/').to_owned();
    let is_mailbox = matches!(app.mailer, Mailer::Mailbox(_));
    Ok(Demo {
        tenant: DemoTenant { id: cx.tenant.id.to_string(), slug: TENANT.to_owned() },
        user,
        applications,
        mailbox_url: is_mailbox.then(|| format!("{base_url}/dev/mailbox")),
        docs_url: format!("{base_url}/docs/"),
        base_url,
    })
}

/// Writes the demo's facts to `demo.json` and tells them, once requests are taken.
///
/// # Errors
/// Where the file or standard output cannot be written.
pub(super) fn tell(app: &App, demo: &Demo, fate: Fate) -> Result<()> {
    let path = path(app);
    let text = serde_json::to_string_pretty(demo).doing("writing the demo's facts")?;
    write(&path, &(text + "\n")).doing("writing demo.json")?;
    output::text(&told(demo, &path, fate))
}

fn path(app: &App) -> PathBuf {
    app.config.data_dir.join("demo.json")
}

async fn tenant(app: &Arc<App>) -> Result<Cx> {
    let request: RequestId = fresh_id(&app.entropy, app.clock.now())?;
    let caller = Caller::operator(request.to_string());
    let slug = Slug::parse(TENANT).doing("naming the demo's tenant")?;
    if tenants::by_slug(app, &slug).await?.is_none() {
        let mut settings = SettingsLayer::default();
        settings.registration.enabled = Some(true);
        let change =
            Change { name: Some("Acme".to_owned()), settings: Some(settings), ..Change::default() };
        tenants::create(app, &caller, slug.clone(), change).await?;
    }
    let tenant = tenants::by_slug(app, &slug).await?.ok_or(Error::NotFound)?;
    Ok(Cx { app: Arc::clone(app), tenant, caller: Arc::new(caller), now: app.clock.now() })
}

async fn user(cx: &Cx) -> Result<DemoUser> {
    let user = match users::show(cx, EMAIL).await {
        Ok(user) => Some(user),
        Err(Error::NotFound) => None,
        Err(other) => return Err(other),
    };
    let kept = kept::<DemoUser>(&cx.app, "user");
    let same = |it: &DemoUser| user.as_ref().is_some_and(|user| user.id.to_string() == it.id);
    if let Some(kept) = kept.filter(same) {
        return Ok(kept);
    }
    let text = password(&cx.app.entropy)?;
    let password = Password::parse(&text).doing("making a password")?;
    let id = match user {
        Some(user) => {
            users::set_password(cx, &user, &password, false).await?;
            user.id
        }
        None => users::create(cx, ada(password)?).await?.id,
    };
    Ok(DemoUser { id: id.to_string(), email: EMAIL.to_owned(), password: text })
}

/// What an earlier run told under a name.
fn kept<T: DeserializeOwned>(app: &App, name: &str) -> Option<T> {
    let text = fs::read_to_string(path(app)).ok()?;
    let mut facts: Value = serde_json::from_str(&text).ok()?;
    serde_json::from_value(facts.get_mut(name)?.take()).ok()
}

fn ada(password: Password) -> Result<New> {
    Ok(New {
        email: Email::parse(EMAIL).doing("naming the demo's user")?,
        first_name: Name::parse("Ada").doing("naming the demo's user")?,
        last_name: Name::parse("Lovelace").doing("naming the demo's user")?,
        credential: Some(Credential::Password(password)),
        email_verified: true,
        must_change_password: false,
        locale: None,
    })
}

/// A password that can be read aloud: six groups such as `lusab`, 96 random bits. Without an `e`
/// no policy finds the tenant's or the user's name in it.
fn password(entropy: &Entropy) -> Result<String> {
    const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
    const VOWELS: &[u8; 4] = b"aiou";
    let draw = |letters: &[u8], number: u16| {
        let at = usize::from(number) % letters.len();
        letters.get(at).copied().map_or('x', char::from)
    };
    let groups = entropy
        .bytes::<12>()?
        .chunks_exact(2)
        .map(|pair| {
            let bits = pair.iter().fold(0, |bits: u16, byte| (bits << 8) | u16::from(*byte));
            [
                draw(CONSONANTS, bits),
                draw(VOWELS, bits >> 4),
                draw(CONSONANTS, bits >> 6),
                draw(VOWELS, bits >> 10),
                draw(CONSONANTS, bits >> 12),
            ]
            .iter()
            .collect::<String>()
        })
        .collect::<Vec<_>>();
    Ok(groups.join("-"))
}

/// Writes a file that only we may read, whole or not at all.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("json.new");
    match fs::remove_file(&new) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path)
}

fn told(demo: &Demo, path: &Path, fate: Fate) -> String {
    let Demo { base_url, tenant, user, applications, mailbox_url, docs_url } = demo;
    let mailbox = mailbox_url.as_deref().unwrap_or("none: mail leaves by SMTP");
    let auth = format!("{base_url}/api/v1/auth/tenants/{}", tenant.slug);
    let fate = match fate {
        Fate::Temporary => "All data is temporary: it is gone when you stop the server.".to_owned(),
        Fate::Kept => "The data is kept: start again with the same --data to go on.".to_owned(),
    };
    format!(
        "
Countersign is running as a demo. Ctrl+C stops it.

  Server      {base_url}
  API docs    {docs_url}
  Mailbox     {mailbox}

  Tenant      {slug}
  E-mail      {email}
  Password    {password}

Sign in, from another terminal:

  curl -i {auth}/login \\
    -H 'Content-Type: application/json' \\
    -d '{{\"email\":\"{email}\",\"password\":\"{password}\"}}'

Get an access token for the program \"{service_name}\":

  curl {auth}/oauth/token \\
    -u {service} \\
    -d grant_type=client_credentials -d scope=users:read

People may register too: POST to {auth}/register,
then confirm the address by the mail in the mailbox.

{fate}
For programs, all of this is in {path}

",
        slug = tenant.slug,
        email = user.email,
        password = user.password,
        service_name = applications::SERVICE,
        service = applications.service.credentials(),
        path = path.display(),
    )
}

#[cfg(test)]
mod tests;
