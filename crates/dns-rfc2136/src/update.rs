//! UPDATE messages (RFC 2136 section 2).

use std::collections::BTreeMap;

use fleetcert_dns::{Addresses, Change, RecordData, Ttl, TxtValue};
use fleetcert_dns_wire::message::{self, EncodeError};
use fleetcert_dns_wire::{name, record};
use fleetcert_names::DomainName;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// Texts as a server has them, where it cuts them into other strings than we do. A record is removed only by the
/// strings that it has (RFC 2136 section 3.4.2.4).
pub(crate) type ForeignCuts = BTreeMap<(DomainName, TxtValue), Vec<TXT>>;

/// Room for the TSIG record: two names of 255 octets, the longest MAC, and what is between them.
const TSIG_ROOM: usize = 640;

/// The changes as messages: one, or as few as are possible when they do not fit. The id is to be set before each
/// is sent.
pub(crate) fn messages(
    zone: &DomainName,
    changes: &[Change],
    cuts: &ForeignCuts,
) -> Result<Vec<Message>, EncodeError> {
    let message = one_message(zone, changes, cuts);
    let fits =
        message::encode(&message).is_ok_and(|octets| octets.len() + TSIG_ROOM <= usize::from(u16::MAX));
    if fits {
        return Ok(vec![message]);
    }
    if changes.len() < 2 {
        return Err(EncodeError);
    }
    let (first, second) = changes.split_at(changes.len() / 2);
    let mut all = messages(zone, first, cuts)?;
    all.extend(messages(zone, second, cuts)?);
    Ok(all)
}

/// The zone section's one question (RFC 2136 section 2.3).
pub(crate) fn zone_question(zone: &DomainName) -> Query {
    Query::query(name::to_wire(zone), RecordType::SOA)
}

fn one_message(zone: &DomainName, changes: &[Change], cuts: &ForeignCuts) -> Message {
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
                for cut in cuts.get(&(name.clone(), value.clone())).into_iter().flatten() {
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

/// "Add to an RRset" (RFC 2136 section 2.5.1).
fn added(owner: &Name, ttl: Ttl, data: &RecordData) -> Record {
    Record::from_rdata(owner.clone(), ttl.as_secs(), record::to_wire(data))
}

/// "Delete an RR from an RRset" (RFC 2136 section 2.5.4).
fn removed(owner: &Name, data: RData) -> Record {
    let mut record = Record::from_rdata(owner.clone(), 0, data);
    record.dns_class = DNSClass::NONE;
    record
}

/// "Delete an RRset" (RFC 2136 section 2.5.2) for both types, then the addresses.
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
mod tests {
    use super::*;

    fn zone() -> DomainName {
        "fleet.test".parse().unwrap()
    }

    fn additions(count: usize, octets: usize) -> Vec<Change> {
        let addition = |number: usize| Change::AddTxt {
            name: format!("_acme-challenge.d{number}.fleet.test").parse().unwrap(),
            value: TxtValue::new(&vec![b'a'; octets]).unwrap(),
            ttl: Ttl::CHALLENGE,
        };
        (0..count).map(addition).collect()
    }

    fn updates(messages: &[Message]) -> Vec<usize> {
        messages.iter().map(|message| message.authorities.len()).collect()
    }

    #[test]
    fn what_fits_is_one_message() {
        let cuts = ForeignCuts::new();
        assert_eq!(updates(&messages(&zone(), &additions(100, 43), &cuts).unwrap()), [100]);
        let devices: Vec<Change> = (0..100)
            .map(|number| Change::SetAddresses {
                name: format!("bcdfghjkmnpqrstvw{number}.devices.fleet.test").parse().unwrap(),
                addresses: Addresses::new((1..=4).map(|last| [10, 0, 0, last].into())).unwrap(),
                ttl: Ttl::ADDRESS,
            })
            .collect();
        assert_eq!(updates(&messages(&zone(), &devices, &cuts).unwrap()), [600]);
    }

    #[test]
    fn what_does_not_fit_is_several_in_the_same_order() {
        let changes = additions(100, 1024);
        let all = messages(&zone(), &changes, &ForeignCuts::new()).unwrap();
        assert_eq!(updates(&all), [50, 50]);
        let owners: Vec<_> =
            all.iter().flat_map(|message| &message.authorities).map(|record| record.name.clone()).collect();
        let expected: Vec<_> = changes.iter().map(|change| name::to_wire(change.name())).collect();
        assert_eq!(owners, expected);
    }

    #[test]
    fn addresses_are_replaced_within_one_message() {
        let owner: DomainName = "a.fleet.test".parse().unwrap();
        let change = Change::SetAddresses {
            name: owner.clone(),
            addresses: Addresses::new(["fd00::4".parse().unwrap(), [10, 1, 1, 4].into()]).unwrap(),
            ttl: Ttl::ADDRESS,
        };
        let all = messages(&zone(), &[change], &ForeignCuts::new()).unwrap();
        let octets = message::encode(&all[0]).unwrap();
        let records = message::decode(&octets).unwrap().authorities;
        let seen: Vec<_> =
            records.iter().map(|record| (record.dns_class, record.record_type(), record.ttl)).collect();
        assert_eq!(
            seen,
            [
                (DNSClass::ANY, RecordType::A, 0),
                (DNSClass::ANY, RecordType::AAAA, 0),
                (DNSClass::IN, RecordType::A, 60),
                (DNSClass::IN, RecordType::AAAA, 60),
            ]
        );
    }

    #[test]
    fn a_text_is_removed_in_every_cut_that_the_server_has() {
        let owner: DomainName = "a.fleet.test".parse().unwrap();
        let value: TxtValue = "abc".parse().unwrap();
        let cut = TXT::from_bytes(vec![b"a", b"bc"]);
        let cuts = [((owner.clone(), value.clone()), vec![cut.clone()])].into();
        let all = messages(&zone(), &[Change::RemoveTxt { name: owner, value }], &cuts).unwrap();
        let records = &all[0].authorities;
        assert_eq!(records.len(), 2);
        assert!(records.iter().all(|record| record.dns_class == DNSClass::NONE && record.ttl == 0));
        assert_eq!(records[1].data, RData::TXT(cut));
    }
}
