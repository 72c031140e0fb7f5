//! What has to happen between an authorization request and its answer: nothing, a sign-in, a
//! question, or a no.

use std::time::Duration;

use super::{
    Denial, ErrorCode,
    request::{AuthorizationRequest, Prompt},
    scope::Scope,
};
use crate::{
    clock::Timestamp,
    domain::token::context_class,
    id::{SessionId, UserId},
};

/// How long a pending request waits for its person.
pub const PENDING_LIFETIME: Duration = Duration::from_mins(60);
/// How long a pushed request waits for its browser (RFC 9126 §2.2).
pub const PUSHED_LIFETIME: Duration = Duration::from_secs(90);
/// How long a code waits to be redeemed (FAPI 2.0 Security Profile §5.3.2.1).
pub const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// The classes that a session can have, the weaker first.
pub const CLASSES: [&str; 2] = ["aal1", "aal2"];

/// The session that a browser is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Which.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// When he last proved who he is.
    pub authenticated_at: Timestamp,
    /// How, space separated (RFC 8176).
    pub auth_methods: String,
}

/// What is known when the next step is chosen.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts<'a> {
    /// What is asked for.
    pub request: &'a AuthorizationRequest,
    /// When it was first asked: what was proved since, was proved for it.
    pub asked_at: Timestamp,
    /// The session that the browser is in.
    pub present: Option<&'a Present>,
    /// Whether the request names somebody else than the one who is present.
    pub is_another: bool,
    /// Whether several accounts are present, and none was chosen.
    pub is_ambiguous: bool,
    /// Whether the person has chosen that very account for this request.
    pub account_chosen: bool,
    /// What the person has allowed before; `None`: the application needs no consent.
    pub consented: Option<&'a Consented>,
    /// Whether he has just been asked, for this request.
    pub just_consented: bool,
}

/// What somebody has allowed an application.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Consented {
    /// Scopes.
    pub scope: Scope,
    /// Details (RFC 9396).
    pub details: Vec<serde_json::Value>,
}

/// What has to happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A sign-in.
    SignIn {
        /// Whether more than one factor is wanted.
        second_factor: bool,
    },
    /// A new account.
    Register,
    /// The choice of an account.
    SelectAccount,
    /// A question.
    Consent,
    /// Nothing: a code goes out.
    Answer,
    /// A no goes out.
    Deny(Denial),
}

/// The class that is wanted at least; `None` where any will do.
#[must_use]
pub fn wanted_class(request: &AuthorizationRequest) -> Option<&'static str> {
    CLASSES.into_iter().find(|class| request.acr_values.iter().any(|wanted| wanted == class))
}

/// Whether a sign-in needs more than one factor.
#[must_use]
pub fn wants_second_factor(request: &AuthorizationRequest) -> bool {
    wanted_class(request) == Some("aal2")
}

/// Chooses the next step.
#[must_use]
pub fn next(facts: &Facts<'_>, now: Timestamp) -> Step {
    let step = choose(facts, now);
    if !facts.request.prompts(Prompt::None) {
        return step;
    }
    let (code, sentence) = match step {
        Step::SignIn { .. } | Step::Register => {
            (ErrorCode::LoginRequired, "the person has to sign in")
        }
        Step::SelectAccount => {
            (ErrorCode::AccountSelectionRequired, "the person has to choose an account")
        }
        Step::Consent => (ErrorCode::ConsentRequired, "the person has to be asked"),
        other => return other,
    };
    Step::Deny(Denial::new(code, sentence))
}

fn choose(facts: &Facts<'_>, now: Timestamp) -> Step {
    let request = facts.request;
    let unknown_class = request.acr_is_essential
        && !request.acr_values.is_empty()
        && wanted_class(request).is_none();
    if unknown_class {
        return Step::Deny(unmet());
    }
    let sign_in = Step::SignIn { second_factor: wants_second_factor(request) };
    if facts.is_ambiguous && !request.prompts(Prompt::Login) {
        return Step::SelectAccount;
    }
    let Some(present) = facts.present else {
        return if request.prompts(Prompt::Create) { Step::Register } else { sign_in };
    };
    let is_fresh = present.authenticated_at >= facts.asked_at;
    if request.prompts(Prompt::Create) && !is_fresh {
        return Step::Register;
    }
    if request.prompts(Prompt::Login) && !is_fresh {
        return sign_in;
    }
    if request.prompts(Prompt::SelectAccount) && !facts.account_chosen && !is_fresh {
        return Step::SelectAccount;
    }
    if facts.is_another {
        // Somebody who has just signed in as another is not asked for ever.
        let sentence = "somebody else has signed in";
        return if is_fresh {
            Step::Deny(Denial::new(ErrorCode::LoginRequired, sentence))
        } else {
            sign_in
        };
    }
    let age = now.since(present.authenticated_at).as_secs();
    if request.max_age.is_some_and(|most| age > most) && !is_fresh {
        return sign_in;
    }
    if wants_second_factor(request) && context_class(&present.auth_methods) != "aal2" {
        return if is_fresh { Step::Deny(unmet()) } else { sign_in };
    }
    if needs_consent(facts) { Step::Consent } else { Step::Answer }
}

fn unmet() -> Denial {
    let sentence = "the sign-in does not reach the class that is wanted";
    Denial::new(ErrorCode::UnmetAuthenticationRequirements, sentence)
}

fn needs_consent(facts: &Facts<'_>) -> bool {
    if facts.just_consented {
        return false;
    }
    let Some(consented) = facts.consented else {
        return facts.request.prompts(Prompt::Consent);
    };
    facts.request.prompts(Prompt::Consent)
        || !facts.request.scope.is_within(&consented.scope)
        || !facts.request.authorization_details.iter().all(|it| consented.details.contains(it))
}
