//! Claims about a person: which of them a scope releases, and the `claims` parameter (OpenID
//! Connect Core §5.4, §5.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::scope::Scope;
use crate::clock::Timestamp;

/// The claims that a scope releases.
#[must_use]
pub fn of_scope(scope: &str) -> &'static [&'static str] {
    match scope {
        "profile" => &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
        "email" => &["email", "email_verified"],
        "address" => &["address"],
        "phone" => &["phone_number", "phone_number_verified"],
        "groups" => &["groups"],
        _ => &[],
    }
}

/// The scopes that release claims.
pub const SCOPES: [&str; 5] = ["profile", "email", "address", "phone", "groups"];

/// The claims about a person that we may know.
pub fn all() -> impl Iterator<Item = &'static str> {
    SCOPES.into_iter().flat_map(|scope| of_scope(scope).iter().copied())
}

/// How one claim is asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Whether the request makes no sense without it.
    pub essential: bool,
    /// The one value that will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The values that will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
}

impl Wanted {
    /// The values that will do, as text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.value.iter().chain(self.values.iter().flatten()).filter_map(Value::as_str)
    }
}

type Wish = BTreeMap<String, Option<Wanted>>;

/// The `claims` parameter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimsRequest {
    /// What is wanted in the ID token.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub id_token: Wish,
    /// What is wanted of the UserInfo endpoint.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub userinfo: Wish,
}

impl ClaimsRequest {
    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id_token.is_empty() && self.userinfo.is_empty()
    }

    /// Takes the parameter; `None` where it is not one, or asks for more than anybody knows.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let request: Self = serde_json::from_str(text).ok()?;
        let fits = |wish: &Wish| wish.len() <= 100;
        (fits(&request.id_token) && fits(&request.userinfo)).then_some(request)
    }

    /// What one claim of the ID token has to be.
    #[must_use]
    pub fn in_id_token(&self, claim: &str) -> Option<&Wanted> {
        self.id_token.get(claim)?.as_ref()
    }
}

/// What is known about a person.
#[derive(Debug, Clone)]
pub struct Known {
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// The address.
    pub email: String,
    /// Whether it was proved.
    pub email_verified: bool,
    /// The language chosen.
    pub locale: Option<String>,
    /// When any of it was last changed.
    pub updated_at: Timestamp,
    /// What was told at registration or by an administrator, an object.
    pub custom: Value,
}

/// Members of the custom data that are claims of OpenID Connect Core §5.1 where their types fit.
const TOLD: [&str; 10] = [
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "phone_number",
];

/// Everything that could be released of a person.
fn known(person: &Known) -> Map<String, Value> {
    let mut all = Map::new();
    let name = format!("{} {}", person.first_name, person.last_name);
    let mut put = |claim: &str, value: Value| {
        all.insert(claim.to_owned(), value);
    };
    put("name", name.trim().into());
    put("given_name", person.first_name.as_str().into());
    put("family_name", person.last_name.as_str().into());
    put("preferred_username", person.email.as_str().into());
    put("email", person.email.as_str().into());
    put("email_verified", person.email_verified.into());
    put("updated_at", person.updated_at.micros().div_euclid(1_000_000).into());
    put("groups", Value::Array(Vec::new()));
    if let Some(locale) = &person.locale {
        put("locale", locale.as_str().into());
    }
    for claim in TOLD {
        if let Some(text) = person.custom.get(claim).and_then(Value::as_str) {
            put(claim, text.into());
        }
    }
    if let Some(address) = person.custom.get("address").filter(|it| it.is_object()) {
        put("address", address.clone());
    }
    if all.contains_key("phone_number") {
        all.insert("phone_number_verified".to_owned(), false.into());
    }
    all
}

/// Which claims go out.
#[must_use]
pub fn released(person: &Known, scope: &Scope, wish: &Wish) -> Map<String, Value> {
    let asked = |claim: &str| {
        wish.contains_key(claim) || scope.iter().any(|scope| of_scope(scope).contains(&claim))
    };
    known(person).into_iter().filter(|(claim, _)| asked(claim)).collect()
}
