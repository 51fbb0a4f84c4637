//! The domain by which a CA counts certificates.

use std::collections::BTreeSet;

use fleetcert_names::{DomainName, HostName, registered_domain};

/// Public suffixes in addition to the compiled-in list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Suffixes(BTreeSet<DomainName>);

impl Suffixes {
    pub(super) fn add(&mut self, suffix: DomainName) {
        self.0.insert(suffix);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &DomainName> {
        self.0.iter()
    }

    /// Returns the registered domain, or the name itself if it is a public suffix.
    pub(super) fn counted_domain(&self, name: &HostName) -> DomainName {
        let name = name.as_domain();
        self.0
            .iter()
            .filter_map(|suffix| below(name, suffix))
            .max_by_key(|domain| domain.as_str().len())
            .or_else(|| registered_domain(name))
            .unwrap_or_else(|| name.clone())
    }
}

/// Returns the part of `name` that is one label longer than `suffix`, or `suffix` itself.
fn below(name: &DomainName, suffix: &DomainName) -> Option<DomainName> {
    if !name.is_within(suffix) {
        return None;
    }
    let name = name.as_str();
    let end = (name.len() - suffix.as_str().len()).saturating_sub(1);
    let label = name[..end].rfind('.').map_or(0, |dot| dot + 1);
    name[label..].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_below_an_added_suffix_is_a_registered_domain() {
        let counted = |suffixes: &Suffixes, name: &str| {
            suffixes.counted_domain(&name.parse().expect("a host name")).to_string()
        };
        let mut suffixes = Suffixes::default();
        assert_eq!(counted(&suffixes, "www.d1.fleet.example.com"), "example.com");
        suffixes.add("fleet.example.com".parse().expect("a domain name"));
        assert_eq!(counted(&suffixes, "www.d1.fleet.example.com"), "d1.fleet.example.com");
        assert_eq!(counted(&suffixes, "d1.fleet.example.com"), "d1.fleet.example.com");
        assert_eq!(counted(&suffixes, "fleet.example.com"), "fleet.example.com");
        assert_eq!(counted(&suffixes, "notfleet.example.com"), "example.com");
        suffixes.add("d1.fleet.example.com".parse().expect("a domain name"));
        assert_eq!(counted(&suffixes, "a.www.d1.fleet.example.com"), "www.d1.fleet.example.com");
    }
}
