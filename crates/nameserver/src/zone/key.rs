//! A name as the key of lookups.

use std::borrow::Borrow;

use fleetcert_names::DomainName;
use hickory_proto::rr::Name;

/// A name in canonical wire form (RFC 4034 section 6.2): lengths, labels in lower case, and the root's 0. Labels may
/// contain any octet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NameKey(Box<[u8]>);

impl NameKey {
    pub(crate) fn of(name: &DomainName) -> Self {
        Self::of_labels(name.labels().map(str::as_bytes))
    }

    pub(crate) fn of_wire(name: &Name) -> Self {
        Self::of_labels(name)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Returns the name itself, its parent, and so on to the root.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::successors(Some(&*self.0), |name| parent(name))
    }

    pub(crate) fn is_within(&self, zone: &NameKey) -> bool {
        self.ancestors().any(|name| name == &*zone.0)
    }

    fn of_labels<'n>(labels: impl IntoIterator<Item = &'n [u8]>) -> Self {
        let mut octets = Vec::with_capacity(64);
        for label in labels {
            octets.push(u8::try_from(label.len()).expect("a label has at most 63 octets"));
            octets.extend(label.iter().map(u8::to_ascii_lowercase));
        }
        octets.push(0);
        Self(octets.into())
    }
}

impl Borrow<[u8]> for NameKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// Returns the name without its first label; `None` for the root.
pub(super) fn parent(name: &[u8]) -> Option<&[u8]> {
    match name.first() {
        None | Some(0) => None,
        Some(&length) => name.get(1 + usize::from(length)..),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> NameKey {
        NameKey::of(&text.parse().unwrap())
    }

    #[test]
    fn ancestors_end_at_the_root() {
        assert_eq!(key("a.bc").ancestors().collect::<Vec<_>>(), [&b"\x01a\x02bc\0"[..], b"\x02bc\0", b"\0"]);
        assert!(key("a.fleet.test").is_within(&key("fleet.test")));
        assert!(!key("evilfleet.test").is_within(&key("fleet.test")));
    }

    #[test]
    fn dot_inside_a_label_makes_another_name() {
        let dotted = Name::from_labels([&b"a.b"[..], b"test"]).unwrap();
        assert_ne!(NameKey::of_wire(&dotted), key("a.b.test"));
        assert_eq!(NameKey::of_wire(&Name::from_ascii("A.B.Test.").unwrap()), key("a.b.test"));
    }
}
