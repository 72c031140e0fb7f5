//! What happens on a hash thread: how a password becomes a tag, and what a wrong one costs.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    clock::Stopwatch,
    config::PasswordConfig,
    crypto::{
        hasher::Weight,
        imported::Imported,
        kernel::{Argon2, Cost, Variant, Version},
        opaque::sha256,
    },
    domain::password::Password,
    error::{Error, Result},
    secret::Secret,
};

use super::{
    PasswordHash, Verdict,
    phc::{Argon2Hash, CEILING},
};

/// Bytes of a salt (RFC 9106 §3.1).
const SALT: usize = 16;

/// Bytes of a tag.
const TAG: usize = 32;

/// Bytes of a pepper's fingerprint: 8 characters of base64.
const KEYID: usize = 6;

/// A hash that a password may fit.
pub(super) enum Stored {
    /// Argon2, and the pepper it was made with.
    Argon2 {
        /// The hash.
        hash: Argon2Hash,
        /// The place of its pepper among those known; `None`: it has none.
        pepper: Option<usize>,
    },
    /// Something else.
    Imported(Imported),
}

/// How hashes are made at present, and which older ones are understood.
#[derive(Debug)]
pub(super) struct Recipe {
    present: Cost,
    /// Every pepper known; the first is the present one where `peppered`.
    peppers: Vec<Pepper>,
    peppered: bool,
    /// The salt of the hashes that are computed for nobody.
    nobody: [u8; SALT],
    /// A moving average of the time of a present hash, in microseconds; 0 until there is one.
    usual_micros: AtomicU64,
}

/// A secret that is mixed into the password, and the fingerprint by which hashes name it.
struct Pepper {
    keyid: [u8; KEYID],
    key: hmac::Key,
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}

impl Pepper {
    fn new(secret: &Secret<Vec<u8>>) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        let mut keyid = [0; KEYID];
        keyid.iter_mut().zip(sha256(secret.expose())).for_each(|(to, from)| *to = from);
        Self { keyid, key }
    }
}

impl Recipe {
    pub(super) fn new(config: &PasswordConfig, nobody: [u8; SALT]) -> Result<Self> {
        let present = Cost {
            variant: Variant::Id,
            version: Version::V13,
            memory_kib: config.memory_kib,
            passes: config.passes,
            lanes: 1,
        };
        if !present.is_sound() {
            let why = "Argon2 needs at least 8 KiB of memory and 1 pass";
            return Err(Error::internal("setting up password hashing", why));
        }
        let peppers = config.pepper.iter().chain(&config.previous_peppers);
        Ok(Self {
            present,
            peppers: peppers.map(Pepper::new).collect(),
            peppered: config.pepper.is_some(),
            nobody,
            usual_micros: AtomicU64::new(0),
        })
    }

    /// Takes a stored hash apart, or says why no password can fit it.
    pub(super) fn read(&self, text: &str) -> Result<Stored, &'static str> {
        if !text.starts_with("$argon2") {
            return Imported::parse(text).map(Stored::Imported).map_err(|_| "it cannot be read");
        }
        let hash = Argon2Hash::parse(text).ok_or("it cannot be read")?;
        if !hash.is_within(&CEILING) && !hash.is_within(&self.present) {
            return Err("it costs too much");
        }
        let pepper = match &hash.keyid {
            None => None,
            Some(keyid) => {
                let place = self.peppers.iter().position(|pepper| pepper.keyid == **keyid);
                Some(place.ok_or("its pepper is not known")?)
            }
        };
        Ok(Stored::Argon2 { hash, pepper })
    }

    /// How much work it is to make a hash, or to verify this one with a wrong password.
    pub(super) fn weight(&self, stored: Option<&Stored>) -> Weight {
        let present = work(&self.present);
        match stored {
            None => Weight::Exact(present),
            Some(Stored::Argon2 { hash, .. }) => Weight::Exact(present.max(work(&hash.cost))),
            Some(Stored::Imported(imported)) => Weight::Rough(present.max(imported.work())),
        }
    }

    pub(super) fn hash(
        &self,
        argon2: &mut Argon2,
        password: &Password,
        salt: [u8; SALT],
    ) -> Result<PasswordHash> {
        let tag = self.present_tag(argon2, password, &salt)?;
        let pepper = self.present_pepper().and_then(|place| self.peppers.get(place));
        let hash = Argon2Hash {
            cost: self.present,
            keyid: pepper.map(|pepper| pepper.keyid.to_vec()),
            salt: salt.to_vec(),
            tag: tag.to_vec(),
        };
        Ok(PasswordHash::from_stored(hash.to_string()))
    }

    pub(super) fn verify(
        &self,
        argon2: &mut Argon2,
        password: &Password,
        stored: Option<&Stored>,
    ) -> Result<Verdict> {
        let (right, done) = match stored {
            None => (false, 0),
            Some(Stored::Argon2 { hash, pepper }) => {
                let tag = if self.is_present(hash, *pepper) {
                    self.present_tag(argon2, password, &hash.salt)?
                } else {
                    let keyed = self.keyed(*pepper, password);
                    argon2.tag(&hash.cost, &keyed, &hash.salt, hash.tag.len())?
                };
                (tag.as_slice().ct_eq(&hash.tag).into(), work(&hash.cost))
            }
            Some(Stored::Imported(imported)) => {
                let watch = Stopwatch::start();
                let right = imported.fits(password.expose().as_bytes());
                (right, self.worth(watch.elapsed()))
            }
        };
        if right {
            return Ok(Verdict::Right { stale: !stored.is_some_and(|it| self.is_fresh(it)) });
        }
        self.make_up(argon2, password, done)?;
        Ok(Verdict::Wrong)
    }

    /// Does the work by which a wrong password was cheaper than with a present hash.
    fn make_up(&self, argon2: &mut Argon2, password: &Password, done: u64) -> Result<()> {
        let Some(rest) = remainder(&self.present, done) else { return Ok(()) };
        if rest == self.present {
            self.present_tag(argon2, password, &self.nobody)?;
        } else {
            argon2.tag(&rest, &self.keyed(None, password), &self.nobody, TAG)?;
        }
        Ok(())
    }

    /// The tag with the present parameters and pepper. Also takes the time of it.
    fn present_tag(
        &self,
        argon2: &mut Argon2,
        password: &Password,
        salt: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        let watch = Stopwatch::start();
        let keyed = self.keyed(self.present_pepper(), password);
        let tag = argon2.tag(&self.present, &keyed, salt, TAG)?;
        let taken = micros(watch.elapsed());
        let before = self.usual_micros.load(Ordering::Relaxed);
        // Threads may overwrite one another's step; it is an estimate.
        let after = if before == 0 { taken } else { before.saturating_mul(7) / 8 + taken / 8 };
        self.usual_micros.store(after, Ordering::Relaxed);
        Ok(tag)
    }

    /// How much work of a present hash would have taken `spent`.
    fn worth(&self, spent: Duration) -> u64 {
        let usual = u128::from(self.usual_micros.load(Ordering::Relaxed));
        let share = u128::from(work(&self.present)) * u128::from(micros(spent));
        share.checked_div(usual).map_or(0, |done| u64::try_from(done).unwrap_or(u64::MAX))
    }

    /// What Argon2 is given: the password, or its HMAC-SHA256 under a pepper.
    fn keyed(&self, pepper: Option<usize>, password: &Password) -> Zeroizing<Vec<u8>> {
        let bytes = password.expose().as_bytes();
        match pepper.and_then(|place| self.peppers.get(place)) {
            Some(pepper) => Zeroizing::new(hmac::sign(&pepper.key, bytes).as_ref().to_vec()),
            None => Zeroizing::new(bytes.to_vec()),
        }
    }

    fn present_pepper(&self) -> Option<usize> {
        self.peppered.then_some(0)
    }

    fn is_fresh(&self, stored: &Stored) -> bool {
        match stored {
            Stored::Argon2 { hash, pepper } => {
                self.is_present(hash, *pepper) && hash.salt.len() == SALT
            }
            Stored::Imported(_) => false,
        }
    }

    fn is_present(&self, hash: &Argon2Hash, pepper: Option<usize>) -> bool {
        hash.cost == self.present && pepper == self.present_pepper() && hash.tag.len() == TAG
    }
}

/// What a hash costs, in KiB times passes; the same for any number of lanes.
fn work(cost: &Cost) -> u64 {
    u64::from(cost.memory_kib) * u64::from(cost.passes)
}

/// What is left to compute of `present` once `done` of its work has been done; `None` where that
/// is nothing, or too little to notice.
fn remainder(present: &Cost, done: u64) -> Option<Cost> {
    let left = work(present).checked_sub(done)? / u64::from(present.passes.max(1));
    let memory_kib = u32::try_from(left).ok()?;
    let rest = Cost { memory_kib, ..*present };
    rest.is_sound().then_some(rest)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
