//! Which names the sender may have.

use fleetcert_names::{DomainName, HostName};

use super::refusal::{CsrRefusal, CsrRefusalCode as Code, quoted};

const FIELD: &str = "subjectAltName";

/// The names that were granted: all of some names, and whatever the sender likes of wildcards and subtrees.
///
/// ```
/// use fleetcert_names::{DomainName, HostName};
/// use fleetcert_x509::{CsrPolicy, KeyKind, KeyPair, NameGrant, VerifiedCsr, csr_for};
///
/// let own: HostName = "xi8qz.fleet.test".parse()?;
/// let key = KeyPair::generate(KeyKind::P256)?;
///
/// let exact = CsrPolicy::device().with_grant(NameGrant::exact([own.clone()]));
/// assert!(VerifiedCsr::parse(&csr_for(&[own.clone()], &key)?, &exact).is_ok());
/// assert!(VerifiedCsr::parse(&csr_for(&["evil-xi8qz.fleet.test".parse()?], &key)?, &exact).is_err());
///
/// let subtree = NameGrant::subtree(own.as_domain().clone());
/// let below = csr_for(&["a.xi8qz.fleet.test".parse()?], &key)?;
/// assert!(VerifiedCsr::parse(&below, &CsrPolicy::device().with_grant(subtree)).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameGrant {
    exact: Vec<HostName>,
    wildcards: Vec<HostName>,
    subtrees: Vec<DomainName>,
}

impl NameGrant {
    /// Exactly these names: the CSR must have all of them.
    pub fn exact(names: impl IntoIterator<Item = HostName>) -> Self {
        Self { exact: sorted(names.into_iter().collect()), ..Self::default() }
    }

    /// The wildcard `*.base`, which stands for all names with one label more. `base` itself is not in it.
    pub fn wildcard(base: HostName) -> Self {
        Self::default().and_wildcard(base)
    }

    /// Any names below `base`, at any depth. `base` itself is not among them, nor are wildcards.
    pub fn subtree(base: DomainName) -> Self {
        Self::default().and_subtree(base)
    }

    /// The same, and this name, which the CSR must have too.
    #[must_use]
    pub fn and_exact(mut self, name: HostName) -> Self {
        self.exact.push(name);
        Self { exact: sorted(self.exact), ..self }
    }

    /// The same, and the wildcard `*.base` if the sender likes.
    #[must_use]
    pub fn and_wildcard(mut self, base: HostName) -> Self {
        self.wildcards.push(base);
        Self { wildcards: sorted(self.wildcards), ..self }
    }

    /// The same, and any names below `base`.
    #[must_use]
    pub fn and_subtree(mut self, base: DomainName) -> Self {
        self.subtrees.push(base);
        self
    }

    /// So many names can be asked for; `None` when only the policy bounds them.
    pub(super) fn bound(&self) -> Option<usize> {
        self.subtrees.is_empty().then(|| self.exact.len() + self.wildcards.len())
    }

    pub(super) fn has_wildcard(&self, base: &HostName) -> bool {
        self.wildcards.contains(base)
    }

    /// Whether `names` are all of the exact ones, and otherwise of the subtrees.
    pub(super) fn check(&self, names: &[HostName]) -> Result<(), CsrRefusal> {
        let granted = |name: &HostName| self.exact.contains(name) || self.is_below(name);
        if let Some(name) = names.iter().find(|name| !granted(name)) {
            return Err(refusal(name, "was not granted"));
        }
        match self.exact.iter().find(|name| !names.contains(name)) {
            Some(name) => Err(refusal(name, "was granted, but the CSR does not have it")),
            None => Ok(()),
        }
    }

    fn is_below(&self, name: &HostName) -> bool {
        let name = name.as_domain();
        self.subtrees.iter().any(|base| name != base && name.is_within(base))
    }
}

fn sorted(mut names: Vec<HostName>) -> Vec<HostName> {
    names.sort();
    names.dedup();
    names
}

fn refusal(name: &HostName, what: &str) -> CsrRefusal {
    let sentence = format!("The name {} {what}.", quoted(name.as_str().as_bytes()));
    CsrRefusal::new(Code::NameNotGranted, FIELD, sentence)
}
