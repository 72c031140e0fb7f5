//! What a client has to know of a realm, in one document (OpenID Connect Discovery §3, RFC 8414
//! §2), under every address that clients look for it.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Protocol;
use crate::{
    app::App,
    domain::{
        application::{AuthMethod, GRANTS},
        oauth::{
            claims::all as personal_claims,
            interaction::CLASSES,
            request::Prompt,
            scope::{self, STANDARD},
        },
        settings::SelfRegistration,
        token::SigningAlgorithm,
    },
    error::{Error, Result},
    flows::{
        oauth::{Flavour, Ox},
        tenants,
    },
    http::{door::Door, extract::Path},
    text::Locale,
};

/// Every address of the documents. The one that a client computes from the issuer names the tenant
/// by its id, so that a tenant may change its name in addresses.
pub fn routes() -> Router<Arc<App>> {
    const OIDC: &str = "/.well-known/openid-configuration";
    const OAUTH: &str = "/.well-known/oauth-authorization-server";
    const RESOURCE: &str = "/.well-known/oauth-protected-resource";
    let mut router = Router::new()
        // Inserted before the path of the resource, our own UserInfo endpoint (RFC 9728 §3.1).
        .route(
            &format!("{RESOURCE}/api/v1/auth/tenants/{{tenant_slug}}/oauth/userinfo"),
            get(of_resource),
        )
        .route(&format!("{RESOURCE}/api/v1/platform/oauth/userinfo"), get(of_resource));
    for kind in [OIDC, OAUTH] {
        let tenant = "/api/v1/auth/tenants/{tenant_slug}";
        router = router
            // In the house's own paths.
            .route(&format!("{tenant}{kind}"), get(of_realm))
            .route(&format!("/api/v1/platform/oauth{kind}"), get(of_realm))
            // After the issuer, and inserted before its path (RFC 8414 §3).
            .route(kind, get(of_platform))
            .route(&format!("/tenants/{{tenant_id}}{kind}"), get(of_tenant))
            .route(&format!("{kind}/tenants/{{tenant_id}}"), get(of_tenant))
            .route(&format!("{kind}{tenant}"), get(of_realm))
            .route(&format!("{kind}/api/v1/platform/oauth"), get(of_platform));
    }
    router
}

async fn of_realm(protocol: Protocol) -> Response {
    answer(&document(&protocol.ox))
}

/// What a client has to know that comes to a resource of ours without a token (RFC 9728 §2).
async fn of_resource(protocol: Protocol) -> Response {
    let ox = &protocol.ox;
    answer(&json!({
        "resource": format!("{}/userinfo", ox.oauth_base()),
        "resource_name": "UserInfo",
        "authorization_servers": [ox.issuer()],
        "jwks_uri": format!("{}/.well-known/jwks.json", ox.base()),
        "scopes_supported": STANDARD,
        "bearer_methods_supported": ["header", "body"],
        "dpop_signing_alg_values_supported": FOREIGN,
        "tls_client_certificate_bound_access_tokens": true,
    }))
}

async fn of_platform(State(app): State<Arc<App>>, parts: Bare) -> Response {
    let door = Door::unnamed(&parts.0, &app);
    answer(&document(&Protocol::new(door, Flavour::Platform).ox))
}

/// A tenant by its id.
#[derive(Debug, Deserialize, ToSchema)]
struct Named {
    #[schema(max_length = 64)]
    tenant_id: String,
}

async fn of_tenant(
    State(app): State<Arc<App>>,
    Path(named): Path<Named>,
    parts: Bare,
) -> Result<Response> {
    let id = named.tenant_id.parse().map_err(|_| Error::NotFound)?;
    let tenant = tenants::resolve_id(&app, id).await?;
    let door = Door::unnamed(&parts.0, &app);
    Ok(answer(&document(&Protocol::new(door, Flavour::Tenant(tenant)).ox)))
}

/// The parts of a request as they came.
struct Bare(Parts);

impl<S: Send + Sync> FromRequestParts<S> for Bare {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.clone()))
    }
}

fn answer(document: &impl Serialize) -> Response {
    let mut response = super::json(StatusCode::OK, document);
    let headers = response.headers_mut();
    let fixed = [
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    for (name, value) in fixed {
        headers.insert(name, axum::http::HeaderValue::from_static(value));
    }
    headers.remove(header::PRAGMA);
    response.into_response()
}

/// Algorithms that applications may sign by.
const FOREIGN: [&str; 6] = ["PS256", "ES256", "ES384", "EdDSA", "RS256", "PS384"];

fn document(ox: &Ox) -> Map<String, Value> {
    let parts = [endpoints(ox), newcomers(ox), requests(), claims(ox), authentication(), logout()];
    parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten().collect()
}

fn endpoints(ox: &Ox) -> Value {
    let base = ox.oauth_base();
    let at = |endpoint: &str| format!("{base}/{endpoint}");
    json!({
        "issuer": ox.issuer(),
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "pushed_authorization_request_endpoint": at("par"),
        "introspection_endpoint": at("introspect"),
        "revocation_endpoint": at("revoke"),
        "userinfo_endpoint": at("userinfo"),
        "protected_resources": [at("userinfo")],
        "end_session_endpoint": at("logout"),
        "device_authorization_endpoint": at("device_authorization"),
        "jwks_uri": format!("{}/.well-known/jwks.json", ox.base()),
    })
}

/// How an application comes by itself, where the tenant lets it.
fn newcomers(ox: &Ox) -> Value {
    let Flavour::Tenant(tenant) = &ox.flavour else { return json!({}) };
    let settings = &tenant.settings.oauth;
    let mut all = Map::new();
    if settings.registration != SelfRegistration::Off {
        let endpoint = json!(format!("{}/register", ox.oauth_base()));
        all.insert("registration_endpoint".to_owned(), endpoint);
    }
    if settings.metadata_documents {
        all.insert("client_id_metadata_document_supported".to_owned(), json!(true));
    }
    Value::Object(all)
}

fn requests() -> Value {
    let prompts: Vec<&str> = Prompt::ALL.into_iter().map(|(_, text)| text).collect();
    let locales: Vec<&str> = Locale::ALL.into_iter().map(Locale::as_str).collect();
    json!({
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": GRANTS,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": prompts,
        "ui_locales_supported": locales,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "require_request_uri_registration": false,
        "request_object_signing_alg_values_supported": FOREIGN,
        "require_pushed_authorization_requests": false,
        "authorization_response_iss_parameter_supported": true,
    })
}

fn claims(ox: &Ox) -> Value {
    let mut scopes: Vec<&str> = STANDARD.to_vec();
    if matches!(ox.flavour, Flavour::Platform) {
        scopes.extend([scope::ADMIN_READ, scope::ADMIN_WRITE]);
    }
    let known: Vec<&str> = ["sub", "iss", "auth_time", "acr", "amr", "sid", "tenant_id"]
        .into_iter()
        .chain(personal_claims())
        .collect();
    let signing = SigningAlgorithm::ALL.map(SigningAlgorithm::as_str);
    json!({
        "scopes_supported": scopes,
        "claims_supported": known,
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": true,
        "subject_types_supported": ["public", "pairwise"],
        "acr_values_supported": CLASSES,
        "id_token_signing_alg_values_supported": signing,
        "userinfo_signing_alg_values_supported": signing,
    })
}

fn authentication() -> Value {
    let methods = AuthMethod::ALL.map(AuthMethod::as_str);
    let confidential: Vec<&str> = methods.into_iter().filter(|it| *it != "none").collect();
    json!({
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": FOREIGN,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": FOREIGN,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": FOREIGN,
        "dpop_signing_alg_values_supported": FOREIGN,
        "tls_client_certificate_bound_access_tokens": true,
    })
}

fn logout() -> Value {
    json!({
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
    })
}
