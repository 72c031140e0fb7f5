//! `countersign keys …`: the keys that sign tokens.

use serde_json::{Value, json};

use super::{
    Failure, KeysCommand, RealmOf,
    operator::{Operator, confirm, or_dash},
    output::Table,
};
use crate::{
    clock::Timestamp,
    domain::token::SigningAlgorithm,
    error::{Error, Result},
    flows::keys::rotation::{How, Standing, page, rotate, standing},
    id::Realm,
};

/// Runs one command on keys.
///
/// # Errors
/// A tenant that is not there, an algorithm that is none, or a fault of the database.
pub(super) async fn run(operator: &Operator, command: KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::List { realm } => {
            let all = match realm_of(operator, &realm).await? {
                Some(realm) => standing(&operator.app, realm).await?,
                None => everybodys(operator).await?,
            };
            print(operator, &all)
        }
        KeysCommand::Rotate { realm, algorithm, now, compromised, yes } => {
            let algorithm = algorithm.as_deref().map(parse).transpose()?;
            let how = match (compromised, now) {
                (true, _) => How::Compromised,
                (false, true) => How::AtOnce,
                (false, false) => How::Announced,
            };
            let Some(realm) = realm_of(operator, &realm).await? else {
                return Err(Failure::No("say --tenant SLUG or --platform".to_owned()));
            };
            if how == How::Compromised {
                confirm(yes, "refuses every token that is out")?;
            }
            let asked = (algorithm, how);
            let all = rotate(&operator.app, &operator.caller, realm, asked).await?;
            print(operator, &all)
        }
    }
}

async fn realm_of(operator: &Operator, named: &RealmOf) -> Result<Option<Realm>> {
    match (&named.tenant, named.platform) {
        (Some(slug), _) => Ok(Some(Realm::Tenant(operator.cx(slug).await?.tenant.id))),
        (None, true) => Ok(Some(Realm::Platform)),
        (None, false) => Ok(None),
    }
}

async fn everybodys(operator: &Operator) -> Result<Vec<Standing>> {
    let mut all: Vec<Standing> = Vec::new();
    loop {
        let more = page(&operator.app, all.last()).await?;
        if more.is_empty() {
            return Ok(all);
        }
        all.extend(more);
    }
}

fn parse(name: &str) -> Result<SigningAlgorithm> {
    let found = SigningAlgorithm::ALL.into_iter().find(|it| it.as_str().eq_ignore_ascii_case(name));
    found.ok_or_else(|| Error::invalid_field("--algorithm", "must be ES256, RS256 or EdDSA"))
}

fn print(operator: &Operator, all: &[Standing]) -> Result<(), Failure> {
    let mut table = Table::new(&["realm", "algorithm", "state", "since", "until", "kid"]);
    for key in all {
        let since = key.retired_at.or(key.activated_at).unwrap_or(key.created_at);
        let until = key.expires_at.or(key.activates_at);
        table.row([
            key.realm.to_string(),
            key.algorithm.as_str().to_owned(),
            key.state.as_str().to_owned(),
            since.rfc3339(),
            or_dash(until.map(Timestamp::rfc3339)),
            key.kid.clone(),
        ]);
    }
    operator.print(&table, &Value::Array(all.iter().map(json_of).collect()))
}

fn json_of(key: &Standing) -> Value {
    json!({
        "realm": key.realm.to_string(),
        "kid": key.kid,
        "algorithm": key.algorithm.as_str(),
        "state": key.state.as_str(),
        "created_at": key.created_at.rfc3339(),
        "activates_at": key.activates_at.map(Timestamp::rfc3339),
        "activated_at": key.activated_at.map(Timestamp::rfc3339),
        "retired_at": key.retired_at.map(Timestamp::rfc3339),
        "expires_at": key.expires_at.map(Timestamp::rfc3339),
    })
}
