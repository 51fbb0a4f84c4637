//! Prerequisites of an update (RFC 2136 section 2.4).

use std::collections::BTreeSet;

use fleetcert_dns::{RecordData, RecordType};
use fleetcert_dns_wire::{name, record};
use fleetcert_names::DomainName;
use hickory_proto::rr::{DNSClass, Record, RecordType as WireType};

/// A prerequisite of an update. The server checks the zone and makes the update in one step. With these two, the zone
/// changes only if the name still has the addresses that were read.
///
/// ```
/// use fleetcert_dns_rfc2136::Prerequisite;
/// use fleetcert_dns::{RecordData, RecordType};
///
/// let name: fleetcert_names::DomainName = "xi8qz.fleet.test".parse()?;
/// let values = [RecordData::A([10, 1, 1, 4].into())].into();
/// let unchanged = [
///     Prerequisite::SetIs { name: name.clone(), values },
///     Prerequisite::NoSet { name, record_type: RecordType::Aaaa },
/// ];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Prerequisite {
    /// The name has any records of the type (section 2.4.1).
    SetExists {
        /// Owner name.
        name: DomainName,
        /// Record type.
        record_type: RecordType,
    },
    /// For each type among the values, the name has exactly these records (section 2.4.2). An empty set is not
    /// allowed: use [`NoSet`](Self::NoSet). A text must consist of strings of 255 octets, as we split it.
    SetIs {
        /// Owner name.
        name: DomainName,
        /// All values.
        values: BTreeSet<RecordData>,
    },
    /// The name has no records of the type (section 2.4.3).
    NoSet {
        /// Owner name.
        name: DomainName,
        /// Record type.
        record_type: RecordType,
    },
    /// The name has records of any type (section 2.4.4).
    NameInUse {
        /// Owner name.
        name: DomainName,
    },
    /// The name has no records (section 2.4.5).
    NameNotInUse {
        /// Owner name.
        name: DomainName,
    },
}

impl Prerequisite {
    /// Returns the owner name.
    pub fn name(&self) -> &DomainName {
        match self {
            Self::SetExists { name, .. }
            | Self::SetIs { name, .. }
            | Self::NoSet { name, .. }
            | Self::NameInUse { name }
            | Self::NameNotInUse { name } => name,
        }
    }

    /// Returns the records of the prerequisite section; none for a set without values.
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
