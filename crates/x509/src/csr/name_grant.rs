//! The names that a sender may request.

use fleetcert_names::{DomainName, Identifier, IdentifierSet};

use super::refusal::{CsrRefusal, CsrRefusalCode as Code, quoted};

const FIELD: &str = "subjectAltName";

/// The names granted to a sender: names that the CSR must have, names that it may have, and whole subtrees.
///
/// ```
/// use fleetcert_names::IdentifierSet;
/// use fleetcert_x509::{
///     CsrPolicy, KeyKind, KeyPair, NameGrant, VerifiedCsr, csr_for,
/// };
///
/// let key = KeyPair::generate(KeyKind::P256)?;
/// let judge = |grant: &NameGrant, names: &str| {
///     let csr = csr_for(&names.parse().unwrap(), &key).unwrap();
///     VerifiedCsr::parse(&csr, &CsrPolicy::device().with_grant(grant.clone()))
/// };
///
/// let both: IdentifierSet = "xi8qz.fleet.test,*.xi8qz.fleet.test".parse()?;
/// let exact = NameGrant::exact(&both);
/// assert!(judge(&exact, both.canonical()).is_ok());
/// assert!(judge(&exact, "xi8qz.fleet.test").is_err());
///
/// let optional = NameGrant::optional(&both);
/// assert!(judge(&optional, "xi8qz.fleet.test").is_ok());
/// assert!(judge(&optional, "other.fleet.test").is_err());
///
/// let subtree = NameGrant::subtree("xi8qz.fleet.test".parse()?);
/// assert!(judge(&subtree, "a.xi8qz.fleet.test").is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameGrant {
    /// Required identifiers, sorted, without duplicates, like the optional ones.
    exact: Vec<Identifier>,
    optional: Vec<Identifier>,
    subtrees: Vec<DomainName>,
}

impl NameGrant {
    /// Returns the grant of exactly these identifiers: the CSR must have all of them.
    pub fn exact(identifiers: &IdentifierSet) -> Self {
        Self::default().and_exact(identifiers)
    }

    /// Returns the grant of any of these identifiers.
    pub fn optional(identifiers: &IdentifierSet) -> Self {
        Self::default().and_optional(identifiers)
    }

    /// Returns the grant of any host names below `base`, at any depth. `base` itself and wildcards are not granted.
    pub fn subtree(base: DomainName) -> Self {
        Self::default().and_subtree(base)
    }

    /// Adds identifiers that the CSR must have.
    #[must_use]
    pub fn and_exact(self, identifiers: &IdentifierSet) -> Self {
        Self { exact: union(self.exact, identifiers), ..self }
    }

    /// Adds identifiers that the CSR may have.
    #[must_use]
    pub fn and_optional(self, identifiers: &IdentifierSet) -> Self {
        Self { optional: union(self.optional, identifiers), ..self }
    }

    /// Adds the host names below `base`, as optional ones.
    #[must_use]
    pub fn and_subtree(mut self, base: DomainName) -> Self {
        self.subtrees.push(base);
        self
    }

    /// Returns the maximum number of names, or `None` if only the policy limits it.
    pub(super) fn max_names(&self) -> Option<usize> {
        let is_more = |identifier: &&Identifier| self.exact.binary_search(identifier).is_err();
        let more = || self.optional.iter().filter(is_more).count();
        self.subtrees.is_empty().then(|| self.exact.len() + more())
    }

    pub(super) fn allows(&self, identifier: &Identifier) -> bool {
        self.exact.binary_search(identifier).is_ok()
            || self.optional.binary_search(identifier).is_ok()
            || self.is_in_subtree(identifier)
    }

    /// Checks that each of `identifiers` was granted, and that none of the required ones is missing.
    pub(super) fn check(&self, identifiers: &IdentifierSet) -> Result<(), CsrRefusal> {
        if let Some(stranger) = identifiers.iter().find(|identifier| !self.allows(identifier)) {
            let (code, what) = match stranger.is_wildcard() {
                true => (Code::WildcardNotGranted, "wildcard name"),
                false => (Code::NameNotGranted, "name"),
            };
            return Err(refuse(code, &format!("The {what} {} was not granted.", quote(stranger))));
        }
        match self.exact.iter().find(|identifier| !identifiers.contains(identifier)) {
            Some(missing) => {
                let sentence =
                    format!("The name {} was granted, but the CSR does not have it.", quote(missing));
                Err(refuse(Code::NameNotGranted, &sentence))
            }
            None => Ok(()),
        }
    }

    fn is_in_subtree(&self, identifier: &Identifier) -> bool {
        identifier.host().is_some_and(|host| {
            let name = host.as_domain();
            self.subtrees.iter().any(|base| name != base && name.is_within(base))
        })
    }
}

fn union(mut identifiers: Vec<Identifier>, more: &IdentifierSet) -> Vec<Identifier> {
    identifiers.extend(more.iter().cloned());
    identifiers.sort();
    identifiers.dedup();
    identifiers
}

fn quote(identifier: &Identifier) -> String {
    quoted(identifier.as_str().as_bytes())
}

fn refuse(code: Code, sentence: &str) -> CsrRefusal {
    CsrRefusal::new(code, FIELD, sentence)
}
