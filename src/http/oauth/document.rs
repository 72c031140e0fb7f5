//! The protocol endpoints in the API document. They take forms and queries as their standards have
//! them, and both flavours take the same, so that they are described by a table.

use utoipa::openapi::{
    Content, HttpMethod, ObjectBuilder, OpenApi, Required, ResponseBuilder,
    path::{OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    schema::Type,
};

/// How parameters come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Query,
    Form,
    Header,
}

struct Endpoint {
    path: &'static str,
    method: HttpMethod,
    name: &'static str,
    says: &'static str,
    way: Way,
    /// Names; those that have to be there end in `!`.
    takes: &'static [&'static str],
    answers: (&'static str, &'static str),
}

const AUTHENTICATED: &str = "The application authenticates as it is registered: HTTP Basic, \
    `client_id` and `client_secret`, `client_assertion`, a certificate, or by `client_id` alone.";

const REQUEST: &[&str] = &[
    "response_type!",
    "client_id!",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "prompt",
    "max_age",
    "acr_values",
    "login_hint",
    "id_token_hint",
    "ui_locales",
    "claims",
    "resource",
    "authorization_details",
    "dpop_jkt",
    "idp_hint",
    "request",
    "request_uri",
];

const TOKEN: &[&str] = &[
    "grant_type!",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "resource",
    "audience",
    "device_code",
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
    "client_id",
    "client_secret",
    "client_assertion_type",
    "client_assertion",
];

const ONE_TOKEN: &[&str] = &[
    "token!",
    "token_type_hint",
    "client_id",
    "client_secret",
    "client_assertion_type",
    "client_assertion",
];

const LOGOUT: &[&str] = &[
    "id_token_hint",
    "client_id",
    "post_logout_redirect_uri",
    "state",
    "logout_hint",
    "ui_locales",
];

/// What both flavours have, below their own paths.
const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/oauth/authorize",
        method: HttpMethod::Get,
        name: "Authorize",
        says: "Sends the browser to sign in, and back to the application with a code (RFC 6749 \
            §4.1). Without a valid application and address the answer is a page.",
        way: Way::Query,
        takes: REQUEST,
        answers: ("303", "To a page of ours, or back to the application."),
    },
    Endpoint {
        path: "/oauth/authorize",
        method: HttpMethod::Post,
        name: "Authorize by Form",
        says: "The same, for a request that is posted.",
        way: Way::Form,
        takes: REQUEST,
        answers: ("303", "To a page of ours, or back to the application."),
    },
    Endpoint {
        path: "/oauth/token",
        method: HttpMethod::Post,
        name: "Token",
        says: "Tokens for a code, a refresh token, a device code, another token, or the \
            application itself (RFC 6749 §3.2).",
        way: Way::Form,
        takes: TOKEN,
        answers: ("200", "Tokens (RFC 6749 §5.1); 400 or 401 with `error` otherwise."),
    },
    Endpoint {
        path: "/oauth/par",
        method: HttpMethod::Post,
        name: "Pushed Authorization Request",
        says: "Takes an authorization request ahead of the browser (RFC 9126).",
        way: Way::Form,
        takes: REQUEST,
        answers: ("201", "`request_uri` and `expires_in`."),
    },
    Endpoint {
        path: "/oauth/introspect",
        method: HttpMethod::Post,
        name: "Introspect",
        says: "What a token says, if it is good still (RFC 7662).",
        way: Way::Form,
        takes: ONE_TOKEN,
        answers: ("200", "`active`, and the token's claims where it is."),
    },
    Endpoint {
        path: "/oauth/revoke",
        method: HttpMethod::Post,
        name: "Revoke",
        says: "Gives up a token (RFC 7009).",
        way: Way::Form,
        takes: ONE_TOKEN,
        answers: ("200", "It is dead, or never was alive."),
    },
    Endpoint {
        path: "/oauth/userinfo",
        method: HttpMethod::Get,
        name: "Userinfo",
        says: "What is known about the person of an access token (OpenID Connect Core §5.3).",
        way: Way::Header,
        takes: &["authorization!"],
        answers: ("200", "Claims, as JSON or as a signed JWT."),
    },
    Endpoint {
        path: "/oauth/userinfo",
        method: HttpMethod::Post,
        name: "Userinfo by Form",
        says: "The same, with the token in the header or in the form.",
        way: Way::Form,
        takes: &["access_token"],
        answers: ("200", "Claims, as JSON or as a signed JWT."),
    },
    Endpoint {
        path: "/oauth/device_authorization",
        method: HttpMethod::Post,
        name: "Device Authorization",
        says: "Begins a sign-in for a device that has no browser (RFC 8628).",
        way: Way::Form,
        takes: &["client_id", "client_secret", "scope"],
        answers: ("200", "`device_code`, `user_code`, `verification_uri` and what goes with them."),
    },
    Endpoint {
        path: "/oauth/logout",
        method: HttpMethod::Get,
        name: "End Session",
        says: "Signs the browser out, and sends it to where the application has registered \
            (OpenID Connect RP-Initiated Logout).",
        way: Way::Query,
        takes: LOGOUT,
        answers: ("200", "A page, or 303 to the application."),
    },
    Endpoint {
        path: "/oauth/logout",
        method: HttpMethod::Post,
        name: "End Session by Form",
        says: "The same, for a request that is posted.",
        way: Way::Form,
        takes: LOGOUT,
        answers: ("200", "A page, or 303 to the application."),
    },
];

const TENANT: (&str, &str) = ("/api/v1/auth/tenants/{tenant_slug}", "OIDC");
const PLATFORM: (&str, &str) = ("/api/v1/platform", "Platform OAuth");

/// Adds the protocol endpoints to the document.
pub fn describe(document: &mut OpenApi) {
    for (base, tag) in [TENANT, PLATFORM] {
        for endpoint in ENDPOINTS {
            add(document, (&format!("{base}{}", endpoint.path), tag), endpoint);
        }
        let base = if base == PLATFORM.0 { "/api/v1/platform/oauth" } else { base };
        let discovery = Endpoint {
            path: "/.well-known/openid-configuration",
            method: HttpMethod::Get,
            name: "OpenID Configuration",
            says: "What a client has to know of this issuer (OpenID Connect Discovery, RFC 8414): \
                its endpoints, and what they take.",
            way: Way::Query,
            takes: &[],
            answers: ("200", "The document."),
        };
        add(document, (&format!("{base}{}", discovery.path), tag), &discovery);
    }
}

fn add(document: &mut OpenApi, (path, tag): (&str, &str), endpoint: &Endpoint) {
    let verb = if endpoint.method == HttpMethod::Post { "post" } else { "get" };
    let id: String = format!("{} {path} {verb}", endpoint.name.to_lowercase())
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let mut says = endpoint.says.to_owned();
    if endpoint.takes.contains(&"client_secret") || endpoint.path == "/oauth/par" {
        says = format!("{says} {AUTHENTICATED}");
    }
    let mut operation = OperationBuilder::new()
        .tag(tag)
        .operation_id(Some(id))
        .summary(Some(endpoint.name))
        .description(Some(says));
    if path.contains("{tenant_slug}") {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name("tenant_slug")
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some("The tenant's name in addresses."))
                .schema(Some(text())),
        );
    }
    let named = endpoint.takes.iter().map(|name| match name.strip_suffix('!') {
        Some(name) => (name, Required::True),
        None => (*name, Required::False),
    });
    operation = match endpoint.way {
        Way::Form => {
            let mut form = ObjectBuilder::new();
            for (name, required) in named {
                form = form.property(name, text());
                if required == Required::True {
                    form = form.required(name);
                }
            }
            let content = Content::new(Some(form));
            let body = RequestBodyBuilder::new()
                .content("application/x-www-form-urlencoded", content)
                .required(Some(Required::True));
            operation.request_body(Some(body.build()))
        }
        Way::Query | Way::Header => named.fold(operation, |operation, (name, required)| {
            let place =
                if endpoint.way == Way::Query { ParameterIn::Query } else { ParameterIn::Header };
            operation.parameter(
                ParameterBuilder::new()
                    .name(name)
                    .parameter_in(place)
                    .required(required)
                    .schema(Some(text())),
            )
        }),
    };
    let (status, meaning) = endpoint.answers;
    operation = operation.response(status, ResponseBuilder::new().description(meaning));
    document.paths.add_path_operation(path, vec![endpoint.method.clone()], operation);
}

fn text() -> utoipa::openapi::Object {
    ObjectBuilder::new().schema_type(Type::String).build()
}
