//! Our own captcha: making a puzzle, and judging its answer. It comes from nobody else, asks nothing
//! of the person, and costs whoever asks thousands of times.

use std::fmt::Write as _;

use base64::Engine as _;

use super::Answered;
use crate::{
    clock::Timestamp,
    crypto::opaque::sha256,
    domain::captcha::{Answer, Challenge, LIFETIME, MAX_NUMBER, expires_at},
    error::Result,
    flows::{Cx, alarms::Kind},
};

const MARK: &str = "captcha";
const ALGORITHM: &str = "SHA-256";

/// How much longer a puzzle takes in a tenant under attack.
const ALARMED: u64 = 4;

/// A fresh puzzle of the tenant; in a tenant under attack it takes longer.
///
/// # Errors
/// Where there is no randomness.
pub(super) fn challenge(cx: &Cx) -> Result<Challenge> {
    let tenant = cx.tenant.id;
    let raised = |kind| cx.app.alarms.of_tenant(tenant, kind, cx.now);
    let is_alarmed = raised(Kind::Stuffing) || raised(Kind::Registrations);
    let most = if is_alarmed { MAX_NUMBER * ALARMED } else { MAX_NUMBER };
    let expires = (cx.now + LIFETIME).micros() / 1_000_000;
    let salt = format!("{}?expires={expires}", hex(&cx.app.entropy.bytes::<12>()?));
    let number = cx.app.entropy.up_to(most)?;
    let challenge = hex(&sha256(format!("{salt}{number}").as_bytes()));
    Ok(Challenge {
        algorithm: ALGORITHM.to_owned(),
        signature: mark(cx, &challenge, &salt)?,
        challenge,
        maxnumber: most,
        salt,
    })
}

/// Judges an answer: right, of this tenant, and in time.
///
/// # Errors
/// Only through a fault of the library.
pub(super) fn judge(cx: &Cx, token: &str) -> Result<Answered> {
    let Some((answer, expires)) = parse(token)
        .and_then(|it| Some((expires_at(&it.salt)?, it)))
        .map(|(expires, it)| (it, Timestamp::from_micros(expires.saturating_mul(1_000_000))))
    else {
        return Ok(Answered::Wrong);
    };
    let solved = hex(&sha256(format!("{}{}", answer.salt, answer.number).as_bytes()));
    let fits = answer.algorithm == ALGORITHM
        && solved == answer.challenge
        && mark(cx, &answer.challenge, &answer.salt)? == answer.signature
        && cx.now < expires;
    if !fits {
        return Ok(Answered::Wrong);
    }
    Ok(Answered::Right { digest: sha256(answer.challenge.as_bytes()), until: expires })
}

fn parse(token: &str) -> Option<Answer> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(token.get(..4096).unwrap_or(token))
        .ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Our mark on a puzzle: it is of this tenant and we made it.
fn mark(cx: &Cx, challenge: &str, salt: &str) -> Result<String> {
    let tenant = cx.tenant.id.to_string();
    let parts = [tenant.as_bytes(), challenge.as_bytes(), salt.as_bytes()];
    Ok(hex(&cx.app.master_key.mac(MARK, &parts)?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
