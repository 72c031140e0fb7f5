//! Request objects (RFC 9101): authorization requests that the application has signed, so that
//! nobody on the way can change them.

use serde_json::{Map, Value};

use super::{Answered, Ox, client_keys};
use crate::{
    crypto::jose::foreign::{ForeignAlgorithm, Rules, date, is_for, verify},
    domain::{
        application::Application,
        oauth::{Denial, ErrorCode, parameters::Parameters},
    },
};

/// The kinds of tokens that may be one (RFC 9101 §10.8); the last are those that do not say.
const REQUEST: [&str; 3] = ["oauth-authz-req+jwt", "jwt", ""];
/// Claims that say something of the object, and nothing of the request (RFC 7519 §4.1).
const OF_THE_OBJECT: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
/// Parameters of which there may be several (RFC 8707 §2).
const LISTS: [&str; 2] = ["resource", "audience"];
/// Seconds that the clock of its maker may be ahead of ours.
const AHEAD: i64 = 10;
/// Seconds that one may live, and may be old, in FAPI (FAPI 2.0 Message Signing §5.3.1).
const LONGEST: i64 = 3600;

/// The parameters in a request object that `application` has signed for us. Nothing but these
/// counts of a request that came with one.
///
/// # Errors
/// `invalid_request_object`.
pub async fn open(ox: &Ox, application: &Application, jwt: &str) -> Answered<Parameters> {
    let algorithms = algorithms(application);
    let rules = Rules { algorithms: &algorithms, typ: Some(&REQUEST) };
    let keys = client_keys::for_token(ox, application, jwt).await;
    let claims = keys.and_then(|keys| verify(&keys, jwt, &rules)).ok_or_else(|| {
        bad("the request object is not signed by a key of the application in a way that is taken")
    })?;
    let now = ox.now.micros().div_euclid(1_000_000);
    check_names(&ox.issuer(), application, &claims)?;
    check_times(application, now, &claims)?;
    Ok(parameters(claims)?)
}

fn bad(sentence: &'static str) -> Denial {
    Denial::new(ErrorCode::InvalidRequestObject, sentence)
}

/// How the application may sign: as it is registered, if that is a way at all.
fn algorithms(application: &Application) -> Vec<ForeignAlgorithm> {
    let taken: &[ForeignAlgorithm] =
        if application.is_fapi() { &ForeignAlgorithm::FAPI } else { &ForeignAlgorithm::ALL };
    let chosen = application.metadata.request_object_signing_alg.as_deref();
    let is_chosen = |it: &&ForeignAlgorithm| {
        chosen.is_none_or(|name| ForeignAlgorithm::from_name(name) == Some(**it))
    };
    taken.iter().filter(is_chosen).copied().collect()
}

/// By whom, and for whom.
fn check_names(
    issuer: &str,
    application: &Application,
    claims: &Map<String, Value>,
) -> Result<(), Denial> {
    let is_client =
        |name: &str| claims.get(name).is_some_and(|it| *it == application.client_id.as_str());
    if !is_client("iss") || !is_client("client_id") {
        return Err(bad("iss and client_id of the request object have to be the application"));
    }
    // Else it could be shown as a statement that authenticates (RFC 9101 §10.8).
    if is_client("sub") {
        return Err(bad("sub of the request object may not be the application"));
    }
    if !is_for(claims, &[issuer], false) {
        return Err(bad("aud of the request object has to be the issuer"));
    }
    // Objects in objects (RFC 9101 §4).
    if claims.contains_key("request") || claims.contains_key("request_uri") {
        return Err(bad("a request object may not hold another one"));
    }
    Ok(())
}

/// From when, and until when.
fn check_times(
    application: &Application,
    now: i64,
    claims: &Map<String, Value>,
) -> Result<(), Denial> {
    let unread = |_| bad("exp, nbf and iat of the request object have to be numbers of seconds");
    let [exp, nbf, iat] = ["exp", "nbf", "iat"].map(|name| date(claims, name).map_err(unread));
    let (exp, nbf, iat) = (exp?, nbf?, iat?);
    if exp.is_some_and(|exp| exp <= now) {
        return Err(bad("the request object has expired"));
    }
    if [nbf, iat].into_iter().flatten().any(|at| at > now + AHEAD) {
        return Err(bad("the request object is of the future"));
    }
    if application.is_fapi() {
        let (Some(exp), Some(nbf)) = (exp, nbf) else {
            return Err(bad("the request object lacks exp or nbf"));
        };
        if now - nbf > LONGEST || exp - nbf > LONGEST {
            return Err(bad("the request object is good for too long, or too old"));
        }
    }
    Ok(())
}

/// What it asks for, in the form in which parameters come.
fn parameters(claims: Map<String, Value>) -> Result<Parameters, Denial> {
    let mut pairs = Vec::new();
    for (name, value) in claims {
        if OF_THE_OBJECT.contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::String(text) => pairs.push((name, text)),
            Value::Null => return Err(bad("a parameter in the request object has no value")),
            Value::Array(all) if LISTS.contains(&name.as_str()) => {
                for one in all {
                    let Value::String(text) = one else {
                        return Err(bad("a list in the request object holds more than texts"));
                    };
                    pairs.push((name.clone(), text));
                }
            }
            // Numbers and switches as they are written, objects such as `claims` as JSON.
            other => pairs.push((name, other.to_string())),
        }
    }
    Parameters::collect(pairs)
}
