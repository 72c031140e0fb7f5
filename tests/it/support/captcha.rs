//! Solving our own captcha.

use base64::Engine as _;
use countersign::crypto::opaque::{hex, sha256};
use serde_json::json;

use super::Client;

/// The answer to a fresh puzzle, `off` by so much.
pub(crate) async fn solve(client: &mut Client, tenant: &str, off: u64) -> String {
    let answer = client.get(&format!("/api/v1/auth/tenants/{tenant}/captcha")).await;
    let mut puzzle = answer.json();
    let salt = puzzle["salt"].as_str().unwrap().to_owned();
    let challenge = puzzle["challenge"].as_str().unwrap().to_owned();
    let number = (0..=puzzle["maxnumber"].as_u64().unwrap())
        .find(|number| hex(&sha256(format!("{salt}{number}").as_bytes())) == challenge)
        .unwrap();
    puzzle["number"] = json!(number + off);
    base64::engine::general_purpose::STANDARD.encode(puzzle.to_string())
}
