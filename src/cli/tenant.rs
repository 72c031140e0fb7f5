//! `countersign tenant …`

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    Failure, TenantCommand,
    arguments::TenantValues,
    desk::{Desk, slug},
    output::{self, Form, Table},
};
use crate::{
    domain::tenant::{Status, TenantRecord},
    error::Context,
    flows::tenants::{self, Change},
};

pub(super) async fn run(desk: &Desk, command: TenantCommand) -> Result<(), Failure> {
    let (app, caller) = (&desk.app, &desk.caller);
    match command {
        TenantCommand::Create { slug: name, values } => {
            let change = change(values, None)?;
            one(desk, &tenants::create(app, caller, slug(&name)?, change).await?)
        }
        TenantCommand::List { after } => list(desk, &tenants::list(app, after).await?),
        TenantCommand::Show { slug: name } => one(desk, &tenants::show(app, &slug(&name)?).await?),
        TenantCommand::Update { slug: name, values } => {
            let name = slug(&name)?;
            let change = change(values, Some(&tenants::show(app, &name).await?))?;
            one(desk, &tenants::update(app, caller, &name, change).await?)
        }
        TenantCommand::Suspend { slug: name } => {
            let name = slug(&name)?;
            one(desk, &tenants::set_status(app, caller, &name, Status::Suspended).await?)
        }
        TenantCommand::Activate { slug: name } => {
            let name = slug(&name)?;
            one(desk, &tenants::set_status(app, caller, &name, Status::Active).await?)
        }
        TenantCommand::Delete { slug: name, yes: _ } => {
            Ok(tenants::delete(app, caller, &slug(&name)?).await?)
        }
    }
}

/// What the arguments ask for, on top of what there is.
fn change(values: TenantValues, present: Option<&TenantRecord>) -> Result<Change, Failure> {
    let mut settings = match (&values.settings_file, present) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path).doing("reading the settings file")?;
            serde_json::from_str(&text)
                .map_err(|fault| Failure::No(format!("{}: {fault}", path.display())))?
        }
        (None, Some(tenant)) => as_value(&tenant.settings)?,
        (None, None) => json!({}),
    };
    let mut branding = present.map_or_else(|| Ok(json!({})), |it| as_value(&it.branding))?;
    for pair in &values.set {
        assign(&mut settings, pair)?;
    }
    for name in &values.unset {
        remove(&mut settings, name)?;
    }
    for pair in &values.branding {
        assign(&mut branding, pair)?;
    }
    Ok(Change {
        name: values.name,
        contact_email: values.contact_email,
        settings: Some(typed("settings", settings)?),
        branding: Some(typed("branding", branding)?),
    })
}

fn as_value(value: &impl Serialize) -> Result<Value, Failure> {
    Ok(serde_json::to_value(value).doing("reading what there is")?)
}

/// The typed form, or a sentence that names the setting and says what is allowed.
fn typed<T: DeserializeOwned>(what: &str, value: Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize(value).map_err(|fault| {
        let path = fault.path().to_string();
        let place = if path == "." { what.to_owned() } else { path };
        Failure::No(format!("{place}: {}", fault.inner()))
    })
}

/// `a.b=VALUE`, where VALUE is JSON, or else a text.
fn assign(to: &mut Value, pair: &str) -> Result<(), Failure> {
    let (name, text) =
        pair.split_once('=').ok_or_else(|| Failure::No(format!("{pair}: wanted NAME=VALUE")))?;
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let (parents, leaf) = place(name);
    member(to, &parents, name)?.insert(leaf, value);
    Ok(())
}

fn remove(from: &mut Value, name: &str) -> Result<(), Failure> {
    let (parents, leaf) = place(name);
    member(from, &parents, name)?.remove(&leaf);
    Ok(())
}

fn place(name: &str) -> (Vec<&str>, String) {
    let mut steps: Vec<&str> = name.split('.').collect();
    let leaf = steps.pop().unwrap_or_default().to_owned();
    (steps, leaf)
}

/// The object that holds the last step of a name.
fn member<'a>(
    mut at: &'a mut Value,
    parents: &[&str],
    name: &str,
) -> Result<&'a mut Map<String, Value>, Failure> {
    let no_object = || Failure::No(format!("{name}: there is no such setting"));
    for step in parents {
        let object = at.as_object_mut().ok_or_else(no_object)?;
        at = object.entry((*step).to_owned()).or_insert_with(|| json!({}));
    }
    at.as_object_mut().ok_or_else(no_object)
}

fn as_json(tenant: &TenantRecord) -> Result<Value, Failure> {
    Ok(json!({
        "id": tenant.id.to_string(),
        "partner_id": tenant.partner_id.to_string(),
        "slug": tenant.slug.as_str(),
        "name": tenant.name,
        "status": tenant.status.as_str(),
        "contact_email": tenant.contact_email,
        "settings": as_value(&tenant.settings)?,
        "branding": as_value(&tenant.branding)?,
        "created_at": tenant.created_at.rfc3339(),
        "updated_at": tenant.updated_at.rfc3339(),
    }))
}

fn one(desk: &Desk, tenant: &TenantRecord) -> Result<(), Failure> {
    let json = as_json(tenant)?;
    if desk.form == Form::Json {
        return Ok(output::json(&json)?);
    }
    let mut table = Table::new(&["what", "value"]);
    for (name, value) in json.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        table.row([name.clone(), text]);
    }
    Ok(output::text(&table.render())?)
}

fn list(desk: &Desk, tenants: &[TenantRecord]) -> Result<(), Failure> {
    let mut table = Table::new(&["slug", "name", "status", "id", "created"]);
    for tenant in tenants {
        table.row([
            tenant.slug.as_str().to_owned(),
            tenant.name.clone(),
            tenant.status.as_str().to_owned(),
            tenant.id.to_string(),
            tenant.created_at.rfc3339(),
        ]);
    }
    let json = tenants.iter().map(as_json).collect::<Result<Vec<_>, _>>()?;
    Ok(output::print(desk.form, &table, &Value::Array(json))?)
}
