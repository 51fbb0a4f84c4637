//! What a zone must be like for an update to be made (RFC 2136 section 2.4).

use std::collections::BTreeSet;

use fleetcert_dns::{RecordData, RecordType};
use fleetcert_dns_wire::{name, record};
use fleetcert_names::DomainName;
use hickory_proto::rr::{DNSClass, Record, RecordType as WireType};

/// A condition. The server looks at the zone and makes the update in one step, so nobody comes in between: with
/// these two the zone changes only if the name still has the addresses that were read.
///
/// ```
/// use fleetcert_dns_rfc2136::Prerequisite;
/// use fleetcert_dns::{RecordData, RecordType};
///
/// let name: fleetcert_names::DomainName = "xi8qz.fleet.test".parse()?;
/// let still = [
///     Prerequisite::SetIs { name: name.clone(), values: [RecordData::A([10, 1, 1, 4].into())].into() },
///     Prerequisite::NoSet { name, record_type: RecordType::Aaaa },
/// ];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Prerequisite {
    /// The name has records of the type, whichever they are (section 2.4.1).
    SetExists {
        /// The owner name.
        name: DomainName,
        /// The type.
        record_type: RecordType,
    },
    /// For each type among the values, the name has these records of it and no others (section 2.4.2). No value is
    /// no condition and is not allowed: that is [`NoSet`](Self::NoSet). A text must have the strings that we cut,
    /// of 255 octets.
    SetIs {
        /// The owner name.
        name: DomainName,
        /// All values.
        values: BTreeSet<RecordData>,
    },
    /// The name has no records of the type (section 2.4.3).
    NoSet {
        /// The owner name.
        name: DomainName,
        /// The type.
        record_type: RecordType,
    },
    /// The name has records of some type, ours or not (section 2.4.4).
    NameInUse {
        /// The owner name.
        name: DomainName,
    },
    /// The name has no records at all (section 2.4.5).
    NameNotInUse {
        /// The owner name.
        name: DomainName,
    },
}

impl Prerequisite {
    /// The owner name that is looked at.
    pub fn name(&self) -> &DomainName {
        match self {
            Self::SetExists { name, .. }
            | Self::SetIs { name, .. }
            | Self::NoSet { name, .. }
            | Self::NameInUse { name }
            | Self::NameNotInUse { name } => name,
        }
    }

    /// The records of the prerequisite section; none for a set without values.
    pub(crate) fn to_wire(&self) -> Vec<Record> {
        let owner = name::to_wire(self.name());
        let bare = |class, record_type| {
            let mut record = Record::update0(owner.clone(), 0, record_type);
            record.dns_class = class;
            vec![record]
        };
        match self {
            Self::SetExists { record_type, .. } => bare(DNSClass::ANY, record::type_to_wire(*record_type)),
            Self::NoSet { record_type, .. } => bare(DNSClass::NONE, record::type_to_wire(*record_type)),
            Self::NameInUse { .. } => bare(DNSClass::ANY, WireType::ANY),
            Self::NameNotInUse { .. } => bare(DNSClass::NONE, WireType::ANY),
            Self::SetIs { values, .. } => values
                .iter()
                .map(|value| Record::from_rdata(owner.clone(), 0, record::to_wire(value)))
                .collect(),
        }
    }
}
