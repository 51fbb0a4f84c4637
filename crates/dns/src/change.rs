//! What can be done to a zone.

use std::collections::HashMap;

use fleetcert_names::DomainName;

use crate::{Addresses, Ttl, TxtValue};

/// One change to one zone.
///
/// TXT values are added and removed one by one and never replaced: two orders may have a value each at the same
/// name, and neither may touch the other's. Addresses are replaced as a whole, because a device reports where it
/// is and not how that differs from before.
///
/// Every change is idempotent: what is there already is not added again, what is not there is not removed, and
/// neither is an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The value is among the TXT values of the name. Other values stay. If the set has another time to live, a
    /// server may keep either.
    AddTxt {
        /// The owner name.
        name: DomainName,
        /// The value to add.
        value: TxtValue,
        /// The time to live.
        ttl: Ttl,
    },
    /// The value is not among the TXT values of the name. Other values stay.
    RemoveTxt {
        /// The owner name.
        name: DomainName,
        /// The value to remove.
        value: TxtValue,
    },
    /// The A and AAAA records of the name are these, both at once. No address of a kind: no record of it.
    SetAddresses {
        /// The owner name.
        name: DomainName,
        /// All addresses that the name has afterwards.
        addresses: Addresses,
        /// The time to live.
        ttl: Ttl,
    },
}

impl Change {
    /// The owner name that is changed.
    pub fn name(&self) -> &DomainName {
        match self {
            Self::AddTxt { name, .. } | Self::RemoveTxt { name, .. } | Self::SetAddresses { name, .. } => {
                name
            }
        }
    }
    /// Returns what the change decides: one text of a name, or, with `None`, the addresses of the name. Of two changes
    /// with the same subject the later one decides.
    ///
    /// ```
    /// use fleetcert_dns::Change;
    ///
    /// let (name, value) = ("a.fleet.test".parse()?, "1".parse()?);
    /// let change = Change::RemoveTxt { name, value };
    /// let (name, value) = change.subject();
    /// assert_eq!(name.as_str(), "a.fleet.test");
    /// assert_eq!(value.map(|value| value.as_bytes()), Some(&b"1"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subject(&self) -> (&DomainName, Option<&TxtValue>) {
        match self {
            Self::AddTxt { name, value, .. } | Self::RemoveTxt { name, value } => (name, Some(value)),
            Self::SetAddresses { name, .. } => (name, None),
        }
    }
    /// Returns the changes of all lists in their order, without those that repeat the last one of their subject. A single
    /// list stays as it is.
    pub(crate) fn merged<'a>(mut lists: impl ExactSizeIterator<Item = &'a [Self]>) -> Vec<Self> {
        if lists.len() == 1 {
            return lists.next().unwrap_or_default().to_vec();
        }
        let mut last = HashMap::new();
        let is_new = |change: &&'a Self| last.insert(change.subject(), *change) != Some(*change);
        lists.flatten().filter(is_new).cloned().collect()
    }

    /// Returns the octets that the change takes in a DNS UPDATE message without compression: owner name, and type,
    /// class, time to live and length of the data (RFC 1035 section 3.2.1).
    pub(crate) fn wire_octets(&self) -> usize {
        let record = |data: usize| self.name().as_str().len() + 2 + 10 + data;
        match self {
            Self::AddTxt { value, .. } | Self::RemoveTxt { value, .. } => {
                record(value.as_bytes().len() + value.strings().count())
            }
            // Two deletions go before the addresses (RFC 2136 section 2.5.2).
            Self::SetAddresses { addresses, .. } => {
                2 * record(0) + addresses.v4().count() * record(4) + addresses.v6().count() * record(16)
            }
        }
    }
}
