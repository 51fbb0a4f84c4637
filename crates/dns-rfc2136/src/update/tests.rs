use fleetcert_dns::TxtValue;
use hickory_proto::rr::rdata::TXT;

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

/// Returns the updates as a server decodes them.
fn sent(changes: &[Change], strings: &ForeignStrings) -> Vec<Message> {
    let all = updates(&zone(), &changes.iter().collect::<Vec<_>>(), strings).unwrap();
    all.iter().map(|update| message::decode(&update.with_id(1)).unwrap()).collect()
}

fn counts(updates: &[Message]) -> Vec<usize> {
    updates.iter().map(|update| update.authorities.len()).collect()
}

#[test]
fn changes_that_fit_are_one_message() {
    let strings = ForeignStrings::new();
    assert_eq!(counts(&sent(&additions(100, 43), &strings)), [100]);
    let devices: Vec<Change> = (0..100)
        .map(|number| Change::SetAddresses {
            name: format!("bcdfghjkmnpqrstvw{number}.devices.fleet.test").parse().unwrap(),
            addresses: Addresses::new((1..=4).map(|last| [10, 0, 0, last].into())).unwrap(),
            ttl: Ttl::ADDRESS,
        })
        .collect();
    assert_eq!(counts(&sent(&devices, &strings)), [600]);
}

#[test]
fn changes_that_do_not_fit_are_several_messages_in_order() {
    let changes = additions(100, 1024);
    let all = sent(&changes, &ForeignStrings::new());
    // As many as fit go into the first message, and the rest into the second.
    assert_eq!(counts(&all), [61, 39]);
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
    let all = sent(&[change], &ForeignStrings::new());
    let records = &all[0].authorities;
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
fn text_is_removed_in_all_strings_of_the_server() {
    let owner: DomainName = "a.fleet.test".parse().unwrap();
    let value: TxtValue = "abc".parse().unwrap();
    let cut = TXT::from_bytes(vec![b"a", b"bc"]);
    let strings = [((owner.clone(), value.clone()), vec![cut.clone()])].into();
    let all = sent(&[Change::RemoveTxt { name: owner, value }], &strings);
    let records = &all[0].authorities;
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.dns_class == DNSClass::NONE && record.ttl == 0));
    assert_eq!(records[1].data, RData::TXT(cut));
}

#[test]
fn change_that_fits_into_no_message_is_an_error() {
    let owner: DomainName = "a.fleet.test".parse().unwrap();
    let value: TxtValue = "abc".parse().unwrap();
    let cut = TXT::from_bytes(vec![&[b'a'; 255][..]; 3]);
    let strings = [((owner.clone(), value.clone()), vec![cut; 100])].into();
    let removal = Change::RemoveTxt { name: owner, value };
    assert_eq!(updates(&zone(), &[&removal], &strings).unwrap_err(), EncodeError);
    let addition = &additions(1, 43)[0];
    assert_eq!(updates(&zone(), &[addition, &removal], &strings).unwrap_err(), EncodeError);
}

/// RFC 2136 section 2.4: class, type, whether there is data, and always a TTL of zero.
#[test]
fn prerequisites_are_encoded_as_in_the_rfc() {
    use fleetcert_dns::RecordType as Type;
    let name: DomainName = "a.fleet.test".parse().unwrap();
    let values = [RecordData::A([10, 1, 1, 4].into()), RecordData::A([10, 1, 1, 5].into())].into();
    let all = [
        Prerequisite::SetExists { name: name.clone(), record_type: Type::Txt },
        Prerequisite::SetIs { name: name.clone(), values },
        Prerequisite::NoSet { name: name.clone(), record_type: Type::Aaaa },
        Prerequisite::NameInUse { name: name.clone() },
        Prerequisite::NameNotInUse { name },
    ];
    let update = conditional_update(&zone(), &all, &[], &ForeignStrings::new()).unwrap();
    let message = message::decode(&update.with_id(1)).unwrap();
    let seen: Vec<_> = message
        .answers
        .iter()
        .map(|record| {
            (record.dns_class, record.record_type(), !matches!(record.data, RData::Update0(_)), record.ttl)
        })
        .collect();
    let expected = [
        (DNSClass::ANY, RecordType::TXT, false, 0),
        (DNSClass::IN, RecordType::A, true, 0),
        (DNSClass::IN, RecordType::A, true, 0),
        (DNSClass::NONE, RecordType::AAAA, false, 0),
        (DNSClass::ANY, RecordType::ANY, false, 0),
        (DNSClass::NONE, RecordType::ANY, false, 0),
    ];
    assert_eq!(seen, expected);
    assert!(message.authorities.is_empty());
}
