//! `countersign user …`

use serde_json::{Value, json};

use super::{
    Failure, UserCommand, UserOf,
    arguments::NewUser,
    desk::Desk,
    output::{self, Form, Table},
};
use crate::{
    crypto::password::PasswordHash,
    domain::{
        email::Email,
        password::Password,
        user::{IdentitySource, Name, User, UserStatus},
    },
    error::Error,
    flows::{
        Cx,
        users::{self, Credential, New},
    },
};

pub(super) async fn run(desk: &Desk, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create(new) => create(desk, new).await,
        UserCommand::List { tenant, after } => {
            let cx = desk.cx(&tenant).await?;
            list(desk, &users::list(&cx, after).await?)
        }
        UserCommand::Show(user) => {
            let (_, user) = find(desk, &user).await?;
            one(desk, &user)
        }
        UserCommand::SetPassword { user, password_stdin: _, must_change } => {
            let (cx, user) = find(desk, &user).await?;
            Ok(users::set_password(&cx, &user, &password()?, must_change).await?)
        }
        UserCommand::Suspend(user) => set_status(desk, &user, UserStatus::Suspended).await,
        UserCommand::Activate(user) => set_status(desk, &user, UserStatus::Active).await,
        UserCommand::Delete { user, yes: _ } => {
            let (cx, user) = find(desk, &user).await?;
            Ok(users::delete(&cx, &user).await?)
        }
    }
}

/// A user by address or id, with a context in the tenant.
pub(super) async fn find(desk: &Desk, user: &UserOf) -> Result<(Cx, User), Failure> {
    let cx = desk.cx(&user.tenant).await?;
    let found = users::show(&cx, &user.user).await?;
    Ok((cx, found))
}

async fn set_status(desk: &Desk, user: &UserOf, status: UserStatus) -> Result<(), Failure> {
    let (cx, user) = find(desk, user).await?;
    users::set_status(&cx, &user, status).await?;
    one(desk, &User { status, ..user })
}

fn password() -> Result<Password, Failure> {
    let line = output::password()?;
    Password::parse(line.expose())
        .map_err(|fault| Error::invalid_field("password", fault.to_string()).into())
}

async fn create(desk: &Desk, new: NewUser) -> Result<(), Failure> {
    let cx = desk.cx(&new.tenant).await?;
    let credential = if new.password_stdin {
        Some(Credential::Password(password()?))
    } else if new.password_hash_stdin {
        let hash = PasswordHash::import(output::password()?.expose());
        Some(Credential::Imported(hash.map_err(|fault| Failure::No(fault.to_string()))?))
    } else {
        None
    };
    let email =
        Email::parse(&new.email).map_err(|fault| Error::invalid_field("email", fault.reason()))?;
    let name =
        |field, text: &str| Name::parse(text).map_err(|fault| Error::invalid_field(field, fault));
    let user = New {
        email,
        first_name: name("first_name", &new.first_name)?,
        last_name: name("last_name", &new.last_name)?,
        credential,
        email_verified: !new.unverified,
        must_change_password: new.must_change_password,
        locale: new.locale.map(|locale| locale.as_str().to_owned()),
    };
    one(desk, &users::create(&cx, user).await?)
}

fn as_json(user: &User) -> Value {
    let (source, provider) = match &user.source {
        IdentitySource::Local => ("local", None),
        IdentitySource::Federated { kind, provider } => (kind.as_str(), Some(provider)),
    };
    json!({
        "id": user.id.to_string(),
        "email": user.email,
        "email_verified": user.email_verified_at.is_some(),
        "status": user.status.as_str(),
        "first_name": user.first_name,
        "last_name": user.last_name,
        "locale": user.locale,
        "identity_source": source,
        "identity_provider": provider,
        "must_change_password": user.must_change_password,
        "created_at": user.created_at.rfc3339(),
    })
}

fn one(desk: &Desk, user: &User) -> Result<(), Failure> {
    match desk.form {
        Form::Json => Ok(output::json(&as_json(user))?),
        Form::Human => list(desk, std::slice::from_ref(user)),
    }
}

fn list(desk: &Desk, users: &[User]) -> Result<(), Failure> {
    let mut table = Table::new(&["email", "name", "status", "verified", "id", "created"]);
    for user in users {
        table.row([
            user.email.clone(),
            format!("{} {}", user.first_name, user.last_name),
            user.status.as_str().to_owned(),
            if user.email_verified_at.is_some() { "yes" } else { "no" }.to_owned(),
            user.id.to_string(),
            user.created_at.rfc3339(),
        ]);
    }
    let json = users.iter().map(as_json).collect();
    Ok(output::print(desk.form, &table, &Value::Array(json))?)
}
