//! `countersign session …`: who is signed in, and ending it.

use serde_json::{Value, json};

use super::{Failure, SessionCommand, UserOf, operator::Operator, output::Table, user};
use crate::{
    domain::{session::Session, user::User},
    error::{Error, Result},
    flows::{Cx, session},
    id::SessionId,
};

/// Runs one command on sessions.
///
/// # Errors
/// Where there is no such tenant, user or session, or the database fails.
pub(super) async fn run(operator: &Operator, command: SessionCommand) -> Result<(), Failure> {
    match command {
        SessionCommand::List(of) => {
            let (cx, user) = user::find(operator, &of).await?;
            list(operator, &session::list(&cx, user.id).await?)
        }
        SessionCommand::End { tenant, user: Some(user), .. } => {
            let (cx, user) = user::find(operator, &UserOf { tenant, user }).await?;
            let ended = end_all(&cx, &user).await?;
            let said = format!("Ended {ended} sessions of {}.", user.email);
            operator.say(&said, &json!({ "ended": ended }))
        }
        SessionCommand::End { tenant, session: text, .. } => {
            let cx = operator.cx(&tenant).await?;
            let not_found = || Failure::No("session not found".to_owned());
            let id: SessionId = text.unwrap_or_default().parse().map_err(|_| not_found())?;
            match session::end(&cx, id).await {
                Ok(()) => operator.say(&format!("Ended the session {id}."), &json!({ "ended": 1 })),
                Err(Error::NotFound) => Err(not_found()),
                Err(other) => Err(other.into()),
            }
        }
    }
}

async fn end_all(cx: &Cx, user: &User) -> Result<u64> {
    let mut ended = 0;
    loop {
        // A list has an end, however many sessions there are.
        let sessions = session::list(cx, user.id).await?;
        if sessions.is_empty() {
            return Ok(ended);
        }
        for session in sessions {
            match session::end(cx, session.id).await {
                Ok(()) => ended += 1,
                // Somebody else was faster.
                Err(Error::NotFound) => {}
                Err(other) => return Err(other),
            }
        }
    }
}

fn list(operator: &Operator, sessions: &[Session]) -> Result<(), Failure> {
    let mut table =
        Table::new(&["id", "address", "agent", "created", "last seen", "idle until", "ends"]);
    for session in sessions {
        table.row([
            session.id.to_string(),
            session.address.clone(),
            session.agent.clone(),
            session.created_at.rfc3339(),
            session.last_seen_at.rfc3339(),
            session.expiry.idle.rfc3339(),
            session.expiry.absolute.rfc3339(),
        ]);
    }
    operator.print(&table, &sessions.iter().map(json_of).collect::<Value>())
}

fn json_of(session: &Session) -> Value {
    json!({
        "id": session.id.to_string(),
        "user_id": session.user.to_string(),
        "remember_me": session.persistence.is_remembered(),
        "address": session.address,
        "agent": session.agent,
        "created_at": session.created_at.rfc3339(),
        "last_seen_at": session.last_seen_at.rfc3339(),
        "idle_expires_at": session.expiry.idle.rfc3339(),
        "expires_at": session.expiry.absolute.rfc3339(),
    })
}
