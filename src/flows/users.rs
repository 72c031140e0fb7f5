//! Accounts, as an operator makes and changes them.

use crate::{
    crypto::{hasher::Class, password::PasswordHash},
    db::Query,
    domain::{
        audit::{Action, Actor, Event, Target},
        email::Email,
        password::Password,
        user::{IdentitySource, Name, User, UserStatus},
    },
    error::{Code, Error, Result},
    flows::{
        Cx, account_deletion,
        password::{self, Kept, Owner},
    },
    id::UserId,
    store,
};

/// An account to be made.
#[derive(Debug, Clone)]
pub struct New {
    /// The address.
    pub email: Email,
    /// Given name.
    pub first_name: Name,
    /// Family name.
    pub last_name: Name,
    /// What they prove themselves with; `None`: nothing yet, until a reset.
    pub credential: Option<Credential>,
    /// Whether the address counts as proved.
    pub email_verified: bool,
    /// Whether a new password is due at the first sign-in.
    pub must_change_password: bool,
    /// The language they prefer.
    pub locale: Option<String>,
}

/// What a new account proves itself with.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A password; it must pass the policy.
    Password(Password),
    /// A hash from another system; brought to present strength at the next sign-in.
    Imported(PasswordHash),
}

/// Makes an account.
///
/// # Errors
/// `user_exists`, `password_rejected`, or where the database or the hash queue fails.
pub async fn create(cx: &Cx, new: New) -> Result<User> {
    let hash = match &new.credential {
        None => None,
        Some(Credential::Imported(hash)) => Some(hash.clone()),
        Some(Credential::Password(password)) => {
            let owner = Owner {
                email: new.email.as_str(),
                names: [new.first_name.as_str(), new.last_name.as_str()],
                user: None,
            };
            password::check(cx, password, owner).await?;
            Some(cx.app.passwords.hash(cx.hashing(Class::Known), password).await?)
        }
    };
    let user = User {
        id: cx.id()?,
        tenant: cx.tenant.id,
        email: new.email.as_str().to_owned(),
        email_key: new.email.key().to_owned(),
        email_verified_at: new.email_verified.then_some(cx.now),
        status: UserStatus::Active,
        first_name: new.first_name.as_str().to_owned(),
        last_name: new.last_name.as_str().to_owned(),
        locale: new.locale,
        source: IdentitySource::Local,
        must_change_password: new.must_change_password,
        created_at: cx.now,
    };
    let mut queries = vec![cx.record(event(Action::UserCreated, user.id).with("by", "operator"))?];
    if let Some(hash) = hash {
        queries.push(store::credentials::set(cx.tenant.id, user.id, hash.expose(), cx.now));
    }
    queries.push(store::registrations::drop_all(cx.tenant.id, &user.email_key));
    cx.app
        .db
        .write((cx.tenant.id, user, queries), |tx, (tenant, user, queries)| {
            Box::pin(async move {
                if !store::users::insert(tx, *tenant, user, "{}").await? {
                    return Err(Error::Taken(Code::UserExists));
                }
                // The password's row points at the account's, so it comes after it.
                for query in queries.iter().cloned() {
                    query.execute(tx).await?;
                }
                Ok(user.clone())
            })
        })
        .await
}

fn event(action: Action, user: UserId) -> Event {
    Event::success(action, Actor::Operator, Target::User(Some(user)))
}

/// An account, by its id or its address.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn show(cx: &Cx, name: &str) -> Result<User> {
    let by_id = name.parse::<UserId>().ok();
    let email_key = Email::parse(name).map(|email| email.key().to_owned()).unwrap_or_default();
    cx.app
        .db
        .read((cx.tenant.id, by_id, email_key), |tx, (tenant, id, key)| {
            Box::pin(async move {
                match id {
                    Some(id) => store::users::by_id(tx, *tenant, *id).await,
                    None => store::users::by_email(tx, *tenant, key).await,
                }
            })
        })
        .await?
        .ok_or(Error::NotFound)
}

/// Up to 200 accounts whose id follows `after`, in the order they were made.
///
/// # Errors
/// Where the database fails.
pub async fn list(cx: &Cx, after: String) -> Result<Vec<User>> {
    cx.app
        .db
        .read((cx.tenant.id, after), |tx, (tenant, after)| {
            Box::pin(store::users::page(tx, *tenant, after, 200))
        })
        .await
}

/// Sets a password. Everything that rested on the old one ends.
///
/// # Errors
/// `password_rejected`, or where the database or the hash queue fails.
pub async fn set_password(
    cx: &Cx,
    user: &User,
    password: &Password,
    must_change: bool,
) -> Result<()> {
    let owner = Owner {
        email: &user.email,
        names: [&user.first_name, &user.last_name],
        user: Some(user.id),
    };
    password::check(cx, password, owner).await?;
    let hash = cx.app.passwords.hash(cx.hashing(Class::Known), password).await?;
    let mut queries = password::replace(cx, user, &hash, Kept::default());
    if must_change {
        queries.push(store::users::set_must_change_password(cx.tenant.id, user.id, true, cx.now));
    }
    queries.push(cx.record(event(Action::PasswordSet, user.id))?);
    run(cx, queries).await
}

/// Suspends an account and ends its sessions, or lets it in again.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn set_status(cx: &Cx, user: &User, status: UserStatus) -> Result<()> {
    let action = match status {
        UserStatus::Active => Action::UserActivated,
        UserStatus::Suspended | UserStatus::PendingApproval => Action::UserSuspended,
    };
    let audit = cx.record(event(action, user.id))?;
    let input = (cx.tenant.id, user.id, (status, cx.now), audit);
    cx.app
        .db
        .write(input, |tx, (tenant, user, (status, now), audit)| {
            Box::pin(async move {
                if !store::users::set_status(tx, *tenant, *user, *status, *now).await? {
                    return Err(Error::NotFound);
                }
                if *status != UserStatus::Active {
                    store::sessions::end_all(*tenant, *user).execute(tx).await?;
                    store::challenges::end_all(*tenant, *user).execute(tx).await?;
                }
                audit.clone().execute(tx).await?;
                Ok(())
            })
        })
        .await
}

/// Deletes an account: its address is free, its id never comes back, its secrets are gone.
///
/// # Errors
/// Not found, or where the database fails.
pub async fn delete(cx: &Cx, user: &User) -> Result<()> {
    let rows = account_deletion::rows(cx, user, event(Action::UserDeleted, user.id))?;
    cx.app
        .db
        .write((cx.tenant.id, user.id, cx.now, rows), |tx, (tenant, user, now, rows)| {
            Box::pin(async move {
                if !store::users::delete(tx, *tenant, *user, *now).await? {
                    return Err(Error::NotFound);
                }
                tx.pipeline(rows.clone()).await?;
                Ok(())
            })
        })
        .await
}

async fn run(cx: &Cx, queries: Vec<Query>) -> Result<()> {
    cx.app.db.write(queries, |tx, queries| Box::pin(tx.pipeline(queries.clone()))).await?;
    Ok(())
}
