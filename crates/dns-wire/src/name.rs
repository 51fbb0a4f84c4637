//! Our names and hickory's.

use fleetcert_names::DomainName;
use hickory_proto::rr::Name;

/// The name as hickory has it: absolute, lower case.
pub fn to_wire(name: &DomainName) -> Name {
    Name::from_labels(name.labels().map(str::as_bytes)).expect("a DomainName fits into 255 octets")
}

/// The name as ours: upper case folded, and only if every label is one that we have.
///
/// # Errors
/// [`ForeignName`] for the root, for an octet outside `[A-Za-z0-9_-]` and for a hyphen at a label's edge. A dot
/// or a NUL **within** a label is such an octet, so no two different names become one.
///
/// ```
/// use fleetcert_dns_wire::name;
/// use hickory_proto::rr::Name;
///
/// assert_eq!(name::from_wire(&Name::from_ascii("XI8QZ.Fleet.Test.")?)?.as_str(), "xi8qz.fleet.test");
/// assert!(name::from_wire(&Name::from_labels([&b"a.b"[..], b"test"])?).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn from_wire(name: &Name) -> Result<DomainName, ForeignName> {
    let mut text = String::with_capacity(DomainName::MAX_LEN);
    for label in name {
        if !label.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')) {
            return Err(ForeignName);
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.iter().map(|octet| char::from(octet.to_ascii_lowercase())));
    }
    text.parse().map_err(|_| ForeignName)
}

/// A name that is lawful in the DNS and that we never have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name has labels that no name of ours has")]
pub struct ForeignName;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_name_goes_both_ways() {
        let longest: DomainName = ("a.".repeat(126) + "a").parse().unwrap();
        assert_eq!(from_wire(&to_wire(&longest)).unwrap(), longest);
    }

    #[test]
    fn what_is_not_ours() {
        assert_eq!(from_wire(&Name::root()), Err(ForeignName));
        for label in [&b"a.b"[..], b"a\0", b"*", b"-a", b"a b", b"\xff"] {
            assert_eq!(
                from_wire(&Name::from_labels([label, b"test"]).unwrap()),
                Err(ForeignName),
                "{label:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn ours_survive(text in "[a-z0-9_]{1,20}(\\.[a-z0-9_]{1,20}){0,5}") {
            let name: DomainName = text.parse().unwrap();
            prop_assert_eq!(from_wire(&to_wire(&name)).unwrap(), name);
        }

        #[test]
        fn any_labels_are_taken_or_refused(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 0..4)) {
            let wire = Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap();
            if let Ok(name) = from_wire(&wire) {
                prop_assert_eq!(to_wire(&name), wire);
            }
        }
    }
}
