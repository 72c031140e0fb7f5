//! The parameters of a request: each at most once, but for those that are lists (RFC 6749 §3.1).

use std::collections::BTreeMap;

use super::Denial;

/// Those that may come more than once (RFC 8707 §2, RFC 8693 §2.1).
const REPEATED: [&str; 2] = ["resource", "audience"];

/// The parameters of a request. One without a value counts as left out.
#[derive(Clone, Default)]
pub struct Parameters(BTreeMap<String, Vec<String>>);

/// The names only: values may be secrets.
impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Parameters {
    /// Takes names and values as they came.
    ///
    /// # Errors
    /// `invalid_request` where one comes twice that may not.
    pub fn collect(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Denial> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in pairs {
            if value.is_empty() {
                continue;
            }
            let values = all.entry(name).or_default();
            values.push(value);
        }
        let twice =
            all.iter().any(|(name, values)| values.len() > 1 && !REPEATED.contains(&name.as_str()));
        if twice { Err(Denial::request("a parameter came more than once")) } else { Ok(Self(all)) }
    }

    /// The value of one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    /// All values of one that may come more than once.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .flat_map(|(name, values)| values.iter().map(|value| (name.as_str(), value.as_str())))
    }

    /// The value of one that has to be there.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn need(&self, name: &'static str) -> Result<&str, Denial> {
        self.get(name).ok_or_else(|| Denial::request(format!("{name} is missing")))
    }

    /// Sets one, in the place of whatever came.
    pub fn set(&mut self, name: &str, values: Vec<String>) {
        self.0.insert(name.to_owned(), values);
    }

    /// Only those that `keep` names.
    #[must_use]
    pub fn only(&self, keep: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| keep.contains(&name.as_str()));
        Self(kept.map(|(name, values)| (name.clone(), values.clone())).collect())
    }
}
