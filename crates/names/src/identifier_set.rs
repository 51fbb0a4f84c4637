//! The names of one certificate.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{DomainName, HostName, Identifier, NameError, NameErrorKind};

/// The identifiers of one order or certificate: 1 to 100 of them, sorted, without repeats.
///
/// Two sets are equal when their identifiers are, so the set is the key on which a CA counts duplicate certificates
/// (Let's Encrypt's "exact set of identifiers"). Clones share their text.
///
/// ```
/// use fleetcert_names::IdentifierSet;
///
/// let set: IdentifierSet = "xi8qz.fleet.test,*.xi8qz.fleet.test".parse()?;
/// assert_eq!(set.canonical(), "*.xi8qz.fleet.test,xi8qz.fleet.test");
/// assert_eq!(set.challenge_names().len(), 1);
/// assert!(set.covers(&"printer.xi8qz.fleet.test".parse()?));
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "Vec<Identifier>", try_from = "Vec<Identifier>")]
pub struct IdentifierSet(Contents);

/// One identifier is the common case, a million times over, so it costs no allocation of its own.
#[derive(Clone)]
enum Contents {
    One(Identifier),
    Several(Arc<Several>),
}

struct Several {
    identifiers: Box<[Identifier]>,
    canonical: Box<str>,
}

impl IdentifierSet {
    /// Maximum number of identifiers, as at Let's Encrypt.
    pub const MAX_IDENTIFIERS: usize = 100;

    /// Returns the set of these identifiers.
    ///
    /// # Errors
    /// [`NameErrorKind::NoIdentifiers`] or [`NameErrorKind::TooManyIdentifiers`]. Repeats count once.
    pub fn new(identifiers: impl IntoIterator<Item = Identifier>) -> Result<Self, NameError> {
        let mut sorted = BTreeSet::new();
        for identifier in identifiers {
            sorted.insert(identifier);
            if sorted.len() > Self::MAX_IDENTIFIERS {
                return Err(NameError::new(NameErrorKind::TooManyIdentifiers, ""));
            }
        }
        let identifiers: Box<[Identifier]> = sorted.into_iter().collect();
        match &*identifiers {
            [] => Err(NameError::new(NameErrorKind::NoIdentifiers, "")),
            [only] => Ok(Self::from(only.clone())),
            _ => {
                let texts: Vec<&str> = identifiers.iter().map(Identifier::as_str).collect();
                let canonical = texts.join(",").into();
                Ok(Self(Contents::Several(Arc::new(Several { identifiers, canonical }))))
            }
        }
    }

    /// Returns the identifiers, sorted, joined by commas: equal for equal sets. At most about 25 kB long.
    pub fn canonical(&self) -> &str {
        match &self.0 {
            Contents::One(only) => only.as_str(),
            Contents::Several(several) => &several.canonical,
        }
    }

    /// Returns the identifiers, sorted.
    pub fn as_slice(&self) -> &[Identifier] {
        match &self.0 {
            Contents::One(only) => std::slice::from_ref(only),
            Contents::Several(several) => &several.identifiers,
        }
    }

    /// Iterates over the identifiers, sorted.
    pub fn iter(&self) -> std::slice::Iter<'_, Identifier> {
        self.as_slice().iter()
    }

    /// Iterates over the host names, sorted, without the wildcards.
    pub fn hosts(&self) -> impl Iterator<Item = &HostName> {
        self.iter().filter_map(Identifier::host)
    }

    /// Iterates over the names that the CA validates, each once: a wildcard and its base are one.
    pub fn bases(&self) -> impl Iterator<Item = &HostName> + Clone {
        let is_listed = |base: &HostName| {
            self.as_slice().binary_search_by(|other| other.as_str().cmp(base.as_str())).is_ok()
        };
        self.iter()
            .filter(move |identifier| !identifier.is_wildcard() || !is_listed(identifier.base()))
            .map(Identifier::base)
    }

    /// Returns how many identifiers there are: 1 to 100.
    #[allow(clippy::len_without_is_empty)] // A set is never empty.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Returns whether `identifier` itself is one of the set.
    pub fn contains(&self, identifier: &Identifier) -> bool {
        self.as_slice().binary_search(identifier).is_ok()
    }

    /// Returns whether a certificate for the set is valid for `host`, by its name or by a wildcard.
    pub fn covers(&self, host: &HostName) -> bool {
        self.iter().any(|identifier| identifier.covers(host))
    }

    /// Returns whether each identifier is `zone` or stands below it.
    pub fn is_within(&self, zone: &DomainName) -> bool {
        self.iter().all(|identifier| identifier.is_within(zone))
    }

    /// Returns the names of the dns-01 records, each once: a wildcard shares its base's.
    pub fn challenge_names(&self) -> BTreeSet<DomainName> {
        self.iter().map(Identifier::challenge_name).collect()
    }
}

impl From<Identifier> for IdentifierSet {
    fn from(only: Identifier) -> Self {
        Self(Contents::One(only))
    }
}

impl From<HostName> for IdentifierSet {
    fn from(only: HostName) -> Self {
        Self::from(Identifier::from(only))
    }
}

impl TryFrom<Vec<Identifier>> for IdentifierSet {
    type Error = NameError;

    fn try_from(identifiers: Vec<Identifier>) -> Result<Self, NameError> {
        Self::new(identifiers)
    }
}

impl From<IdentifierSet> for Vec<Identifier> {
    fn from(set: IdentifierSet) -> Self {
        set.as_slice().to_vec()
    }
}

impl FromStr for IdentifierSet {
    type Err = NameError;

    /// Parses identifiers separated by commas, in any order.
    fn from_str(text: &str) -> Result<Self, NameError> {
        // A longer text has too many identifiers, or one that is too long, whatever it says.
        if text.split(',').take(Self::MAX_IDENTIFIERS + 1).count() > Self::MAX_IDENTIFIERS {
            return Err(NameError::new(NameErrorKind::TooManyIdentifiers, text));
        }
        let identifiers: Result<Vec<Identifier>, NameError> = text.split(',').map(str::parse).collect();
        Self::new(identifiers?)
    }
}

impl<'a> IntoIterator for &'a IdentifierSet {
    type Item = &'a Identifier;
    type IntoIter = std::slice::Iter<'a, Identifier>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for IdentifierSet {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for IdentifierSet {}

impl PartialOrd for IdentifierSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IdentifierSet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.canonical().cmp(other.canonical())
    }
}

impl Hash for IdentifierSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl fmt::Display for IdentifierSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.canonical())
    }
}

impl fmt::Debug for IdentifierSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentifierSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbered(count: usize) -> Vec<Identifier> {
        (0..count).map(|number| format!("d{number}.fleet.test").parse().unwrap()).collect()
    }

    #[test]
    fn a_set_has_one_to_a_hundred_identifiers() {
        assert_eq!(IdentifierSet::new([]).unwrap_err().kind(), NameErrorKind::NoIdentifiers);
        assert_eq!(IdentifierSet::new(numbered(100)).unwrap().len(), 100);
        assert_eq!(IdentifierSet::new(numbered(101)).unwrap_err().kind(), NameErrorKind::TooManyIdentifiers);
        let repeated = std::iter::repeat_n(numbered(1)[0].clone(), 1000);
        assert_eq!(IdentifierSet::new(repeated).unwrap().len(), 1);
    }

    #[test]
    fn wildcard_and_its_base_are_one_name_to_validate() {
        let set: IdentifierSet = "*.a.test,*.b.test,a.test,c.test".parse().unwrap();
        let bases: Vec<&str> = set.bases().map(HostName::as_str).collect();
        assert_eq!(bases, ["b.test", "a.test", "c.test"]);
    }

    #[test]
    fn text_without_end_is_refused_early() {
        assert!("a.test,".repeat(100_000).parse::<IdentifierSet>().is_err());
        assert!("".parse::<IdentifierSet>().is_err());
        assert!("a.test,".parse::<IdentifierSet>().is_err());
    }

    #[test]
    fn serde_is_a_list_and_sorts_it() {
        let set: IdentifierSet = serde_json::from_str(r#"["b.test","*.b.test","a.test","b.test"]"#).unwrap();
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["*.b.test","a.test","b.test"]"#);
        assert!(serde_json::from_str::<IdentifierSet>("[]").is_err());
    }

    proptest! {
        #[test]
        fn order_and_repeats_make_no_difference(mut picks in prop::collection::vec(0usize..6, 1..12)) {
            let of = |picks: &[usize]| {
                IdentifierSet::new(picks.iter().map(|pick| {
                    let host: HostName = format!("d{}.fleet.test", pick / 2).parse().unwrap();
                    if pick % 2 == 0 { Identifier::from(host) } else { Identifier::wildcard(host) }
                }))
                .unwrap()
            };
            let set = of(&picks);
            picks.reverse();
            picks.push(picks[0]);
            prop_assert_eq!(&of(&picks), &set);
            prop_assert_eq!(&set.canonical().parse::<IdentifierSet>().unwrap(), &set);
        }
    }
}
