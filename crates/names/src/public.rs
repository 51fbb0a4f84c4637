//! Rules of public CAs about names, and registered domains.

use std::fmt;

use psl::Type;

use crate::{DomainName, Identifier};

/// The reason why no public CA would put a name into a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicRefusal {
    /// The top-level domain is not one of ICANN's, as `.test`, `.local` or `.internal`.
    NotUnderPublicSuffix,
    /// The name, or the base of the wildcard, is a public suffix of the ICANN section, as `co.uk`.
    IsPublicSuffix,
    /// More than ten labels, Let's Encrypt's maximum. The asterisk of a wildcard counts as one.
    TooManyLabels,
    /// A label with hyphens as its third and fourth character that is not an A-label (RFC 5891 section 4.2.3.1).
    ReservedLabel,
}

const MAX_LABELS: usize = 10;

/// Returns why a public CA would refuse `identifier`, or `None` when nothing is known against it.
///
/// Parsing does not check this, so that a fleet under `.test` can be tried out.
///
/// ```
/// use fleetcert_names::{PublicRefusal, public_refusal};
///
/// assert_eq!(public_refusal(&"xi8qz.fleet.example.com".parse()?), None);
/// assert_eq!(
///     public_refusal(&"xi8qz.fleet.test".parse()?),
///     Some(PublicRefusal::NotUnderPublicSuffix)
/// );
/// assert_eq!(
///     public_refusal(&"*.co.uk".parse()?),
///     Some(PublicRefusal::IsPublicSuffix)
/// );
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
pub fn public_refusal(identifier: &Identifier) -> Option<PublicRefusal> {
    let domain = identifier.base().as_domain();
    if domain.label_count() + usize::from(identifier.is_wildcard()) > MAX_LABELS {
        return Some(PublicRefusal::TooManyLabels);
    }
    if domain.labels().any(|label| label.get(2..4) == Some("--") && !label.starts_with("xn--")) {
        return Some(PublicRefusal::ReservedLabel);
    }
    let top = domain.labels().next_back().unwrap_or_default();
    if psl::suffix(top.as_bytes()).is_none_or(|suffix| suffix.typ() != Some(Type::Icann)) {
        return Some(PublicRefusal::NotUnderPublicSuffix);
    }
    match psl::suffix(domain.as_str().as_bytes()) {
        Some(suffix)
            if suffix.typ() == Some(Type::Icann) && suffix.as_bytes() == domain.as_str().as_bytes() =>
        {
            Some(PublicRefusal::IsPublicSuffix)
        }
        _ => None,
    }
}

/// Returns the registered domain of `name`: its public suffix and one more label.
///
/// The whole public suffix list counts, including its private section, as it does for Let's Encrypt's limits. A name
/// that is itself a public suffix has none. Under a top-level domain that is not in the list, the last two labels are
/// the registered domain, by the list's default rule.
///
/// ```
/// use fleetcert_names::{DomainName, registered_domain};
///
/// let name: DomainName = "xi8qz.fleet.example.co.uk".parse()?;
/// assert_eq!(registered_domain(&name), Some("example.co.uk".parse()?));
/// assert_eq!(registered_domain(&"co.uk".parse()?), None);
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
pub fn registered_domain(name: &DomainName) -> Option<DomainName> {
    psl::domain_str(name.as_str()).and_then(|domain| domain.parse().ok())
}

impl fmt::Display for PublicRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUnderPublicSuffix => "its top-level domain is not a public one",
            Self::IsPublicSuffix => "it is a public suffix, or a wildcard directly below one",
            Self::TooManyLabels => "it has more than ten labels",
            Self::ReservedLabel => "a label has hyphens as its third and fourth character",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<PublicRefusal> {
        public_refusal(&text.parse().unwrap())
    }

    #[test]
    fn a_name_that_a_public_ca_refuses_has_its_reason() {
        assert_eq!(refusal("a.b.example.com"), None);
        assert_eq!(refusal("xn--bcher-kva.example"), Some(PublicRefusal::NotUnderPublicSuffix));
        assert_eq!(refusal("xn--bcher-kva.com"), None);
        assert_eq!(refusal("bq--x.com"), Some(PublicRefusal::ReservedLabel));
        assert_eq!(refusal("host.local"), Some(PublicRefusal::NotUnderPublicSuffix));
        assert_eq!(refusal("co.uk"), Some(PublicRefusal::IsPublicSuffix));
        assert_eq!(refusal("a.b.c.d.e.f.g.h.i.example.com"), Some(PublicRefusal::TooManyLabels));
    }

    #[test]
    fn a_wildcard_directly_below_a_public_suffix_is_refused() {
        assert_eq!(refusal("*.co.uk"), Some(PublicRefusal::IsPublicSuffix));
        assert_eq!(refusal("*.example.co.uk"), None);
        // Suffixes of the private section belong to someone, who may have a wildcard.
        assert_eq!(refusal("*.github.io"), None);
        assert_eq!(refusal("*.fleet.test"), Some(PublicRefusal::NotUnderPublicSuffix));
        assert_eq!(refusal("*.bq--x.com"), Some(PublicRefusal::ReservedLabel));
    }

    #[test]
    fn the_asterisk_counts_as_a_label() {
        let base = "a.b.c.d.e.f.g.h.example.com";
        assert_eq!(refusal(base), None);
        assert_eq!(refusal(&format!("*.{base}")), Some(PublicRefusal::TooManyLabels));
    }

    #[test]
    fn the_private_section_counts_for_registered_domains() {
        let of = |text: &str| registered_domain(&text.parse().unwrap()).map(String::from);
        assert_eq!(of("a.b.github.io").as_deref(), Some("b.github.io"));
        assert_eq!(of("xi8qz.fleet.test").as_deref(), Some("fleet.test"));
        assert_eq!(of("test"), None);
    }
}
