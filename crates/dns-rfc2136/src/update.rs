//! UPDATE messages (RFC 2136 section 2).

use fleetcert_dns::{Addresses, Change, RecordData, Ttl};
use fleetcert_dns_wire::message::{self, EncodeError};
use fleetcert_dns_wire::{name, record};
use fleetcert_names::DomainName;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::Prerequisite;
use crate::changes::ForeignStrings;

/// Space for the TSIG record: two names of 255 octets, the longest MAC, and the fields between them.
const TSIG_SPACE: usize = 640;

/// An update for one zone, encoded except for its id and its signature. It leaves space for both.
#[derive(Clone, Debug)]
pub(crate) struct EncodedUpdate {
    zone: DomainName,
    octets: Vec<u8>,
}

impl EncodedUpdate {
    fn of(zone: &DomainName, message: &Message) -> Result<Self, EncodeError> {
        let octets = message::encode(message)?;
        let fits = octets.len() + TSIG_SPACE <= usize::from(u16::MAX);
        if fits { Ok(Self { zone: zone.clone(), octets }) } else { Err(EncodeError) }
    }

    pub(crate) fn zone(&self) -> &DomainName {
        &self.zone
    }

    pub(crate) fn with_id(&self, id: u16) -> Vec<u8> {
        let mut octets = self.octets.clone();
        octets[..2].copy_from_slice(&id.to_be_bytes());
        octets
    }
}

/// Encodes the changes as few updates, in order.
pub(crate) fn updates(
    zone: &DomainName,
    changes: &[&Change],
    strings: &ForeignStrings,
) -> Result<Vec<EncodedUpdate>, EncodeError> {
    let mut updates = Vec::new();
    let mut rest = changes;
    while !rest.is_empty() {
        let (update, count) = longest_update(zone, rest, strings)?;
        updates.push(update);
        rest = &rest[count..];
    }
    Ok(updates)
}

/// Returns an update with as many of the first changes as fit, and their number.
fn longest_update(
    zone: &DomainName,
    changes: &[&Change],
    strings: &ForeignStrings,
) -> Result<(EncodedUpdate, usize), EncodeError> {
    let of_first = |count: usize| conditional_update(zone, &[], &changes[..count], strings);
    if let Ok(whole) = of_first(changes.len()) {
        return Ok((whole, changes.len()));
    }
    let (mut fits, mut too_many) = (1, changes.len());
    let mut update = of_first(1)?;
    while too_many - fits > 1 {
        let middle = usize::midpoint(fits, too_many);
        match of_first(middle) {
            Ok(longer) => (update, fits) = (longer, middle),
            Err(EncodeError) => too_many = middle,
        }
    }
    Ok((update, fits))
}

/// Encodes one update with prerequisites.
pub(crate) fn conditional_update(
    zone: &DomainName,
    prerequisites: &[Prerequisite],
    changes: &[&Change],
    strings: &ForeignStrings,
) -> Result<EncodedUpdate, EncodeError> {
    let mut message = one_message(zone, changes, strings);
    message.add_answers(prerequisites.iter().flat_map(Prerequisite::to_wire));
    EncodedUpdate::of(zone, &message)
}

/// Returns the one question of the zone section (RFC 2136 section 2.3).
pub(crate) fn zone_question(zone: &DomainName) -> Query {
    Query::query(name::to_wire(zone), RecordType::SOA)
}

fn one_message(zone: &DomainName, changes: &[&Change], strings: &ForeignStrings) -> Message {
    let mut message = Message::new(0, MessageType::Query, OpCode::Update);
    message.add_query(zone_question(zone));
    for change in changes {
        let owner = name::to_wire(change.name());
        match change {
            Change::AddTxt { value, ttl, .. } => {
                message.add_authority(added(&owner, *ttl, &RecordData::Txt(value.clone())));
            }
            Change::RemoveTxt { name, value } => {
                message.add_authority(removed(&owner, record::to_wire(&RecordData::Txt(value.clone()))));
                for cut in strings.get(&(name.clone(), value.clone())).into_iter().flatten() {
                    message.add_authority(removed(&owner, RData::TXT(cut.clone())));
                }
            }
            Change::SetAddresses { addresses, ttl, .. } => {
                message.add_authorities(replaced(&owner, addresses, *ttl));
            }
        }
    }
    message
}

/// Returns the record for "Add to an RRset" (RFC 2136 section 2.5.1).
fn added(owner: &Name, ttl: Ttl, data: &RecordData) -> Record {
    Record::from_rdata(owner.clone(), ttl.as_secs(), record::to_wire(data))
}

/// Returns the record for "Delete an RR from an RRset" (RFC 2136 section 2.5.4).
fn removed(owner: &Name, data: RData) -> Record {
    let mut record = Record::from_rdata(owner.clone(), 0, data);
    record.dns_class = DNSClass::NONE;
    record
}

/// Returns the records for "Delete an RRset" (RFC 2136 section 2.5.2) of both types, then the addresses.
fn replaced(owner: &Name, addresses: &Addresses, ttl: Ttl) -> Vec<Record> {
    let delete = |record_type| {
        let mut record = Record::update0(owner.clone(), 0, record_type);
        record.dns_class = DNSClass::ANY;
        record
    };
    let mut records = vec![delete(RecordType::A), delete(RecordType::AAAA)];
    records.extend(addresses.v4().map(|address| added(owner, ttl, &RecordData::A(address))));
    records.extend(addresses.v6().map(|address| added(owner, ttl, &RecordData::Aaaa(address))));
    records
}

#[cfg(test)]
mod tests;
