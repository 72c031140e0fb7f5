//! `countersign user …`: accounts, made and changed by an operator.

use serde_json::{Value, json};

use super::{
    Failure, NewUser, UserCommand, UserOf, factors,
    operator::{Operator, confirm, facts, or_dash},
    output::{self, Table},
};
use crate::{
    clock::Timestamp,
    crypto::password::PasswordHash,
    domain::{
        email::Email,
        password::Password,
        user::{IdentitySource, Name, User, UserStatus},
    },
    error::{Error, Result},
    flows::{
        Cx,
        lockdown::{self, Afterwards, Ended},
        users::{self, Credential, New},
    },
    text::Locale,
};

/// Runs one command on users.
///
/// # Errors
/// What the use case answers: values that are not allowed, an address that is taken, a password
/// that the tenant's policy refuses, a tenant or user that is not there, or a fault of the
/// database.
pub(super) async fn run(operator: &Operator, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create(new) => {
            let cx = operator.cx(&new.tenant).await?;
            let user = users::create(&cx, read(&new)?).await?;
            show(operator, &user)
        }
        UserCommand::List { tenant } => list(operator, &operator.cx(&tenant).await?).await,
        UserCommand::Show(user) => show(operator, &find(operator, &user).await?.1),
        UserCommand::SetPassword { user, must_change_password, .. } => {
            let (cx, user) = find(operator, &user).await?;
            users::set_password(&cx, &user, &password()?, must_change_password).await?;
            let json = json!({ "password_set": user.id.to_string() });
            operator.say(&format!("Set the password of {}.", user.email), &json)
        }
        UserCommand::Suspend(user) => set_status(operator, &user, UserStatus::Suspended).await,
        UserCommand::Activate(user) => set_status(operator, &user, UserStatus::Active).await,
        UserCommand::Unlock(user) => unlock(operator, &user).await,
        UserCommand::Lockdown { user, keep_active } => {
            let afterwards = if keep_active { Afterwards::AsBefore } else { Afterwards::Suspended };
            lock_down(operator, &user, afterwards).await
        }
        UserCommand::Factors(command) => factors::run(operator, command).await,
        UserCommand::Delete { user, yes } => {
            let (cx, user) = find(operator, &user).await?;
            confirm(yes, &format!("deletes the user {} of {}", user.email, cx.tenant.slug))?;
            users::delete(&cx, &user).await?;
            let json = json!({ "deleted": user.id.to_string() });
            operator.say(&format!("Deleted the user {}.", user.email), &json)
        }
    }
}

/// The user that `name` means, in the tenant of `of`.
///
/// # Errors
/// Where there is no such tenant or user, or the database fails.
pub(super) async fn find(operator: &Operator, of: &UserOf) -> Result<(Cx, User), Failure> {
    let cx = operator.cx(&of.tenant).await?;
    match users::show(&cx, &of.user).await {
        Ok(user) => Ok((cx, user)),
        Err(Error::NotFound) => Err(Failure::No("user not found".to_owned())),
        Err(other) => Err(other.into()),
    }
}

async fn set_status(operator: &Operator, of: &UserOf, status: UserStatus) -> Result<(), Failure> {
    let (cx, mut user) = find(operator, of).await?;
    users::set_status(&cx, &user, status).await?;
    user.status = status;
    show(operator, &user)
}

async fn unlock(operator: &Operator, of: &UserOf) -> Result<(), Failure> {
    let (cx, user) = find(operator, of).await?;
    let counts = lockdown::unlock(&cx, &user).await?;
    let json = json!({ "unlocked": user.id.to_string(), "counts": counts });
    let said = match counts {
        0 => format!("There were no failed tries of {}.", user.email),
        _ => format!("Forgot the failed tries of {}.", user.email),
    };
    operator.say(&said, &json)
}

async fn lock_down(
    operator: &Operator,
    of: &UserOf,
    afterwards: Afterwards,
) -> Result<(), Failure> {
    let (cx, user) = find(operator, of).await?;
    let Ended { sessions, grants } = lockdown::account(&cx, &user, afterwards).await?;
    let is_suspended = afterwards == Afterwards::Suspended;
    let json = json!({
        "locked_down": user.id.to_string(),
        "sessions": sessions,
        "grants": grants,
        "suspended": is_suspended,
    });
    let then = if is_suspended { " and suspended the user" } else { "" };
    let said = format!("Ended {sessions} sessions and {grants} grants of {}{then}.", user.email);
    operator.say(&said, &json)
}

/// The account that the flags describe. Reads standard input where they say so.
fn read(new: &NewUser) -> Result<New> {
    let name = |field: &str, text: &str| {
        Name::parse(text).map_err(|fault| Error::invalid_field(field, fault))
    };
    let email =
        Email::parse(&new.email).map_err(|fault| Error::invalid_field("email", fault.reason()))?;
    let (first_name, last_name) =
        (name("first_name", &new.first_name)?, name("last_name", &new.last_name)?);
    let locale = new.locale.as_deref().map(|text| {
        text.parse::<Locale>()
            .map_err(|unknown| Error::invalid_field("locale", unknown.to_string()))
    });
    let locale = locale.transpose()?.map(|locale| locale.as_str().to_owned());
    let credential = if new.password_hash_stdin {
        Some(Credential::Imported(password_hash()?))
    } else if new.password_stdin {
        Some(Credential::Password(password()?))
    } else {
        None
    };
    Ok(New {
        email,
        first_name,
        last_name,
        credential,
        email_verified: !new.unverified,
        must_change_password: new.must_change_password,
        locale,
    })
}

fn password() -> Result<Password> {
    Password::parse(output::password()?.expose())
        .map_err(|fault| Error::invalid_field("password", fault.to_string()))
}

fn password_hash() -> Result<PasswordHash> {
    let refuse = |said: String| Error::invalid_field("password_hash", said);
    let line = output::password().map_err(|error| match error {
        Error::Invalid(_) => refuse("must be the first line of standard input".to_owned()),
        other => other,
    })?;
    PasswordHash::import(line.expose()).map_err(|fault| refuse(fault.to_string()))
}

async fn list(operator: &Operator, cx: &Cx) -> Result<(), Failure> {
    let mut table = Table::new(&["id", "email", "name", "status", "verified", "created"]);
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = users::list(cx, after).await?;
        let Some(last) = page.last() else { break };
        after = last.id.to_string();
        for user in &page {
            table.row([
                user.id.to_string(),
                user.email.clone(),
                format!("{} {}", user.first_name, user.last_name),
                user.status.as_str().to_owned(),
                if user.email_verified_at.is_some() { "yes" } else { "no" }.to_owned(),
                user.created_at.rfc3339(),
            ]);
            all.push(json_of(user));
        }
    }
    operator.print(&table, &Value::Array(all))
}

fn show(operator: &Operator, user: &User) -> Result<(), Failure> {
    let table = facts([
        ("id", user.id.to_string()),
        ("email", user.email.clone()),
        ("first_name", user.first_name.clone()),
        ("last_name", user.last_name.clone()),
        ("status", user.status.as_str().to_owned()),
        ("email_verified_at", or_dash(user.email_verified_at)),
        ("locale", or_dash(user.locale.clone())),
        ("identity_source", source(user).0.to_owned()),
        ("identity_provider", or_dash(source(user).1)),
        ("must_change_password", if user.must_change_password { "yes" } else { "no" }.to_owned()),
        ("created_at", user.created_at.rfc3339()),
    ]);
    operator.print(&table, &json_of(user))
}

fn source(user: &User) -> (&str, Option<&str>) {
    match &user.source {
        IdentitySource::Local => ("local", None),
        IdentitySource::Federated { kind, provider } => (kind, Some(provider)),
    }
}

fn json_of(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "status": user.status.as_str(),
        "email_verified_at": user.email_verified_at.map(Timestamp::rfc3339),
        "locale": user.locale,
        "identity_source": source(user).0,
        "identity_provider": source(user).1,
        "must_change_password": user.must_change_password,
        "created_at": user.created_at.rfc3339(),
    })
}
