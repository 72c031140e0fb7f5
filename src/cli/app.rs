//! `countersign app …`: applications, made and changed by an operator.

mod tokens;

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::{
    AppChange, AppCommand, AppOf, Failure, OwnerOf,
    operator::{Operator, confirm, facts, or_dash, parse_slug},
    output::Table,
};
use crate::{
    domain::application::{Application, ApplicationType, GRANTS, Owner},
    error::{Context, Error, Result},
    flows::{
        applications::{
            Registered,
            manage::{self, By, Change, Issued, New},
        },
        tenants,
    },
};

/// Bytes of a metadata file, at most.
const LONGEST_FILE: u64 = 256 * 1024;

/// Runs one command on applications.
///
/// # Errors
/// What the use case answers: values that are not allowed, an application, tenant or partner that
/// is not there, or a fault of the database.
pub(super) async fn run(operator: &Operator, command: AppCommand) -> Result<(), Failure> {
    let (app, by) = (&operator.app, By::operator(&operator.caller));
    match command {
        AppCommand::Create { owner, kind, change } => {
            let owner = owner_of(operator, &owner).await?;
            let name = change.name.clone();
            let name =
                name.ok_or_else(|| Failure::No("give the application a --name".to_owned()))?;
            let kind = ApplicationType::from_name(&kind)
                .ok_or_else(|| Error::invalid_field("type", "web, service, spa or native"))?;
            let new = New { owner, kind, name, metadata: read(&change)? };
            issued(operator, &manage::create(app, by, new).await?)
        }
        AppCommand::List { owner } => list(operator, owner_of(operator, &owner).await?).await,
        AppCommand::Show(of) => {
            let owner = owner_of(operator, &of.owner).await?;
            show(operator, &manage::show(app, owner, &of.client_id).await?)
        }
        AppCommand::Update { app: of, change } => {
            let owner = owner_of(operator, &of.owner).await?;
            let change = Change { name: change.name.clone(), metadata: read(&change)? };
            if change.name.is_none() && change.metadata.is_empty() {
                return Err(Failure::No("nothing to change: give --name or metadata".to_owned()));
            }
            show(operator, &manage::update(app, by, (owner, &of.client_id), change).await?)
        }
        AppCommand::RotateSecret { app: of, overlap, revoke_previous } => {
            let of = (owner_of(operator, &of.owner).await?, of.client_id.as_str());
            if revoke_previous {
                return show(operator, &manage::revoke_previous_secret(app, by, of).await?);
            }
            let overlap = Duration::from_secs(overlap);
            issued(operator, &manage::rotate_secret(app, by, of, overlap).await?)
        }
        AppCommand::RegistrationToken(command) => tokens::run(operator, command).await,
        AppCommand::Enable(of) => set_active(operator, &of, true).await,
        AppCommand::Disable(of) => set_active(operator, &of, false).await,
        AppCommand::Delete { app: of, yes } => {
            let owner = owner_of(operator, &of.owner).await?;
            let found = manage::show(app, owner, &of.client_id).await?.application;
            confirm(yes, &format!("deletes the application {}", found.name))?;
            manage::delete(app, by, (owner, &of.client_id)).await?;
            let json = json!({ "deleted": found.client_id });
            operator.say(&format!("Deleted the application {}.", found.name), &json)
        }
    }
}

async fn set_active(operator: &Operator, of: &AppOf, is_active: bool) -> Result<(), Failure> {
    let owner = owner_of(operator, &of.owner).await?;
    let by = By::operator(&operator.caller);
    let changed = manage::set_active(&operator.app, by, (owner, &of.client_id), is_active).await?;
    show(operator, &changed)
}

/// Whose applications the flags mean.
async fn owner_of(operator: &Operator, of: &OwnerOf) -> Result<Owner, Failure> {
    if let Some(slug) = &of.tenant {
        return Ok(Owner::Tenant(operator.cx(slug).await?.tenant.id));
    }
    let Some(slug) = &of.partner else { return Ok(Owner::Platform) };
    let partner = tenants::partner(&operator.app, &parse_slug(slug)?).await?;
    partner.map(Owner::Partner).ok_or_else(|| Failure::No("partner not found".to_owned()))
}

/// The metadata that the flags ask for: that of the file, and over it that of the flags.
fn read(change: &AppChange) -> Result<Map<String, Value>> {
    let mut metadata = match &change.metadata {
        Some(path) => file(path)?,
        None => Map::new(),
    };
    let lists = [
        ("redirect_uris", &change.redirect_uri),
        ("post_logout_redirect_uris", &change.post_logout_redirect_uri),
        ("allowed_scopes", &change.scope),
        ("allowed_origins", &change.origin),
        ("grant_types", &change.grant),
    ];
    for (field, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        metadata.insert(field.to_owned(), json!(list));
    }
    if let Some(method) = &change.auth_method {
        metadata.insert("token_endpoint_auth_method".to_owned(), json!(method));
    }
    if let Some(seconds) = change.token_lifetime {
        metadata.insert("token_lifetime".to_owned(), json!(seconds));
    }
    Ok(metadata)
}

fn file(path: &Path) -> Result<Map<String, Value>> {
    let refuse = |said: String| Error::invalid_field("--metadata", said);
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(LONGEST_FILE).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
    };
    read.map_err(|it| refuse(format!("cannot be read: {it}")))?;
    let value: Value =
        serde_json::from_str(&text).map_err(|it| refuse(format!("is not JSON: {it}")))?;
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(refuse("must be a JSON object".to_owned())),
    }
}

async fn list(operator: &Operator, owner: Owner) -> Result<(), Failure> {
    let mut table = Table::new(&["client_id", "name", "type", "status", "origin", "created"]);
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = manage::list(&operator.app, owner, after).await?;
        let Some(last) = page.last() else { break };
        after = last.application.id.to_string();
        for registered in &page {
            let it = &registered.application;
            table.row([
                it.client_id.clone(),
                it.name.clone(),
                it.kind.as_str().to_owned(),
                status(it).to_owned(),
                it.origin.as_str().to_owned(),
                it.created_at.rfc3339(),
            ]);
            all.push(Value::Object(json_of(registered)?));
        }
    }
    operator.print(&table, &Value::Array(all))
}

fn show(operator: &Operator, registered: &Registered) -> Result<(), Failure> {
    let json = json_of(registered)?;
    operator.print(&table_of(registered, &json), &Value::Object(json))
}

/// An application and its new secret, which is nowhere to be had again.
fn issued(operator: &Operator, issued: &Issued) -> Result<(), Failure> {
    let mut json = json_of(&issued.registered)?;
    let mut table = table_of(&issued.registered, &json);
    let secret = issued.secret.as_ref().map(|secret| secret.expose().to_owned());
    if let Some(secret) = &secret {
        let row = ["client_secret".to_owned(), format!("{secret} (not shown again)")];
        table.rows.insert(1, row.to_vec());
    }
    json.insert("client_secret".to_owned(), json!(secret));
    operator.print(&table, &Value::Object(json))
}

fn status(application: &Application) -> &'static str {
    if application.is_active { "active" } else { "disabled" }
}

fn table_of(registered: &Registered, json: &Map<String, Value>) -> Table {
    let it = &registered.application;
    let mut table = facts([
        ("client_id", it.client_id.clone()),
        ("name", it.name.clone()),
        ("type", it.kind.as_str().to_owned()),
        ("scope", it.owner.scope().to_owned()),
        ("status", status(it).to_owned()),
        ("origin", it.origin.as_str().to_owned()),
        ("created_at", it.created_at.rfc3339()),
        ("updated_at", it.updated_at.rfc3339()),
        ("secret_created_at", or_dash(registered.secrets.present.map(|it| it.1.rfc3339()))),
        (
            "previous_secret_expires_at",
            or_dash(registered.secrets.previous.map(|it| it.1.rfc3339())),
        ),
    ]);
    let known: Vec<String> = table.rows.iter().filter_map(|row| row.first().cloned()).collect();
    for (name, value) in json.iter().filter(|(name, _)| !known.contains(name)) {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
            }
            other => other.to_string(),
        };
        table.row([name.clone(), text]);
    }
    table
}

/// The application with its metadata; grants, scopes and the way to authenticate as they take
/// effect.
fn json_of(registered: &Registered) -> Result<Map<String, Value>> {
    let it = &registered.application;
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| {
        all.insert(name.to_owned(), value);
    };
    put("client_id", json!(it.client_id));
    put("name", json!(it.name));
    put("type", json!(it.kind.as_str()));
    put("scope", json!(it.owner.scope()));
    put("status", json!(status(it)));
    put("origin", json!(it.origin.as_str()));
    put("created_at", json!(it.created_at.rfc3339()));
    put("updated_at", json!(it.updated_at.rfc3339()));
    let secrets = &registered.secrets;
    put("secret_created_at", json!(secrets.present.map(|(_, at)| at.rfc3339())));
    put("previous_secret_expires_at", json!(secrets.previous.map(|(_, at)| at.rfc3339())));
    let metadata = serde_json::to_value(&it.metadata).doing("writing metadata")?;
    if let Value::Object(metadata) = metadata {
        all.extend(metadata);
    }
    let scopes: Vec<String> = it.allowed_scopes().iter().map(str::to_owned).collect();
    let grants: Vec<&str> = GRANTS.into_iter().filter(|grant| it.may_use(grant)).collect();
    all.insert("allowed_scopes".to_owned(), json!(scopes));
    all.insert("grant_types".to_owned(), json!(grants));
    let method = it.auth_method().as_str();
    all.insert("token_endpoint_auth_method".to_owned(), json!(method));
    Ok(all)
}
