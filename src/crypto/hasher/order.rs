//! What a caller says of its hash: whose it is, how urgent, and how much work.

/// Whose part of the hash threads a hash is taken from: a tenant's, by its bare number.
///
/// Shares that want more than there is get equal parts of it, whoever else wants how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u128);

impl Share {
    /// The share of sign-ins that name no tenant. No tenant has the number nought.
    pub const NO_TENANT: Self = Self(0);

    /// The share of whatever has this number.
    #[must_use]
    pub const fn of(number: u128) -> Self {
        Self(number)
    }
}

/// Who goes first within one share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Somebody who has shown that he is no stranger: a device that has been signed in from, a
    /// session, a mailed link, the operator's token.
    Known,
    /// Everybody else. Served less often than the known, but never starved by them.
    Stranger,
}

impl Class {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Known, Self::Stranger];

    /// The value of the label in metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Stranger => "stranger",
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::Known => 0,
            Self::Stranger => 1,
        }
    }
}

/// Whose a hash is and how urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Whose.
    pub share: Share,
    /// How urgent.
    pub class: Class,
}

/// How much work a hash is, in KiB times passes of Argon2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Argon2's own: what it takes tells how fast the machine is.
    Exact(u64),
    /// What another algorithm is thought to come to.
    Rough(u64),
}

impl Weight {
    /// The number.
    #[must_use]
    pub fn units(self) -> u64 {
        match self {
            Self::Exact(units) | Self::Rough(units) => units,
        }
    }
}
