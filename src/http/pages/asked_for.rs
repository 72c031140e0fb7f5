//! What applications ask for, in words: for consent, and for a device.

use crate::{domain::oauth::scope::Scope, view::pages::sign_in::ScopeShown};

/// What the scopes that everybody knows mean.
const SCOPES: [(&str, &str); 7] = [
    ("openid", "page.consent.scope.openid"),
    ("profile", "page.consent.scope.profile"),
    ("email", "page.consent.scope.email"),
    ("address", "page.consent.scope.address"),
    ("phone", "page.consent.scope.phone"),
    ("groups", "page.consent.scope.groups"),
    ("offline_access", "page.consent.scope.offline_access"),
];

/// Each scope, with the words of those that we know.
pub(super) fn scopes(scope: &Scope, say: impl Fn(&str) -> String) -> Vec<ScopeShown> {
    let shown = |scope: &str| {
        let known = SCOPES.iter().find(|(name, _)| *name == scope);
        ScopeShown { id: scope.to_owned(), text: known.map(|(_, key)| say(key)) }
    };
    scope.iter().map(shown).collect()
}
