//! Tokens bound to a key (DPoP, RFC 9449): a proof counts once, and carries a nonce of ours where
//! tokens are handed out.
//!
//! Nonces are not kept: each is the time it was made in, marked with a key that all nodes have.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;

use super::{Answered, Failure, Ox};
use crate::{
    clock::Timestamp,
    crypto::{
        jose::dpop::{self, Expected},
        opaque::digest_text,
    },
    domain::oauth::{Denial, ErrorCode},
    error::Result,
    id::Realm,
    store,
};

/// What nonces are marked for.
const PURPOSE: &str = "dpop nonce";
/// Seconds that a nonce is handed out for; it is taken for as long again.
const WINDOW: i64 = 300;

/// Where a proof is shown.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint<'a> {
    /// The request's method, upper case.
    pub method: &'a str,
    /// Its address as we publish it, without a query.
    pub url: &'a str,
}

/// Checks a proof that came with a request, and uses it up; the thumbprint of the key that whoever
/// asks holds. `None` where no proof came.
///
/// Without an access token this is where tokens are to be had (or requests pushed), and the proof
/// has to carry a nonce of ours; with one, a nonce is only looked at where there is one.
///
/// # Errors
/// [`Failure::NeedsNonce`], `invalid_dpop_proof`, or where the database fails.
pub async fn check(
    ox: &Ox,
    proof: Option<&str>,
    at: &Endpoint<'_>,
    access_token: Option<&str>,
) -> Answered<Option<String>> {
    let Some(proof) = proof else { return Ok(None) };
    let now = seconds(ox.now);
    let expected = Expected { method: at.method, url: at.url, now, access_token };
    let proof = dpop::check(proof, &expected).map_err(|why| bad(why.sentence()))?;
    let is_wanting = match &proof.nonce {
        Some(nonce) => !is_ours(ox, nonce)?,
        None => access_token.is_none(),
    };
    if is_wanting {
        return Err(Failure::NeedsNonce(fresh_nonce(ox)?));
    }
    let digest = digest_text(&["dpop", &proof.jkt, &proof.jti]);
    let ends = Timestamp::from_micros(proof.ends().saturating_mul(1_000_000));
    let noted = ox
        .app
        .db
        .write((ox.realm(), digest, ends), |tx, (realm, digest, ends)| {
            Box::pin(store::seen::note(*realm, *digest, *ends).execute(tx))
        })
        .await?;
    if noted == 1 { Ok(Some(proof.jkt)) } else { Err(bad("the proof was used before").into()) }
}

fn bad(sentence: &'static str) -> Denial {
    Denial::new(ErrorCode::InvalidDpopProof, sentence)
}

/// A nonce for the header `DPoP-Nonce` of any answer.
///
/// # Errors
/// Only through a fault of the library.
pub fn fresh_nonce(ox: &Ox) -> Result<String> {
    nonce(ox, seconds(ox.now).div_euclid(WINDOW))
}

fn nonce(ox: &Ox, window: i64) -> Result<String> {
    let realm = match ox.realm() {
        Realm::Platform => String::new(),
        Realm::Tenant(tenant) => tenant.to_string(),
    };
    let parts: [&[u8]; 2] = [realm.as_bytes(), &window.to_be_bytes()];
    let mark = ox.app.master_key.mac(PURPOSE, &parts)?;
    let (half, _) = mark.split_at(16);
    Ok(format!("{window}.{}", URL_SAFE_NO_PAD.encode(half)))
}

/// Whether a nonce was handed out in this window or the last one.
fn is_ours(ox: &Ox, shown: &str) -> Result<bool> {
    let window = seconds(ox.now).div_euclid(WINDOW);
    let is = |ours: &str| bool::from(ours.as_bytes().ct_eq(shown.as_bytes()));
    Ok(is(&nonce(ox, window)?) || is(&nonce(ox, window - 1)?))
}

fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}
