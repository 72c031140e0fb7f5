//! The built-in captcha: making a puzzle, and taking its answer once.

use std::fmt::Write as _;

use base64::Engine as _;

use crate::{
    clock::Timestamp,
    crypto::opaque::sha256,
    domain::captcha::{Answer, Challenge, LIFETIME, MAX_NUMBER, expires_at},
    error::{Code, Error, Result},
    flows::Cx,
    store,
};

const MARK: &str = "captcha";
const ALGORITHM: &str = "SHA-256";

/// A fresh puzzle of the tenant.
///
/// # Errors
/// Where there is no randomness.
pub fn challenge(cx: &Cx) -> Result<Challenge> {
    let expires = (cx.now + LIFETIME).micros() / 1_000_000;
    let salt = format!("{}?expires={expires}", hex(&cx.app.entropy.bytes::<12>()?));
    let number = cx.app.entropy.up_to(MAX_NUMBER)?;
    let challenge = hex(&sha256(format!("{salt}{number}").as_bytes()));
    Ok(Challenge {
        algorithm: ALGORITHM.to_owned(),
        signature: mark(cx, &challenge, &salt)?,
        challenge,
        maxnumber: MAX_NUMBER,
        salt,
    })
}

/// Takes an answer: right, of this tenant, in time, and not used before.
///
/// # Errors
/// `captcha_required`, `captcha_failed`, or where the database fails.
pub async fn spend(cx: &Cx, token: Option<&str>) -> Result<()> {
    let token = token.filter(|text| !text.is_empty());
    let token = token.ok_or_else(|| Error::refused(Code::CaptchaRequired))?;
    let failed = || Error::refused(Code::CaptchaFailed);
    let answer = parse(token).ok_or_else(failed)?;
    let expires = expires_at(&answer.salt).ok_or_else(failed)?;
    let expires = Timestamp::from_micros(expires.saturating_mul(1_000_000));
    let solved = hex(&sha256(format!("{}{}", answer.salt, answer.number).as_bytes()));
    let fits = answer.algorithm == ALGORITHM
        && solved == answer.challenge
        && mark(cx, &answer.challenge, &answer.salt)? == answer.signature
        && cx.now < expires;
    if !fits {
        return Err(failed());
    }
    let digest = sha256(answer.challenge.as_bytes());
    let first = cx
        .app
        .db
        .write((cx.tenant.id, digest, expires), |tx, (tenant, digest, expires)| {
            Box::pin(store::captchas::spend(tx, *tenant, *digest, *expires))
        })
        .await?;
    if first { Ok(()) } else { Err(failed()) }
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
