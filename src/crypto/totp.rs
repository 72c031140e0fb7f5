//! Codes of authenticator apps (RFC 6238): SHA-1, six digits, a step of 30 seconds, one step of
//! drift each way. Whether a step was used before is for the store to say.

use totp_rs::{Algorithm, Builder, Totp};

use crate::{
    clock::Timestamp,
    entropy::Entropy,
    error::{Context, Result},
    secret::Secret,
};

/// Octets of a key: as many as the hash has (RFC 4226 §4).
const KEY: usize = 20;
const DIGITS: u8 = 6;
const STEP_SECONDS: u64 = 30;
/// Steps of drift each way (RFC 6238 §5.2).
const DRIFT: u16 = 1;

/// The key that an authenticator app and the server share.
#[derive(Debug, Clone)]
pub struct Key(Secret<Vec<u8>>);

impl Key {
    /// A new key of 160 bits.
    ///
    /// # Errors
    /// As [`Entropy::bytes`].
    pub fn generate(entropy: &Entropy) -> Result<Self> {
        Ok(Self(Secret::new(entropy.bytes::<KEY>()?.to_vec())))
    }

    /// A key as it was opened from storage.
    #[must_use]
    pub fn from_bytes(bytes: Secret<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes, to be sealed.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The key as a person types it: base 32 without padding (RFC 4648 §6).
    ///
    /// # Errors
    /// Where the key is too short.
    pub fn base32(&self) -> Result<Secret<String>> {
        Ok(Secret::new(self.totp("", "")?.secret().to_base32()))
    }

    /// The `otpauth` address that apps read from a QR code. A colon separates its parts, so those
    /// of the names become blanks.
    ///
    /// # Errors
    /// Where the key is too short or `account` is empty.
    pub fn uri(&self, issuer: &str, account: &str) -> Result<Secret<String>> {
        let plain = |text: &str| text.replace(':', " ");
        let totp = self.totp(&plain(issuer), &plain(account))?;
        totp.to_url().doing("writing an otpauth address").map(Secret::new)
    }

    /// The step whose code this is at `now`, where it is one of the steps that count. Compared in
    /// constant time.
    ///
    /// # Errors
    /// Where the key is too short.
    pub fn check(&self, code: &str, now: Timestamp) -> Result<Option<i64>> {
        let step = self.totp("", "")?.check(code, now.millis() / 1000);
        Ok(step.and_then(|step| i64::try_from(step).ok()))
    }

    fn totp(&self, issuer: &str, account: &str) -> Result<Totp> {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(DRIFT)
            .with_step_duration(STEP_SECONDS)
            .with_issuer(Some(issuer).filter(|text| !text.is_empty()))
            .with_account_name(account)
            .with_secret(self.0.expose().clone())
            .build()
            .doing("setting up a code of an authenticator app")
    }
}

#[cfg(test)]
mod tests {
    use super::Key;
    use crate::{clock::Timestamp, entropy::Entropy, secret::Secret};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// The key of the test vectors of RFC 6238, appendix B.
    fn known() -> Key {
        Key::from_bytes(Secret::new(b"12345678901234567890".to_vec()))
    }

    #[test]
    fn the_vectors_of_the_standard_hold() {
        for (seconds, code, step) in [
            (59, "287082", 1),
            (1_111_111_109, "081804", 37_037_036),
            (1_111_111_111, "050471", 37_037_037),
            (20_000_000_000, "353130", 666_666_666),
        ] {
            assert_eq!(known().check(code, at(seconds)).unwrap(), Some(step), "{seconds}");
        }
    }

    #[test]
    fn exactly_one_step_of_drift_each_way_is_taken() {
        // The code of step 1, which is from second 30 to second 59.
        let taken = |seconds| known().check("287082", at(seconds)).unwrap().is_some();
        assert!([0, 29, 30, 59, 60, 89].into_iter().all(taken));
        assert!(![90, 119, 300].into_iter().any(taken));
    }

    #[test]
    fn only_six_plain_digits_are_a_code() {
        for odd in ["28708", "2870820", "+28708", "28708.", "\u{ff12}87082", "", "28 7082"] {
            assert_eq!(known().check(odd, at(59)).unwrap(), None, "{odd}");
        }
    }

    #[test]
    fn a_key_has_160_bits_and_the_address_names_issuer_and_account() {
        let key = Key::generate(&Entropy::seeded(1)).unwrap();
        assert_eq!(key.base32().unwrap().expose().len(), 32);
        let uri = key.uri("Acme: Ltd", "grace@example.com").unwrap();
        assert!(uri.expose().starts_with("otpauth://totp/Acme"), "{}", uri.expose());
        assert!(uri.expose().contains("issuer=Acme"), "{}", uri.expose());
        assert!(uri.expose().contains(key.base32().unwrap().expose().as_str()));
    }
}
