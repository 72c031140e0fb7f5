//! What is worth recording: a closed list of security events, and the form in which a recorded
//! row enters the chain. No secret and no password ever becomes part of an event.

use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    id::{ApplicationId, AuditId, TenantId, UserId},
};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// What happened. The spelling is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// Every action there is.
            pub const ALL: &'static [Action] = &[$(Action::$name,)*];

            /// The stable spelling.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Action::$name => $text,)* }
            }
        }
    };
}

actions! {
    /// A password was asked for and a session opened, or not.
    LoginPassword => "auth.login.password",
    /// A second factor was asked for and a session opened, or not.
    LoginSecondFactor => "auth.login.second_factor",
    /// A passkey alone was asked for and a session opened, or not.
    LoginPasskey => "auth.login.passkey",
    /// A code was mailed for a second-factor step.
    CodeMailed => "auth.mfa.code_mailed",
    /// The counter of an authenticator went back: it may have been copied.
    PasskeyCounterWentBack => "auth.passkey.counter_went_back",
    /// The answer of an authenticator did not hold.
    PasskeyRefused => "auth.passkey.refused",
    /// The owner of a session proved again who he is, or not.
    Reauthenticated => "auth.reauthenticated",
    /// A second factor was added.
    FactorAdded => "user.mfa.added",
    /// A second factor was removed.
    FactorRemoved => "user.mfa.removed",
    /// A factor was renamed, or another one made the first to be asked for.
    FactorChanged => "user.mfa.changed",
    /// New backup codes were made; the old ones are dead.
    BackupCodesMade => "user.mfa.backup_codes_made",
    /// A device was trusted.
    DeviceTrusted => "user.device.trusted",
    /// The trust in a device was ended.
    DeviceRevoked => "user.device.revoked",
    /// The password was right and a second factor is due.
    LoginChallenged => "auth.login.challenged",
    /// The password was right and a new one is due.
    LoginPasswordChangeRequired => "auth.login.password_change_required",
    /// Somebody asked for an account.
    RegistrationRequested => "user.registration.requested",
    /// An account was made of a registration.
    UserCreated => "user.created",
    /// An address was proved.
    EmailVerified => "user.email.verified",
    /// A reset of the password was asked for.
    PasswordResetRequested => "user.password.reset_requested",
    /// The password was reset by a mailed link.
    PasswordReset => "user.password.reset",
    /// The password was set by an operator.
    PasswordSet => "user.password.set",
    /// The password's hash was brought to present strength.
    PasswordRehashed => "user.password.rehashed",
    /// The password was changed by its owner.
    PasswordChanged => "user.password.changed",
    /// A user changed what is known about him.
    ProfileUpdated => "user.updated",
    /// A user asked for another address.
    EmailChangeRequested => "user.email.change_requested",
    /// The address was changed.
    EmailChanged => "user.email.changed",
    /// The change of an address was stopped, or undone, by the old one.
    EmailChangeStopped => "user.email.change_stopped",
    /// A user took all that is known about him.
    DataExported => "user.data_exported",
    /// A user asked for his account to be deleted.
    DeletionRequested => "user.deletion.requested",
    /// A user wants to keep his account after all.
    DeletionCancelled => "user.deletion.cancelled",
    /// A user was suspended.
    UserSuspended => "user.suspended",
    /// A user was let in again.
    UserActivated => "user.activated",
    /// The failed tries of a user were forgotten.
    UserUnlocked => "user.unlocked",
    /// All that was opened in a user's name was ended.
    UserLockedDown => "user.locked_down",
    /// A user was deleted.
    UserDeleted => "user.deleted",
    /// A refresh token was shown that had been exchanged before; its session was ended.
    RefreshTokenReused => "auth.refresh_token.reused",
    /// An authorization code was shown that had been redeemed before; what came of it was ended.
    CodeReused => "oauth.code.reused",
    /// A person allowed a device without a browser to act for him.
    DeviceAllowed => "oauth.device.allowed",
    /// A person allowed an application something.
    ConsentGranted => "oauth.consent.granted",
    /// A person took back what he had allowed an application.
    ConsentRevoked => "oauth.consent.revoked",
    /// A token was revoked by its application.
    TokenRevoked => "oauth.token.revoked",
    /// Somebody who has the account's mailbox says that a sign-in was not the owner's.
    SignInDisowned => "auth.sign_in.disowned",
    /// A session was ended, by its owner or an operator.
    SessionEnded => "session.ended",
    /// Another key was put to use that signs a tenant's tokens.
    KeyRotated => "tenant.key.rotated",
    /// The keys of an algorithm were dropped at once: somebody else may have had them.
    KeyCompromised => "tenant.key.compromised",
    /// A tenant was made.
    TenantCreated => "tenant.created",
    /// A tenant's name, settings or looks were changed.
    TenantUpdated => "tenant.updated",
    /// A tenant was suspended.
    TenantSuspended => "tenant.suspended",
    /// A tenant was taken into use again.
    TenantActivated => "tenant.activated",
    /// An alarm was raised: something is going on in a tenant that looks like an attack.
    AlarmRaised => "tenant.alarm.raised",
    /// An operator ended a tenant's alarms.
    AlarmsEnded => "tenant.alarms.ended",
    /// All sessions and grants of a tenant were ended.
    TenantLockedDown => "tenant.locked_down",
    /// A tenant was deleted.
    TenantDeleted => "tenant.deleted",
    /// An application was made, or registered itself.
    ApplicationCreated => "application.created",
    /// What is known of an application was changed.
    ApplicationUpdated => "application.updated",
    /// An application was given a new secret.
    ApplicationSecretRotated => "application.secret_rotated",
    /// The secret before the present one was taken out of use.
    ApplicationSecretRevoked => "application.secret_revoked",
    /// An application was taken out of use.
    ApplicationDisabled => "application.disabled",
    /// An application was taken into use again.
    ApplicationEnabled => "application.enabled",
    /// A token was made that applications register themselves with.
    RegistrationTokenCreated => "registration_token.created",
    /// Such a token was taken out of use.
    RegistrationTokenRevoked => "registration_token.revoked",
    /// An application was deleted.
    ApplicationDeleted => "application.deleted",
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Nobody who has proved who he is.
    Anonymous,
    /// A user of the tenant.
    User(UserId),
    /// An operator on the machine.
    Operator,
    /// The server itself.
    System,
}

impl Actor {
    /// The stored kind.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User(_) => "user",
            Self::Operator => "operator",
            Self::System => "system",
        }
    }

    /// The stored id.
    #[must_use]
    pub fn id(self) -> Option<String> {
        match self {
            Self::User(user) => Some(user.to_string()),
            Self::Anonymous | Self::Operator | Self::System => None,
        }
    }
}

/// What it was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A user, or an account that turned out not to exist.
    User(Option<UserId>),
    /// A pending registration, by the id its account would have.
    Registration(UserId),
    /// A session.
    Session(crate::id::SessionId),
    /// The tenant itself.
    Tenant(TenantId),
    /// An application.
    Application(ApplicationId),
}

impl Target {
    /// The stored kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Registration(_) => "registration",
            Self::Session(_) => "session",
            Self::Tenant(_) => "tenant",
            Self::Application(_) => "application",
        }
    }

    /// The stored id.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match self {
            Self::User(user) => user.map(|id| id.to_string()),
            Self::Registration(user) => Some(user.to_string()),
            Self::Session(session) => Some(session.to_string()),
            Self::Tenant(tenant) => Some(tenant.to_string()),
            Self::Application(application) => Some(application.to_string()),
        }
    }
}

/// Whether it came to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did.
    Success,
    /// It did not.
    Failure,
}

impl Outcome {
    /// The stored spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// One thing worth recording.
#[derive(Debug, Clone)]
pub struct Event {
    /// What happened.
    pub action: Action,
    /// Who did it.
    pub actor: Actor,
    /// To what.
    pub target: Target,
    /// Whether it came to pass.
    pub outcome: Outcome,
    /// Further facts: codes and counts, never secrets.
    pub detail: Map<String, Value>,
}

impl Event {
    /// Something that came to pass.
    #[must_use]
    pub fn success(action: Action, actor: Actor, target: Target) -> Self {
        Self { action, actor, target, outcome: Outcome::Success, detail: Map::new() }
    }

    /// Something that did not, and the code that says why.
    #[must_use]
    pub fn failure(action: Action, actor: Actor, target: Target, reason: &str) -> Self {
        let mut event = Self::success(action, actor, target);
        event.outcome = Outcome::Failure;
        event.with("reason", reason)
    }

    /// The same, with one more fact.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }
}

/// A recorded row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which row.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub action: String,
    /// Who, by kind.
    pub actor_type: String,
    /// Who, by id.
    pub actor_id: Option<String>,
    /// To what, by kind.
    pub target_type: String,
    /// To what, by id.
    pub target_id: Option<String>,
    /// From which address.
    pub address: String,
    /// By which agent.
    pub agent: String,
    /// `success` or `failure`.
    pub result: String,
    /// In which request.
    pub request_id: String,
    /// Further facts, as JSON.
    pub detail: String,
}

impl Record {
    /// The parts that the chain covers, in their fixed order. An absent id is not an empty one.
    #[must_use]
    pub fn parts(&self) -> Vec<Vec<u8>> {
        let optional = |value: &Option<String>| match value {
            None => vec![0],
            Some(text) => [&[1], text.as_bytes()].concat(),
        };
        vec![
            self.id.to_string().into_bytes(),
            self.at.micros().to_be_bytes().to_vec(),
            self.action.clone().into_bytes(),
            self.actor_type.clone().into_bytes(),
            optional(&self.actor_id),
            self.target_type.clone().into_bytes(),
            optional(&self.target_id),
            self.address.clone().into_bytes(),
            self.agent.clone().into_bytes(),
            self.result.clone().into_bytes(),
            self.request_id.clone().into_bytes(),
            self.detail.clone().into_bytes(),
        ]
    }
}
