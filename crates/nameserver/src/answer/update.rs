//! Dynamic updates (RFC 2136 section 3), signed with a key that has a grant.

use fleetcert_dns::{RecordData, RecordType, Ttl};
use fleetcert_dns_wire::tsig::{Checked, to_seconds};
use fleetcert_dns_wire::{name, record};
use fleetcert_names::DomainName;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, RData, Record, RecordType as WireType};

use super::prerequisites;
use super::query::is_meta;
use crate::UpdateGrant;
use crate::replay::Arrival;
use crate::server::Core;
use crate::zone::{Draft, DraftError, NameKey, Zone};

/// Maximum records of an update section.
const MAX_UPDATES: usize = 1000;
/// Maximum records of a prerequisite section.
const MAX_PREREQUISITES: usize = 1000;

/// One record of an update section, decoded.
enum UpdateStep {
    Add { key: NameKey, value: RecordData, ttl: Ttl },
    Remove { key: NameKey, value: RecordData },
    RemoveSet { key: NameKey, record_type: RecordType },
    RemoveName { key: NameKey },
}

impl Core {
    /// Applies the update as a whole or not at all.
    ///
    /// The sender's grant is checked before the zone is read, so that a refusal reveals nothing about the zone.
    pub(super) fn update(&self, request: &Message, checked: &Checked<'_>) -> Result<(), ResponseCode> {
        let Checked::Signed(signed) = checked else {
            return Err(ResponseCode::Refused);
        };
        let zone_section = &request.queries[0];
        if zone_section.query_type() != WireType::SOA || zone_section.query_class() != DNSClass::IN {
            return Err(ResponseCode::FormErr);
        }
        let zone = self.zones.at(&NameKey::of_wire(zone_section.name())).ok_or(ResponseCode::NotAuth)?;
        let (prerequisites, updates) = (&request.answers, &request.authorities);
        if prerequisites.len() > MAX_PREREQUISITES || updates.len() > MAX_UPDATES {
            return Err(ResponseCode::Refused);
        }
        let grants: Vec<_> = self.grants_of(signed.key()).collect();
        let steps = updates
            .iter()
            .map(|record| UpdateStep::of(record, zone, &grants))
            .collect::<Result<Vec<_>, _>>()?;
        match self.replays.arrives(signed.mac(), to_seconds(self.ambient.now())) {
            Arrival::First => {}
            Arrival::Repeated => return Err(ResponseCode::Refused),
            Arrival::NoRoom => return Err(ResponseCode::ServFail),
        }
        let outcome = zone.change(self.unix_time(), |draft| {
            prerequisites::check(zone, &draft.as_snapshot(0), prerequisites)?;
            steps.into_iter().try_for_each(|step| step.take(draft)).map_err(|_| ResponseCode::Refused)
        });
        let (key, serial) = (signed.key().name(), zone.snapshot().serial);
        match outcome {
            Ok(()) => tracing::debug!(zone = %zone.origin(), %key, serial, "update made"),
            Err(code) => tracing::debug!(zone = %zone.origin(), %key, %code, "update refused"),
        }
        outcome
    }
}

impl UpdateStep {
    /// Decodes the record: the prescan of RFC 2136 section 3.4.1, and the grants.
    fn of(update: &Record, zone: &Zone, grants: &[&UpdateGrant]) -> Result<Self, ResponseCode> {
        let (key, wire_type) = (NameKey::of_wire(&update.name), update.record_type());
        if !key.is_within(zone.apex()) {
            return Err(ResponseCode::NotZone);
        }
        let is_empty = matches!(update.data, RData::Update0(_));
        let is_of_one_type = wire_type != WireType::ANY;
        let well_formed = !is_meta(wire_type)
            && match update.dns_class {
                DNSClass::IN => !is_empty && is_of_one_type,
                DNSClass::ANY => is_empty && update.ttl == 0,
                DNSClass::NONE => !is_empty && is_of_one_type && update.ttl == 0,
                _ => false,
            };
        if !well_formed {
            return Err(ResponseCode::FormErr);
        }
        // From here on, the update is valid; it can still lack a grant or be unsupported.
        let name = name::from_wire(&update.name).map_err(|_| ResponseCode::Refused)?;
        if !is_of_one_type {
            let all = [RecordType::A, RecordType::Aaaa, RecordType::Txt];
            require(all.iter().all(|record_type| is_granted(grants, &name, *record_type)))?;
            return Ok(Self::RemoveName { key });
        }
        let record_type = record::type_from_wire(wire_type).ok_or(ResponseCode::Refused)?;
        require(is_granted(grants, &name, record_type))?;
        if update.dns_class == DNSClass::ANY {
            return Ok(Self::RemoveSet { key, record_type });
        }
        let value = record::from_wire(&update.data).map_err(|_| ResponseCode::Refused)?;
        if update.dns_class == DNSClass::NONE {
            return Ok(Self::Remove { key, value });
        }
        let ttl = Ttl::from_secs(update.ttl).map_err(|_| ResponseCode::FormErr)?;
        Ok(Self::Add { key, value, ttl })
    }

    fn take(self, draft: &mut Draft<'_>) -> Result<(), DraftError> {
        match self {
            Self::Add { key, value, ttl } => draft.add(&key, value, ttl),
            Self::Remove { key, value } => draft.remove(&key, &value),
            Self::RemoveSet { key, record_type } => draft.replace(&key, record_type, None),
            Self::RemoveName { key } => draft.clear(&key),
        }
    }
}

fn is_granted(grants: &[&UpdateGrant], name: &DomainName, record_type: RecordType) -> bool {
    grants.iter().any(|grant| name.is_within(&grant.subtree) && grant.types.contains(&record_type))
}

fn require(granted: bool) -> Result<(), ResponseCode> {
    if granted { Ok(()) } else { Err(ResponseCode::Refused) }
}
