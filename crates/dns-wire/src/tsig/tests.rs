use std::time::{Duration, SystemTime};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use super::*;
use crate::{TsigAlgorithm, TsigKey, message};

mod vectors;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn key() -> TsigKey {
    TsigKey::new("vector.key".parse().unwrap(), TsigAlgorithm::HmacSha256, SECRET).unwrap()
}

fn other_secret() -> TsigKey {
    TsigKey::new("vector.key".parse().unwrap(), TsigAlgorithm::HmacSha256, &SECRET[1..]).unwrap()
}

fn question() -> Vec<u8> {
    message::encode(&message::query(7, &"xi8qz.fleet.test".parse().unwrap(), RecordType::A)).unwrap()
}

fn response() -> Vec<u8> {
    let mut reply = message::decode(&question()).unwrap().into_response();
    reply.metadata.response_code = ResponseCode::NoError;
    message::encode(&reply).unwrap()
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn signed<'k>(request: &[u8], key: &'k TsigKey, now: SystemTime) -> SignedRequest<'k> {
    match verify_request(request, [key], now).unwrap() {
        Checked::Signed(request) => request,
        other => panic!("{other:?}"),
    }
}

fn refused<'k>(request: &[u8], key: &'k TsigKey, now: SystemTime) -> RefusedRequest<'k> {
    match verify_request(request, [key], now).unwrap() {
        Checked::Refused(request) => request,
        other => panic!("{other:?}"),
    }
}

mod bind {
    use super::*;

    const NOW: u64 = 1_795_466_786;

    #[test]
    fn requests_and_replies_of_bind_verify() {
        for (request, reply) in
            [(vectors::QUERY_REQUEST, vectors::QUERY_REPLY), (vectors::UPDATE_REQUEST, vectors::UPDATE_REPLY)]
        {
            let key = key();
            let (request, reply) = (octets(request), octets(reply));
            let request = signed(&request, &key, at(NOW));
            assert_eq!(request.time_signed(), NOW);
            assert_eq!(verify_reply(&reply, &key, request.mac(), at(NOW)), Ok(()));
            assert_eq!(verify_reply(&reply, &key, request.mac(), at(NOW + 301)), Err(ReplyFault::Untimely));
            assert_eq!(
                verify_reply(&reply, &other_secret(), request.mac(), at(NOW)),
                Err(ReplyFault::WrongMac)
            );
        }
    }

    #[test]
    fn our_signature_equals_that_of_bind() {
        let mut unsigned = octets(vectors::QUERY_REQUEST);
        unsigned.truncate(45); // header, question and OPT
        unsigned[11] = 1;
        let ours = sign_request(&unsigned, &key(), at(NOW)).unwrap();
        assert_eq!(ours.message, octets(vectors::QUERY_REQUEST));
    }

    #[test]
    fn badtime_of_bind_carries_its_time() {
        let (key, request) = (key(), octets(vectors::BADTIME_REQUEST));
        let mac = signed(&request, &key, at(1_000_000)).mac().clone();
        let fault = verify_reply(&octets(vectors::BADTIME_REPLY), &key, &mac, at(1_000_000)).unwrap_err();
        assert_eq!(fault, ReplyFault::BadTime { server_time: at(NOW + 1) });
        // Our response has the same octets.
        let refused = refused(&request, &key, at(NOW + 1));
        let mut unsigned = octets(vectors::BADTIME_REPLY);
        unsigned.truncate(34); // header and question
        unsigned[11] = 0;
        assert_eq!(refused.sign_response(&unsigned, at(NOW + 1)).unwrap(), octets(vectors::BADTIME_REPLY));
    }

    #[test]
    fn badsig_and_badkey_of_bind_are_recognised() {
        for (request, reply, error, fault) in [
            (vectors::BADSIG_REQUEST, vectors::BADSIG_REPLY, TsigError::BadSig, ReplyFault::BadSig),
            (vectors::BADKEY_REQUEST, vectors::BADKEY_REPLY, TsigError::BadKey, ReplyFault::BadKey),
        ] {
            let (key, request, reply) = (key(), octets(request), octets(reply));
            let refused = refused(&request, &key, at(NOW));
            assert_eq!(refused.error(), error);
            let any_mac = sign_request(&question(), &key, at(NOW)).unwrap().mac;
            assert_eq!(verify_reply(&reply, &key, &any_mac, at(NOW)), Err(fault));
            // Our response has the same octets.
            let mut unsigned = reply.clone();
            unsigned.truncate(45);
            unsigned[11] = 1;
            assert_eq!(refused.sign_response(&unsigned, at(NOW)).unwrap(), reply);
        }
    }
}

#[test]
fn both_sides_agree_for_each_algorithm() {
    for algorithm in [TsigAlgorithm::HmacSha256, TsigAlgorithm::HmacSha384, TsigAlgorithm::HmacSha512] {
        let key = TsigKey::new("k.test".parse().unwrap(), algorithm, SECRET).unwrap();
        let sent = sign_request(&question(), &key, at(1000)).unwrap();
        let request = signed(&sent.message, &key, at(1000));
        assert_eq!(request.mac(), &sent.mac);
        let reply = request.sign_response(&response(), at(1001)).unwrap();
        assert_eq!(reply.len(), response().len() + request.signature_len());
        assert_eq!(verify_reply(&reply, &key, &sent.mac, at(1001)), Ok(()));
        assert!(message::decode(&reply).unwrap().signature().is_some());
        let other = sign_request(&question(), &key, at(1002)).unwrap();
        assert_eq!(verify_reply(&reply, &key, &other.mac, at(1001)), Err(ReplyFault::WrongMac));
    }
}

#[test]
fn extreme_times_neither_panic_nor_wrap() {
    let key = key();
    let latest = (1 << 48) - 1;
    for (time, now, believed) in [
        (0, 0, true),
        (0, 300, true),
        (0, 301, false),
        (299, 0, true),
        (0, latest, false),
        (latest, 0, false),
        (latest, latest, true),
        (latest - 300, latest, true),
    ] {
        let request = sign_request(&question(), &key, at(time)).unwrap().message;
        match verify_request(&request, [&key], at(now)).unwrap() {
            Checked::Signed(_) => assert!(believed, "{time} {now}"),
            Checked::Refused(refused) => {
                assert!(!believed, "{time} {now}");
                assert_eq!(refused.error(), TsigError::BadTime);
                refused.sign_response(&response(), at(now)).unwrap();
            }
            Checked::Unsigned => panic!("the request is signed"),
        }
    }
    let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_secs(9);
    let request = sign_request(&question(), &key, before_1970).unwrap().message;
    signed(&request, &key, before_1970);
}

/// Returns a request whose TSIG record was changed before it was signed.
fn forged(change: impl FnOnce(&mut super::record::TsigRecord), cut_to: usize) -> Vec<u8> {
    let mut tsig = super::record::TsigRecord {
        key_name: crate::name::to_wire(key().name()),
        algorithm: key().algorithm().to_name(),
        time: 5000,
        fudge: 300,
        mac: Vec::new(),
        original_id: 7,
        error: 0,
        other: Vec::new(),
    };
    change(&mut tsig);
    tsig.mac = key().mac(&tsig.digest_input(None, &question()));
    tsig.mac.truncate(cut_to);
    tsig.append_to(&question()).unwrap()
}

#[test]
fn fudge_is_clamped() {
    let key = key();
    let wide = forged(|tsig| tsig.fudge = 65_535, 32);
    signed(&wide, &key, at(5300));
    assert_eq!(refused(&wide, &key, at(5301)).error(), TsigError::BadTime);
    let none = forged(|tsig| tsig.fudge = 0, 32);
    signed(&none, &key, at(5000));
    assert_eq!(refused(&none, &key, at(5001)).error(), TsigError::BadTime);
}

#[test]
fn truncated_macs_are_rejected() {
    let key = key();
    let cut = forged(|_| {}, 16);
    let refused = refused(&cut, &key, at(5000));
    assert_eq!(refused.error(), TsigError::BadTrunc);
    let signed = message::decode(&refused.sign_response(&response(), at(5000)).unwrap()).unwrap();
    assert_eq!(signed.signature().unwrap().data.mac.len(), 32);
    for length in [0, 9, 15] {
        assert_eq!(verify_request(&forged(|_| {}, length), [&key], at(5000)).unwrap_err(), Malformed);
    }
    // A reply with a truncated MAC is invalid.
    let sent = sign_request(&question(), &key, at(5000)).unwrap();
    let mut tsig = super::record::split(&sent.message).unwrap().unwrap().tsig;
    tsig.mac = key.mac(&tsig.digest_input(Some(sent.mac.as_bytes()), &response()))[..16].to_vec();
    let reply = tsig.append_to(&response()).unwrap();
    assert_eq!(verify_reply(&reply, &key, &sent.mac, at(5000)), Err(ReplyFault::WrongMac));
}

#[test]
fn case_of_names_is_ignored() {
    let key = key();
    let mut request = sign_request(&question(), &key, at(5000)).unwrap().message;
    let name = request.windows(6).rposition(|octets| octets == b"vector").unwrap();
    request[name..name + 6].copy_from_slice(b"VECTOR");
    let algorithm = request.windows(4).rposition(|octets| octets == b"hmac").unwrap();
    request[algorithm..algorithm + 4].copy_from_slice(b"HMAC");
    signed(&request, &key, at(5000));
}

#[test]
fn unsupported_algorithm_is_an_unknown_key() {
    let md5 = hickory_proto::rr::Name::from_ascii("HMAC-MD5.SIG-ALG.REG.INT.").unwrap();
    let request = forged(|tsig| tsig.algorithm = md5, 32);
    let key = key();
    let refused = refused(&request, &key, at(5000));
    assert_eq!(refused.error(), TsigError::BadKey);
    let reply = message::decode(&refused.sign_response(&response(), at(5000)).unwrap()).unwrap();
    assert!(reply.signature().unwrap().data.mac.is_empty());
}

#[test]
fn tsig_record_must_be_the_last_and_only_one() {
    let key = key();
    let once = sign_request(&question(), &key, at(5000)).unwrap().message;
    let twice = sign_request(&once, &key, at(5000)).unwrap().message;
    assert_eq!(verify_request(&twice, [&key], at(5000)).unwrap_err(), Malformed);
    let mut longer = once.clone();
    longer.push(0);
    assert_eq!(verify_request(&longer, [&key], at(5000)).unwrap_err(), Malformed);
    assert!(matches!(verify_request(&question(), [&key], at(5000)), Ok(Checked::Unsigned)));
    // As an answer, not as an additional record.
    let mut moved = once;
    (moved[7], moved[11]) = (2, 0);
    assert_eq!(verify_request(&moved, [&key], at(5000)).unwrap_err(), Malformed);
}

#[test]
fn counts_that_overflow_are_malformed() {
    // Two counts whose sum does not fit into sixteen bits.
    let octets = [0, 1, 0x28, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(verify_request(&octets, [&key()], at(0)).unwrap_err(), Malformed);
}

#[test]
fn message_without_space_cannot_be_signed() {
    assert_eq!(sign_request(&[0; 11], &key(), at(0)).unwrap_err(), EncodeError);
    let mut full = vec![0; 65_500];
    full[2] = 0x80;
    assert_eq!(sign_request(&full, &key(), at(0)).unwrap_err(), EncodeError);
    let mut counted = question();
    (counted[10], counted[11]) = (0xff, 0xff);
    assert_eq!(sign_request(&counted, &key(), at(0)).unwrap_err(), EncodeError);
}

#[test]
fn unsigned_reply_is_rejected() {
    let mac = sign_request(&question(), &key(), at(0)).unwrap().mac;
    assert_eq!(verify_reply(&response(), &key(), &mac, at(0)), Err(ReplyFault::Unsigned));
    assert_eq!(verify_reply(&[], &key(), &mac, at(0)), Err(ReplyFault::Malformed));
    let mut update = Message::response(1, OpCode::Update);
    update.metadata.response_code = ResponseCode::NotAuth;
    let update = message::encode(&update).unwrap();
    assert_eq!(verify_reply(&update, &key(), &mac, at(0)), Err(ReplyFault::Unsigned));
}

proptest! {
    #[test]
    fn arbitrary_octets_do_not_panic(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let key = key();
        let mac = sign_request(&question(), &key, at(0)).unwrap().mac;
        let _ = verify_reply(&octets, &key, &mac, at(0));
        prop_assert!(!matches!(verify_request(&octets, [&key], at(0)), Ok(Checked::Signed(_))));
    }

    #[test]
    fn flipped_bit_does_not_verify(flip in 0usize..8 * 110) {
        let key = key();
        let sent = sign_request(&question(), &key, at(5000)).unwrap();
        let (id, case) = (0..2, 0x20);
        let mut request = sent.message.clone();
        let place = (flip / 8) % request.len();
        request[place] ^= 1 << (flip % 8);
        // The id may change in transit (RFC 8945 section 5.1 keeps the original), and names are case-insensitive.
        let harmless = id.contains(&place) || 1 << (flip % 8) == case;
        match verify_request(&request, [&key], at(5000)) {
            Ok(Checked::Signed(_)) => prop_assert!(harmless),
            Ok(Checked::Refused(refused)) => drop(refused.sign_response(&response(), at(5000))),
            Ok(Checked::Unsigned) | Err(Malformed) => {}
        }
        let request = signed(&sent.message, &key, at(5000));
        let mut reply = request.sign_response(&response(), at(5000)).unwrap();
        let place = (flip / 8) % reply.len();
        reply[place] ^= 1 << (flip % 8);
        let believed = verify_reply(&reply, &key, &sent.mac, at(5000)).is_ok();
        prop_assert!(!believed || id.contains(&place) || 1 << (flip % 8) == case);
    }
}
