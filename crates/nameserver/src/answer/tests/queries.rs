use fleetcert_dns_wire::{Transport, message, name};
use hickory_proto::op::{Edns, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RData, RecordType};

use super::fixture::{Fixture, START, add, key_named, txt, wire};

#[tokio::test]
async fn queries_in_the_zone_get_its_records() {
    use RecordType::*;
    use ResponseCode::{NXDomain, NoError};
    let fixture = Fixture::new().await;
    // name, type, response code, answers, records of the authority section
    let table = [
        ("xi8qz.fleet.test.", A, NoError, 1, 0),
        ("XI8QZ.Fleet.TEST.", A, NoError, 1, 0),
        ("xi8qz.fleet.test.", AAAA, NoError, 0, 1),
        ("xi8qz.fleet.test.", MX, NoError, 0, 1),
        ("xi8qz.fleet.test.", Unknown(65_280), NoError, 0, 1),
        ("xi8qz.fleet.test.", ANY, NoError, 1, 0),
        ("xi8qz.fleet.test.", CAA, NoError, 0, 1),
        ("_acme-challenge.deep.down.fleet.test.", TXT, NoError, 1, 0),
        ("_acme-challenge.deep.down.fleet.test.", A, NoError, 0, 1),
        // empty non-terminals (RFC 8020)
        ("deep.down.fleet.test.", TXT, NoError, 0, 1),
        ("down.fleet.test.", A, NoError, 0, 1),
        ("down.fleet.test.", ANY, NoError, 0, 1),
        ("nothing.fleet.test.", A, NXDomain, 0, 1),
        ("nothing.fleet.test.", ANY, NXDomain, 0, 1),
        ("below.xi8qz.fleet.test.", A, NXDomain, 0, 1),
        ("*.fleet.test.", A, NXDomain, 0, 1),
        ("fleet.test.", SOA, NoError, 1, 0),
        ("fleet.test.", NS, NoError, 2, 0),
        ("fleet.test.", CAA, NoError, 1, 0),
        ("fleet.test.", A, NoError, 0, 1),
        ("fleet.test.", ANY, NoError, 1, 0),
        ("ns1.fleet.test.", A, NoError, 1, 0),
        ("ns1.fleet.test.", AAAA, NoError, 1, 0),
    ];
    for (name, record_type, code, answers, authorities) in table {
        let reply = fixture.query(name, record_type);
        let case = format!("{name} {record_type}: {reply}");
        assert_eq!(reply.response_code, code, "{case}");
        assert_eq!((reply.answers.len(), reply.authorities.len()), (answers, authorities), "{case}");
        assert!(reply.authoritative, "{case}");
        if let Some(soa) = reply.authorities.first() {
            assert_eq!((soa.record_type(), &soa.name), (SOA, &wire("fleet.test")), "{case}");
            assert!(soa.ttl <= 60, "{case}");
        }
    }
}

#[tokio::test]
async fn queries_outside_the_zones_are_refused() {
    use RecordType::{A, AXFR, IXFR, OPT, TSIG};
    use ResponseCode::{FormErr, NotImp, Refused};
    let fixture = Fixture::new().await;
    // name, type, class, opcode, response code
    let table = [
        ("example.com.", A, DNSClass::IN, OpCode::Query, Refused),
        ("evilfleet.test.", A, DNSClass::IN, OpCode::Query, Refused),
        ("test.", A, DNSClass::IN, OpCode::Query, Refused),
        (".", RecordType::NS, DNSClass::IN, OpCode::Query, Refused),
        ("fleet.test.", AXFR, DNSClass::IN, OpCode::Query, Refused),
        ("fleet.test.", IXFR, DNSClass::IN, OpCode::Query, Refused),
        ("fleet.test.", TSIG, DNSClass::IN, OpCode::Query, Refused),
        ("fleet.test.", RecordType::Unknown(253), DNSClass::IN, OpCode::Query, Refused),
        ("fleet.test.", RecordType::Unknown(OPT.into()), DNSClass::IN, OpCode::Query, Refused),
        ("version.bind.", RecordType::TXT, DNSClass::CH, OpCode::Query, Refused),
        ("xi8qz.fleet.test.", A, DNSClass::CH, OpCode::Query, Refused),
        ("xi8qz.fleet.test.", A, DNSClass::ANY, OpCode::Query, FormErr),
        ("xi8qz.fleet.test.", A, DNSClass::NONE, OpCode::Query, FormErr),
        ("xi8qz.fleet.test.", A, DNSClass::IN, OpCode::Status, NotImp),
        ("xi8qz.fleet.test.", A, DNSClass::IN, OpCode::Unknown(9), NotImp),
        ("fleet.test.", RecordType::SOA, DNSClass::IN, OpCode::Notify, Refused),
    ];
    for (name, record_type, class, op_code, code) in table {
        let mut query = fixture.question(name, record_type);
        query.queries[0].set_query_class(class);
        query.metadata.op_code = op_code;
        let reply = fixture.ask(&query);
        assert_eq!(reply.response_code, code, "{name} {record_type} {class} {op_code:?}");
        assert!(!reply.authoritative && reply.answers.is_empty() && reply.authorities.is_empty());
        let (asked, said) = (message::encode(&query).unwrap(), message::encode(&reply).unwrap());
        assert!(said.len() <= asked.len(), "{name}");
    }
}

#[tokio::test]
async fn answer_flags_follow_the_query() {
    let fixture = Fixture::new().await;
    for (desired, checking) in [(false, false), (true, true)] {
        let mut query = fixture.question("xi8qz.fleet.test.", RecordType::A);
        query.metadata.recursion_desired = desired;
        query.metadata.checking_disabled = checking;
        query.metadata.authentic_data = true;
        query.metadata.authoritative = true;
        query.metadata.truncation = true;
        query.metadata.recursion_available = true;
        let octets = fixture.send(&query, Transport::Udp).unwrap();
        // QR, AA and RD as in the query; no TC, RA, Z, AD, CD; NOERROR
        assert_eq!(octets[2..4], [0b1000_0100 | u8::from(desired), 0], "{desired}");
    }
}

#[tokio::test]
async fn case_of_the_question_is_preserved() {
    let fixture = Fixture::new().await;
    let query = fixture.question("xI8qZ.fLEEt.TeST.", RecordType::A);
    let reply = fixture.ask(&query);
    assert!(reply.queries[0].name().eq_case(query.queries[0].name()));
    assert!(reply.answers[0].name.eq_case(query.queries[0].name()));
}

#[tokio::test]
async fn malformed_messages_are_dropped_or_rejected() {
    let fixture = Fixture::new().await;
    let core = fixture.server.core();
    let query = message::encode(&fixture.question("xi8qz.fleet.test.", RecordType::A)).unwrap();
    for length in 0..12 {
        assert_eq!(core.answer(&query[..length], Transport::Udp), None);
    }
    let reply = core.answer(&query, Transport::Udp).unwrap();
    assert_eq!(core.answer(&reply, Transport::Udp), None, "an answer is not answered");
    let code =
        |octets: &[u8]| message::decode(&core.answer(octets, Transport::Udp).unwrap()).unwrap().response_code;
    for length in 12..query.len() {
        assert_eq!(code(&query[..length]), ResponseCode::FormErr);
    }
    for count in [0, 2, 0xff] {
        let mut other = query.clone();
        other[5] = count;
        assert_eq!(code(&other), ResponseCode::FormErr, "{count} questions");
    }
    let longer = [&query[..], &[0]].concat();
    assert_eq!(code(&longer), ResponseCode::FormErr);
    let mut counts = [0xff; 12];
    counts[2] = 0;
    assert_eq!(core.answer(&counts, Transport::Udp).unwrap()[..4], [0xff, 0xff, 0x80, 1]);
}

#[tokio::test]
async fn edns_is_answered_and_its_version_checked() {
    let fixture = Fixture::new().await;
    let mut query = fixture.question("xi8qz.fleet.test.", RecordType::A);
    assert!(fixture.ask(&query).edns.is_none());
    let mut edns = Edns::new();
    edns.set_dnssec_ok(true);
    query.set_edns(edns.clone());
    let reply = fixture.ask(&query);
    let said = reply.edns.as_ref().unwrap();
    assert_eq!((said.version(), said.max_payload(), said.flags().dnssec_ok), (0, 1232, true));
    edns.set_version(1);
    query.set_edns(edns);
    let reply = fixture.ask(&query);
    assert_eq!(u16::from(reply.response_code), 16, "BADVERS");
    assert_eq!(reply.edns.as_ref().unwrap().version(), 0);
    assert!(reply.answers.is_empty());
    // Two OPT records
    let octets = message::encode(&query).unwrap();
    let opt = octets[octets.len() - 11..].to_vec();
    let mut twice = [octets, opt].concat();
    twice[11] = 2;
    let answer = fixture.server.core().answer(&twice, Transport::Udp).unwrap();
    assert_eq!(message::decode(&answer).unwrap().response_code, ResponseCode::FormErr);
}

#[tokio::test]
async fn answer_over_the_datagram_size_is_truncated() {
    let fixture = Fixture::new().await;
    let name = "many.fleet.test.";
    let values = (0..16).map(|number| add(name, txt(&format!("{number:0>100}")))).collect();
    assert_eq!(fixture.updated(Vec::new(), values), ResponseCode::NoError);
    // advertised size, longest answer
    for (advertised, longest) in
        [(None, 512), (Some(0), 512), (Some(512), 512), (Some(4096), 1232), (Some(65_535), 1232)]
    {
        let mut query = fixture.question(name, RecordType::TXT);
        if let Some(size) = advertised {
            let mut edns = Edns::new();
            edns.set_max_payload(size);
            query.set_edns(edns);
        }
        let octets = fixture.send(&query, Transport::Udp).unwrap();
        assert!(octets.len() <= longest.min(message::encode(&query).unwrap().len()));
        let reply = message::decode(&octets).unwrap();
        assert!(reply.truncation && reply.answers.is_empty(), "{advertised:?}");
        let whole = fixture.ask(&query);
        assert!(!whole.truncation);
        assert_eq!(whole.answers.len(), 16);
    }
}

#[tokio::test]
async fn long_text_is_answered_in_several_strings() {
    let fixture = Fixture::new().await;
    let pieces = hickory_proto::rr::rdata::TXT::from_bytes(vec![&[b'a'; 255], &[b'b'; 255], &[b'c'; 90]]);
    let data = RData::TXT(pieces);
    assert_eq!(
        fixture.updated(Vec::new(), vec![add("long.fleet.test.", data.clone())]),
        ResponseCode::NoError
    );
    assert_eq!(fixture.query("long.fleet.test.", RecordType::TXT).answers[0].data, data);
}

#[tokio::test]
async fn apex_has_soa_ns_and_caa_records() {
    let fixture = Fixture::new().await;
    let reply = fixture.query("fleet.test.", RecordType::SOA);
    let RData::SOA(soa) = &reply.answers[0].data else { panic!("{reply}") };
    assert_eq!((&soa.mname, &soa.rname), (&wire("ns1.fleet.test"), &wire("hostmaster.fleet.test")));
    assert_eq!((soa.minimum, u64::from(soa.serial)), (30, START + 1));
    let reply = fixture.query("fleet.test.", RecordType::NS);
    assert_eq!(
        reply.additionals.iter().map(|glue| glue.name.clone()).collect::<Vec<_>>(),
        [wire("ns1.fleet.test"), wire("ns1.fleet.test")]
    );
    let reply = fixture.query("fleet.test.", RecordType::CAA);
    let RData::CAA(caa) = &reply.answers[0].data else { panic!("{reply}") };
    assert_eq!((caa.issuer_critical, caa.tag.as_str()), (false, "issue"));
    assert_eq!(caa.value, b"letsencrypt.org; validationmethods=dns-01");
}

#[tokio::test]
async fn missing_names_and_missing_types_are_distinguished() {
    let fixture = Fixture::new().await;
    for label in [&b"xi8qz.fleet"[..], b"xi8qz\0", b"\xff", b" "] {
        let mut query = fixture.question("fleet.test.", RecordType::A);
        let name = wire("fleet.test").prepend_label(label).unwrap();
        assert!(name::from_wire(&name).is_err());
        query.queries[0].set_name(name);
        assert_eq!(fixture.ask(&query).response_code, ResponseCode::NXDomain, "{label:?}");
    }
}

#[tokio::test]
async fn signed_query_gets_a_signed_answer() {
    let fixture = Fixture::new().await;
    let query = fixture.question("xi8qz.fleet.test.", RecordType::A);
    assert_eq!(fixture.ask_signed(&query, &key_named("texts")), Ok(ResponseCode::NoError));
    let unknown = fixture.ask_signed(&query, &key_named("unknown"));
    assert_eq!(unknown, Err(fleetcert_dns_wire::tsig::ReplyFault::BadKey));
}

#[tokio::test]
async fn answers_are_not_much_longer_than_queries() {
    let fixture = Fixture::new().await;
    // name, and the maximum length of the answer beyond the query, including IP and UDP headers
    for (name, factor) in [("xi8qz.fleet.test.", 2.5), ("nothing.fleet.test.", 2.5), ("fleet.test.", 4.5)] {
        for record_type in (0..=260).chain([32_768, 65_280, 65_535]) {
            let query = fixture.question(name, RecordType::from(record_type));
            let asked = message::encode(&query).unwrap().len() + 28;
            let said = fixture.send(&query, Transport::Udp).unwrap().len() + 28;
            assert!(said as f64 <= asked as f64 * factor, "{name} {record_type}: {asked} -> {said}");
        }
    }
}
