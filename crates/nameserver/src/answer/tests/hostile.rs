use fleetcert_dns_wire::{Transport, message, tsig};
use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use super::fixture::{Fixture, a, add, key_named, txt};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn check_answer(fixture: &Fixture, request: &[u8]) -> Result<(), TestCaseError> {
    for (transport, longest) in [(Transport::Udp, 1232), (Transport::Tcp, 65_535)] {
        if let Some(answer) = fixture.server.core().answer(request, transport) {
            prop_assert!(answer.len() <= longest);
            prop_assert_eq!(&answer[..2], &request[..2]);
            prop_assert_eq!(answer[2] & 0x80, 0x80);
            prop_assert_eq!(answer[3] & 0xf0, 0);
            prop_assert!(message::decode(&answer).is_ok());
        }
    }
    Ok(())
}

#[test]
fn arbitrary_octets_get_a_valid_answer_or_none() {
    let fixture = block_on(Fixture::new());
    proptest!(|(octets in prop::collection::vec(any::<u8>(), 0..300))| {
        check_answer(&fixture, &octets)?;
        let mut query = octets;
        if query.len() > 12 {
            query[2..12].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
            check_answer(&fixture, &query)?;
        }
    });
}

#[test]
fn signed_request_with_a_flipped_bit_changes_nothing() {
    let fixture = block_on(Fixture::new());
    let now = fleetcert_ambient::Clock::now(&fixture.clock);
    let update =
        fixture.update(Vec::new(), vec![add("xi8qz.fleet.test.", a(9)), add("new.fleet.test.", txt("t"))]);
    let update =
        tsig::sign_request(&message::encode(&update).unwrap(), &key_named("all"), now).unwrap().message;
    let query =
        message::encode(&message::query(7, &"xi8qz.fleet.test".parse().unwrap(), RecordType::A)).unwrap();
    let serial = fixture.serial();
    proptest!(|(flips in prop::collection::vec((2usize..400, 0u8..8), 1..6))| {
        for good in [&query, &update] {
            let mut request = good.clone();
            for &(at, bit) in &flips {
                let at = 2 + at % (request.len() - 2);
                request[at] ^= 1 << bit;
            }
            // The signature covers names in lower case, so another case is the same request.
            if !request.eq_ignore_ascii_case(good) {
                check_answer(&fixture, &request)?;
                prop_assert_eq!(fixture.serial(), serial);
            }
        }
    });
}
