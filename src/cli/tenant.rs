//! `countersign tenant …`: tenants, made and changed by an operator.

mod change;

use serde_json::{Value, json};

use super::{
    Failure, TenantChange, TenantCommand,
    operator::{Operator, confirm, facts, or_dash, parse_slug},
    output::{self, Table},
};
use crate::{
    domain::tenant::{Status, TenantRecord},
    error::{Context, Result},
    flows::{
        captcha,
        lockdown::{self, Ended},
        tenants,
    },
};

/// Runs one command on tenants.
///
/// # Errors
/// What the use case answers: names and settings that are not allowed, a slug that is taken or
/// unknown, or a fault of the database.
pub(super) async fn run(operator: &Operator, command: TenantCommand) -> Result<(), Failure> {
    let (app, caller) = (&operator.app, &operator.caller);
    match command {
        TenantCommand::Create { slug, change } => {
            let change = with_secret(operator, change)?;
            let (slug, change) = (parse_slug(&slug)?, change::read(&change, None)?);
            show(operator, &tenants::create(app, caller, slug, change).await?)
        }
        TenantCommand::List => list(operator).await,
        TenantCommand::Show { slug } => {
            show(operator, &tenants::show(app, &parse_slug(&slug)?).await?)
        }
        TenantCommand::Update { slug, change } => {
            let slug = parse_slug(&slug)?;
            let change = with_secret(operator, change)?;
            let change = change::read(&change, Some(&tenants::show(app, &slug).await?))?;
            if change::is_empty(&change) {
                let said = "nothing to change: give --name, --contact-email, --set, --unset, \
                            --settings-file, --captcha-secret-stdin, --branding, --logo, \
                            --logo-dark, --favicon or --css";
                return Err(Failure::No(said.to_owned()));
            }
            show(operator, &tenants::update(app, caller, &slug, change).await?)
        }
        TenantCommand::Suspend { slug } => {
            let slug = parse_slug(&slug)?;
            show(operator, &tenants::set_status(app, caller, &slug, Status::Suspended).await?)
        }
        TenantCommand::Activate { slug } => {
            let slug = parse_slug(&slug)?;
            show(operator, &tenants::set_status(app, caller, &slug, Status::Active).await?)
        }
        TenantCommand::Lockdown { slug, yes } => {
            let cx = operator.cx(&slug).await?;
            confirm(yes, &format!("signs out everybody in the tenant {}", cx.tenant.slug))?;
            let Ended { sessions, grants } = lockdown::tenant(&cx).await?;
            let said =
                format!("Ended {sessions} sessions and {grants} grants of {}.", cx.tenant.slug);
            operator.say(&said, &json!({ "sessions": sessions, "grants": grants }))
        }
        TenantCommand::Delete { slug, yes } => {
            let tenant = tenants::show(app, &parse_slug(&slug)?).await?;
            confirm(yes, &format!("deletes the tenant {} and all its users", tenant.slug))?;
            tenants::delete(app, caller, &tenant.slug).await?;
            let json = json!({ "deleted": tenant.id.to_string() });
            operator.say(&format!("Deleted the tenant {}.", tenant.slug), &json)
        }
    }
}

async fn list(operator: &Operator) -> Result<(), Failure> {
    let mut table = Table::new(&["slug", "name", "status", "id", "created"]);
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = tenants::list(&operator.app, after.clone()).await?;
        let Some(last) = page.last() else { break };
        last.slug.as_str().clone_into(&mut after);
        for tenant in &page {
            table.row([
                tenant.slug.to_string(),
                tenant.name.clone(),
                tenant.status.as_str().to_owned(),
                tenant.id.to_string(),
                tenant.created_at.rfc3339(),
            ]);
            all.push(json_of(tenant)?);
        }
    }
    operator.print(&table, &Value::Array(all))
}

fn show(operator: &Operator, tenant: &TenantRecord) -> Result<(), Failure> {
    let mut table = facts([
        ("slug", tenant.slug.to_string()),
        ("id", tenant.id.to_string()),
        ("name", tenant.name.clone()),
        ("status", tenant.status.as_str().to_owned()),
        ("contact_email", or_dash(tenant.contact_email.clone())),
        ("created_at", tenant.created_at.rfc3339()),
        ("updated_at", tenant.updated_at.rfc3339()),
    ]);
    let json = json_of(tenant)?;
    for (prefix, layer) in [("", json.get("settings")), ("branding.", json.get("branding"))] {
        for (name, value) in flat(prefix, layer) {
            table.row([name, value]);
        }
    }
    operator.print(&table, &json)
}

fn json_of(tenant: &TenantRecord) -> Result<Value> {
    Ok(json!({
        "id": tenant.id.to_string(),
        "slug": tenant.slug.as_str(),
        "name": tenant.name,
        "status": tenant.status.as_str(),
        "contact_email": tenant.contact_email,
        "settings": serde_json::to_value(&tenant.settings).doing("writing settings")?,
        "branding": serde_json::to_value(&tenant.branding).doing("writing branding")?,
        "created_at": tenant.created_at.rfc3339(),
        "updated_at": tenant.updated_at.rfc3339(),
    }))
}

/// What a layer says, as `--set` takes it: dotted names and values.
fn flat(prefix: &str, layer: Option<&Value>) -> Vec<(String, String)> {
    let fields = layer.and_then(Value::as_object).into_iter().flatten();
    let said = fields.flat_map(|(name, value)| match value {
        // A schema is one value, though it is an object.
        Value::Object(_) if prefix.is_empty() => flat(&format!("{name}."), Some(value)),
        Value::String(text) => vec![(format!("{prefix}{name}"), text.clone())],
        other => vec![(format!("{prefix}{name}"), other.to_string())],
    });
    said.collect()
}

/// The same, with the secret of a captcha provider as it is kept. It comes by standard input, since
/// anybody on the machine can read arguments.
fn with_secret(operator: &Operator, mut change: TenantChange) -> Result<TenantChange> {
    if change.captcha_secret_stdin {
        let sealed = captcha::seal(&operator.app.master_key, &output::password()?)?;
        change.set.push(format!("captcha.sealed_secret=\"{sealed}\""));
    }
    Ok(change)
}
