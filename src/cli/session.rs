//! `countersign session …`

use serde_json::{Value, json};

use super::{
    Failure, SessionCommand,
    desk::Desk,
    output::{self, Table},
    user::find,
};
use crate::{
    domain::{agent, session::Session},
    error::Error,
    flows::session,
};

pub(super) async fn run(desk: &Desk, command: SessionCommand) -> Result<(), Failure> {
    match command {
        SessionCommand::List(user) => {
            let (cx, user) = find(desk, &user).await?;
            list(desk, &session::list(&cx, user.id).await?)
        }
        SessionCommand::End { tenant, session: id } => {
            let cx = desk.cx(&tenant).await?;
            Ok(session::end(&cx, id.parse().map_err(|_| Error::NotFound)?).await?)
        }
    }
}

fn list(desk: &Desk, sessions: &[Session]) -> Result<(), Failure> {
    let mut table = Table::new(&["id", "device", "address", "opened", "last used", "ends"]);
    for session in sessions {
        table.row([
            session.id.to_string(),
            agent::label(&session.agent),
            session.address.clone(),
            session.created_at.rfc3339(),
            session.last_seen_at.rfc3339(),
            session.expiry.idle.rfc3339(),
        ]);
    }
    let json = sessions.iter().map(|session| {
        json!({
            "id": session.id.to_string(),
            "user_id": session.user.to_string(),
            "remember": session.persistence.is_remembered(),
            "address": session.address,
            "agent": session.agent,
            "created_at": session.created_at.rfc3339(),
            "last_seen_at": session.last_seen_at.rfc3339(),
            "idle_expires_at": session.expiry.idle.rfc3339(),
            "expires_at": session.expiry.absolute.rfc3339(),
        })
    });
    Ok(output::print(desk.form, &table, &Value::Array(json.collect()))?)
}
