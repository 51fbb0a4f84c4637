//! Conversion of names to and from hickory's.

use fleetcert_names::DomainName;
use hickory_proto::rr::Name;

/// Returns the name as hickory's: absolute, lower case.
pub fn to_wire(name: &DomainName) -> Name {
    Name::from_labels(name.labels().map(str::as_bytes)).expect("a DomainName fits into 255 octets")
}

/// Returns the name as ours, in lower case, if every label is valid in a [`DomainName`].
///
/// # Errors
/// [`ForeignName`] for the root, for an octet outside `[A-Za-z0-9_-]`, and for a hyphen at a label's edge. A dot or a
/// NUL **within** a label is such an octet, so two different names never become equal.
///
/// ```
/// use fleetcert_dns_wire::name;
/// use hickory_proto::rr::Name;
///
/// let wire = Name::from_ascii("XI8QZ.Fleet.Test.")?;
/// assert_eq!(name::from_wire(&wire)?.as_str(), "xi8qz.fleet.test");
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

/// The error for a name that is valid in the DNS, but not as a [`DomainName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name has labels that are not supported")]
pub struct ForeignName;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn longest_name_survives_a_round_trip() {
        let longest: DomainName = ("a.".repeat(126) + "a").parse().unwrap();
        assert_eq!(from_wire(&to_wire(&longest)).unwrap(), longest);
    }

    #[test]
    fn foreign_names_are_rejected() {
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
        fn our_names_survive_a_round_trip(text in "[a-z0-9_]{1,20}(\\.[a-z0-9_]{1,20}){0,5}") {
            let name: DomainName = text.parse().unwrap();
            prop_assert_eq!(from_wire(&to_wire(&name)).unwrap(), name);
        }

        #[test]
        fn arbitrary_labels_do_not_panic(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 0..4)) {
            let wire = Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap();
            if let Ok(name) = from_wire(&wire) {
                prop_assert_eq!(to_wire(&name), wire);
            }
        }
    }
}
