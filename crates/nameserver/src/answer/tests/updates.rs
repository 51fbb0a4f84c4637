use std::time::Duration;

use fleetcert_dns_wire::tsig::{self, ReplyFault};
use fleetcert_dns_wire::{Transport, TsigAlgorithm, TsigKey, message};
use hickory_proto::op::ResponseCode::{self, *};
use hickory_proto::rr::rdata::{A, NS};
use hickory_proto::rr::{DNSClass, RData, RecordType};

use super::fixture::{Fixture, START, a, add, key_named, txt, update_record, wire};

const DEVICE: &str = "xi8qz.fleet.test.";

#[tokio::test]
async fn one_message_adds_and_removes_records() {
    let fixture = Fixture::new().await;
    let serial = fixture.serial();
    let remove = update_record(DEVICE, DNSClass::ANY, RecordType::A, 0, None);
    let updates = vec![remove, add(DEVICE, a(7)), add("XI8QZ.fleet.test.", a(8)), add(DEVICE, txt("t"))];
    assert_eq!(fixture.updated(Vec::new(), updates), NoError);
    assert_eq!(fixture.query(DEVICE, RecordType::A).answers.len(), 2);
    assert_eq!(fixture.serial(), serial + 1);
    let one = update_record(DEVICE, DNSClass::NONE, RecordType::A, 0, Some(a(7)));
    let name =
        update_record("_acme-challenge.deep.down.fleet.test.", DNSClass::ANY, RecordType::ANY, 0, None);
    assert_eq!(fixture.updated(Vec::new(), vec![one, name]), NoError);
    assert_eq!(fixture.query(DEVICE, RecordType::A).answers[0].data, a(8));
    assert_eq!(fixture.query("down.fleet.test.", RecordType::A).response_code, NXDomain);
}

#[tokio::test]
async fn update_without_a_change_keeps_the_serial() {
    let fixture = Fixture::new().await;
    let serial = fixture.serial();
    let gone = update_record("nothing.fleet.test.", DNSClass::ANY, RecordType::ANY, 0, None);
    let same = update_record(DEVICE, DNSClass::IN, RecordType::A, 60, Some(device_address()));
    assert_eq!(fixture.updated(Vec::new(), vec![gone, same]), NoError);
    assert_eq!(fixture.serial(), serial);
    fixture.clock.advance(Duration::from_secs(3600));
    assert_eq!(fixture.updated(Vec::new(), vec![add(DEVICE, a(1))]), NoError);
    assert_eq!(u64::from(fixture.serial()), START + 3600);
}

/// Returns the device's initial address.
fn device_address() -> RData {
    RData::A(A::new(10, 1, 1, 4))
}

#[tokio::test]
async fn failed_prerequisites_give_their_response_code() {
    let fixture = Fixture::new().await;
    let address = device_address();
    let none = "nothing.fleet.test.";
    let check = |name, class, record_type, ttl, data| update_record(name, class, record_type, ttl, data);
    use RecordType::{A, ANY, TXT};
    let table = [
        (check(DEVICE, DNSClass::ANY, ANY, 0, None), NoError),
        (check(none, DNSClass::ANY, ANY, 0, None), NXDomain),
        (check("down.fleet.test.", DNSClass::ANY, ANY, 0, None), NXDomain), // no records there
        (check("fleet.test.", DNSClass::ANY, ANY, 0, None), NoError),
        (check(DEVICE, DNSClass::ANY, A, 0, None), NoError),
        (check(DEVICE, DNSClass::ANY, TXT, 0, None), NXRRSet),
        (check("fleet.test.", DNSClass::ANY, RecordType::SOA, 0, None), NoError),
        (check(none, DNSClass::NONE, ANY, 0, None), NoError),
        (check(DEVICE, DNSClass::NONE, ANY, 0, None), YXDomain),
        (check(DEVICE, DNSClass::NONE, TXT, 0, None), NoError),
        (check(DEVICE, DNSClass::NONE, A, 0, None), YXRRSet),
        (check(DEVICE, DNSClass::IN, A, 0, Some(address.clone())), NoError),
        (check(DEVICE, DNSClass::IN, A, 0, Some(a(9))), NXRRSet),
        (check(none, DNSClass::IN, A, 0, Some(a(9))), NXRRSet),
        (check(DEVICE, DNSClass::IN, A, 1, Some(address.clone())), FormErr),
        (check(DEVICE, DNSClass::ANY, A, 1, None), FormErr),
        (check(DEVICE, DNSClass::ANY, A, 0, Some(address.clone())), FormErr),
        (check(DEVICE, DNSClass::CH, A, 0, Some(address.clone())), FormErr),
        (check("a.example.com.", DNSClass::ANY, A, 0, None), NotZone),
    ];
    for (prerequisite, code) in table {
        let serial = fixture.serial();
        let case = prerequisite.to_string();
        let probe = add("probe.fleet.test.", txt(&serial.to_string()));
        assert_eq!(fixture.updated(vec![prerequisite], vec![probe]), code, "{case}");
        assert_eq!(fixture.serial(), serial + u32::from(code == NoError), "{case}");
    }
    // The prerequisite names the whole set, not part of it.
    assert_eq!(fixture.updated(Vec::new(), vec![add(DEVICE, a(9))]), NoError);
    let exactly = |data| check(DEVICE, DNSClass::IN, A, 0, Some(data));
    assert_eq!(fixture.updated(vec![exactly(a(9))], Vec::new()), NXRRSet);
    assert_eq!(fixture.updated(vec![exactly(a(9)), exactly(address)], Vec::new()), NoError);
}

#[tokio::test]
async fn invalid_and_forbidden_updates_are_rejected() {
    let fixture = Fixture::new().await;
    let serial = fixture.serial();
    let ns = RData::NS(NS(wire("evil.example.com")));
    let table = [
        (update_record(DEVICE, DNSClass::IN, RecordType::A, 60, None), FormErr),
        (update_record(DEVICE, DNSClass::IN, RecordType::ANY, 60, None), FormErr),
        (update_record(DEVICE, DNSClass::ANY, RecordType::A, 1, None), FormErr),
        (update_record(DEVICE, DNSClass::ANY, RecordType::A, 0, Some(a(1))), FormErr),
        (update_record(DEVICE, DNSClass::ANY, RecordType::AXFR, 0, None), FormErr),
        (update_record(DEVICE, DNSClass::NONE, RecordType::A, 0, None), FormErr),
        (update_record(DEVICE, DNSClass::NONE, RecordType::A, 1, Some(a(1))), FormErr),
        (update_record(DEVICE, DNSClass::CH, RecordType::A, 0, Some(a(1))), FormErr),
        (update_record(DEVICE, DNSClass::IN, RecordType::A, u32::MAX, Some(a(1))), FormErr),
        (update_record("a.example.com.", DNSClass::IN, RecordType::A, 0, Some(a(1))), NotZone),
        (add("fleet.test.", ns.clone()), Refused),
        (add(DEVICE, ns), Refused),
        (add("*.fleet.test.", a(1)), Refused),
        (add(DEVICE, txt("")), Refused),
        (update_record("fleet.test.", DNSClass::ANY, RecordType::SOA, 0, None), Refused),
        (update_record("fleet.test.", DNSClass::ANY, RecordType::NS, 0, None), Refused),
        (update_record("ns1.fleet.test.", DNSClass::ANY, RecordType::A, 0, None), Refused),
        (add("ns1.fleet.test.", a(1)), Refused),
    ];
    for (update, code) in table {
        let case = update.to_string();
        assert_eq!(fixture.updated(Vec::new(), vec![add("good.fleet.test.", a(1)), update]), code, "{case}");
        assert_eq!(fixture.serial(), serial, "{case}");
    }
    assert_eq!(fixture.query("good.fleet.test.", RecordType::A).response_code, NXDomain);
}

#[tokio::test]
async fn apex_and_name_servers_survive_a_deletion_of_all_records() {
    let fixture = Fixture::new().await;
    assert_eq!(
        fixture.updated(Vec::new(), vec![add("fleet.test.", a(1)), add("ns1.fleet.test.", txt("t"))]),
        NoError
    );
    let all = |name| update_record(name, DNSClass::ANY, RecordType::ANY, 0, None);
    assert_eq!(fixture.updated(Vec::new(), vec![all("fleet.test."), all("ns1.fleet.test.")]), NoError);
    assert_eq!(fixture.query("fleet.test.", RecordType::SOA).answers.len(), 1);
    assert_eq!(fixture.query("fleet.test.", RecordType::NS).answers.len(), 2);
    assert_eq!(fixture.query("fleet.test.", RecordType::CAA).answers.len(), 1);
    assert_eq!(fixture.query("fleet.test.", RecordType::A).answers.len(), 0);
    assert_eq!(fixture.query("ns1.fleet.test.", RecordType::A).answers.len(), 1);
    assert_eq!(fixture.query("ns1.fleet.test.", RecordType::TXT).answers.len(), 0);
}

#[tokio::test]
async fn key_can_change_only_what_it_is_granted() {
    let fixture = Fixture::new().await;
    let all_of = |name: &str| update_record(name, DNSClass::ANY, RecordType::ANY, 0, None);
    let inside = "a.below.fleet.test.";
    let table = [
        ("texts", add(DEVICE, txt("t")), NoError),
        ("texts", add(DEVICE, a(1)), Refused),
        ("texts", update_record(DEVICE, DNSClass::ANY, RecordType::A, 0, None), Refused),
        ("texts", all_of(DEVICE), Refused),
        ("below", add(inside, a(1)), NoError),
        ("below", all_of(inside), NoError),
        ("below", add("below.fleet.test.", a(1)), NoError),
        ("below", add("notbelow.fleet.test.", a(1)), Refused),
        ("below", add(DEVICE, txt("t")), Refused),
    ];
    for (key, update, code) in table {
        let case = format!("{key} {update}");
        let message = fixture.update(Vec::new(), vec![update]);
        assert_eq!(fixture.ask_signed(&message, &key_named(key)), Ok(code), "{case}");
    }
    // A missing grant is reported before the prerequisites are checked, so that the answer reveals nothing about them.
    let absent = update_record("nothing.fleet.test.", DNSClass::ANY, RecordType::ANY, 0, None);
    let message = fixture.update(vec![absent], vec![add(DEVICE, a(1))]);
    assert_eq!(fixture.ask_signed(&message, &key_named("texts")), Ok(Refused));
}

#[tokio::test]
async fn unauthenticated_update_changes_nothing() {
    let fixture = Fixture::new().await;
    let serial = fixture.serial();
    let update = fixture.update(Vec::new(), vec![add(DEVICE, a(1))]);
    assert_eq!(fixture.ask(&update).response_code, Refused);
    let key = |name: &str, algorithm, secret: &[u8]| {
        TsigKey::new(name.parse().unwrap(), algorithm, secret).unwrap()
    };
    for (key, fault) in [
        (key("unknown", TsigAlgorithm::HmacSha256, &[7; 32]), ReplyFault::BadKey),
        (key("all", TsigAlgorithm::HmacSha512, &[7; 32]), ReplyFault::BadKey),
        (key("all", TsigAlgorithm::HmacSha256, &[8; 32]), ReplyFault::BadSig),
    ] {
        assert_eq!(fixture.ask_signed(&update, &key), Err(fault));
    }
    let key = key_named("all");
    let octets = message::encode(&update).unwrap();
    let now = fleetcert_ambient::Clock::now(&fixture.clock);
    for then in
        [std::time::SystemTime::UNIX_EPOCH, now - Duration::from_secs(301), now + Duration::from_secs(301)]
    {
        let signed = tsig::sign_request(&octets, &key, then).unwrap();
        let reply = fixture.server.core().answer(&signed.message, Transport::Udp).unwrap();
        assert_eq!(message::decode(&reply).unwrap().response_code, NotAuth);
        let fault = tsig::verify_reply(&reply, &key, &signed.mac, then).unwrap_err();
        assert_eq!(fault, ReplyFault::BadTime { server_time: now });
    }
    assert_eq!(fixture.serial(), serial);
}

#[tokio::test]
async fn replayed_message_is_rejected() {
    let fixture = Fixture::new().await;
    let key = key_named("all");
    let update = fixture.update(Vec::new(), vec![add("once.fleet.test.", txt("t"))]);
    assert_eq!(fixture.ask_signed(&update, &key), Ok(NoError));
    let gone = vec![update_record("once.fleet.test.", DNSClass::ANY, RecordType::TXT, 0, None)];
    assert_eq!(fixture.updated(Vec::new(), gone), NoError);
    let serial = fixture.serial();
    assert_eq!(fixture.ask_signed(&update, &key), Ok(Refused));
    assert_eq!(fixture.serial(), serial);
}

#[tokio::test]
async fn wrong_zones_and_oversized_updates_are_rejected() {
    let fixture = Fixture::new().await;
    let with_zone = |zone: &str, record_type| {
        let mut update = fixture.update(Vec::new(), vec![add(DEVICE, a(1))]);
        update.queries[0] = hickory_proto::op::Query::query(wire(zone), record_type);
        fixture.ask_signed(&update, &key_named("all")).unwrap()
    };
    assert_eq!(with_zone("fleet.test", RecordType::A), FormErr);
    assert_eq!(with_zone("example.com", RecordType::SOA), NotAuth);
    assert_eq!(with_zone("xi8qz.fleet.test", RecordType::SOA), NotAuth);
    let many = |count: usize, name: fn(usize) -> String| -> ResponseCode {
        fixture.updated(
            Vec::new(),
            (0..count).map(|number| add(&name(number), txt(&number.to_string()))).collect(),
        )
    };
    assert_eq!(many(1001, |number| format!("n{number}.fleet.test.")), Refused);
    assert_eq!(many(1000, |number| format!("n{number}.fleet.test.")), NoError);
    assert_eq!(many(17, |_| "full.fleet.test.".to_owned()), Refused);
    assert_eq!(fixture.query("full.fleet.test.", RecordType::TXT).response_code, NXDomain);
    assert_eq!(many(16, |_| "full.fleet.test.".to_owned()), NoError);
}
