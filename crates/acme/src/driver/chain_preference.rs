//! The choice between the chains of one certificate.

use fleetcert_x509::Chain;

/// Preferred chain of a certificate, where the CA offers several (RFC 8555 section 7.4.2). Old devices may trust another
/// root than the CA's default one.
///
/// It costs one request for each other chain, unless the CA's default already is the preferred one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainPreference {
    /// The CA's default.
    #[default]
    CaDefault,
    /// A chain that ends at the root with this common name; otherwise the CA's default.
    RootName(String),
    /// The chain with the fewest certificates. Of several such chains, the first that the CA offers.
    Shortest,
}

impl ChainPreference {
    /// Returns whether no other chain can be better.
    pub(super) fn is_met_by(&self, chain: &Chain) -> bool {
        match self {
            Self::CaDefault => true,
            Self::RootName(name) => chain.root_name().as_ref() == Some(name),
            Self::Shortest => false,
        }
    }

    /// Returns the preferred chain. Chains of another certificate do not count.
    pub(super) fn choose(&self, default: Chain, others: Vec<Chain>) -> Chain {
        let leaf = default.certificates()[0].clone();
        let mut others = others.into_iter().filter(|other| other.certificates()[0] == leaf);
        let other = match self {
            Self::CaDefault => None,
            Self::RootName(_) => others.find(|other| self.is_met_by(other)),
            Self::Shortest => others
                .min_by_key(|other| other.certificates().len())
                .filter(|other| other.certificates().len() < default.certificates().len()),
        };
        other.unwrap_or(default)
    }
}
