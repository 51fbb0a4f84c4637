//! Replies of servers and forgers: only a signed success is a success, and every refusal has its type.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use fleetcert_ambient::{Ambient, Clock, SystemClock};
use fleetcert_dns::{Addresses, BackendErrorKind, Change, DnsBackend, Ttl};
use fleetcert_dns_rfc2136::{Refusal, Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::tsig::{self, Checked};
use fleetcert_dns_wire::{Transport, TsigKey, message};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::script::{
    backend, error_of, key, key_of, nobody, refusal, response, serve, signed, signed_at, skewed, success,
    update,
};

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Udp];

#[tokio::test]
async fn signed_success_is_accepted_with_or_without_the_zone() {
    for transport in BOTH {
        let server = serve(Arc::new(|request: &[u8]| vec![success(request)])).await;
        update(&backend(server, transport)).await.unwrap();
        let bare = |request: &[u8]| {
            let reply = response(request, ResponseCode::NoError, |reply| reply.queries.clear());
            vec![signed(request, &reply)]
        };
        update(&backend(serve(Arc::new(bare)).await, transport)).await.unwrap();
    }
}

#[tokio::test]
async fn forged_replies_are_rejected() {
    type Forgery = fn(&[u8]) -> Vec<u8>;
    let lies: [(&str, Forgery, Refusal); 8] = [
        ("not signed", |request| response(request, ResponseCode::NoError, |_| {}), Refusal::Unsigned),
        (
            "one bit of the MAC is wrong",
            |request| {
                let mut reply = success(request);
                // The MAC precedes id, error and the length of the other data.
                let last_of_code = reply.len() - 7;
                reply[last_of_code] ^= 1;
                reply
            },
            Refusal::Forged,
        ),
        (
            "REFUSED was changed to a success in transit",
            |request| {
                let mut reply = signed(request, &response(request, ResponseCode::Refused, |_| {}));
                reply[3] &= 0xf0;
                reply
            },
            Refusal::Forged,
        ),
        (
            "the reply to another request",
            |request| {
                let other = tsig::sign_request(
                    &response(request, ResponseCode::NoError, |other| {
                        other.metadata.message_type = MessageType::Query;
                    }),
                    &key(),
                    SystemClock.now(),
                );
                signed(&other.unwrap().message, &response(request, ResponseCode::NoError, |_| {}))
            },
            Refusal::Forged,
        ),
        (
            "signed with another key",
            |request| {
                let stranger = key_of("stranger", &[9; 32]);
                let plain = message::decode(request).map(|mut request| {
                    request.signature = None;
                    message::encode(&request).unwrap()
                });
                let again = tsig::sign_request(&plain.unwrap(), &stranger, SystemClock.now()).unwrap();
                let reply = response(request, ResponseCode::NoError, |_| {});
                signed_at(&again.message, &reply, &stranger, SystemClock.now())
            },
            Refusal::Forged,
        ),
        (
            "BADTIME without a MAC",
            |request| {
                let hour_ahead = SystemClock.now() + Duration::from_secs(3600);
                let reply = response(request, ResponseCode::NotAuth, |_| {});
                let mut reply = signed_at(request, &reply, &key(), hour_ahead);
                // Other data of six octets, preceded by its length, the error, the id, and the MAC.
                let code = reply.len() - 12 - 32..reply.len() - 12;
                reply[code].fill(0);
                reply
            },
            Refusal::Forged,
        ),
        (
            "a reply from an hour ago",
            |request| {
                let (key, response) = (key(), response(request, ResponseCode::NoError, |_| {}));
                let Ok(Checked::Signed(verified)) = tsig::verify_request(request, [&key], SystemClock.now())
                else {
                    panic!("the update is signed")
                };
                verified.sign_response(&response, SystemClock.now() - Duration::from_secs(3600)).unwrap()
            },
            Refusal::Untimely,
        ),
        (
            "octets after the end",
            |request| {
                let mut reply = success(request);
                reply.push(0);
                reply
            },
            Refusal::Malformed,
        ),
    ];
    for transport in BOTH {
        for (name, lie, expected) in lies {
            let error = error_of(lie, transport).await;
            assert_eq!(refusal(&error), Some(expected), "{name} by {transport}: {error}");
            assert_eq!(error.kind(), expected.kind());
        }
    }
}

#[tokio::test]
async fn replies_to_other_questions_are_ignored() {
    type Forgery = fn(&[u8]) -> Vec<u8>;
    let changed: [(&str, Forgery); 7] = [
        ("another id", |request| {
            signed(request, &response(request, ResponseCode::NoError, |reply| reply.metadata.id ^= 1))
        }),
        ("another zone", |request| {
            signed(
                request,
                &response(request, ResponseCode::NoError, |reply| {
                    let zone = Name::from_ascii("evil.test.").unwrap();
                    reply.queries = vec![Query::query(zone, RecordType::SOA)];
                }),
            )
        }),
        ("another type", |request| {
            signed(
                request,
                &response(request, ResponseCode::NoError, |reply| {
                    reply.queries[0].set_query_type(RecordType::A);
                }),
            )
        }),
        ("another opcode", |request| {
            signed(
                request,
                &response(request, ResponseCode::NoError, |reply| reply.metadata.op_code = OpCode::Query),
            )
        }),
        ("the request itself", |request| request.to_vec()),
        ("not a message", |_| b"HTTP/1.1 200 OK".to_vec()),
        ("one octet", |_| vec![0]),
    ];
    for transport in BOTH {
        for (name, lie) in changed {
            let error = error_of(lie, transport).await;
            assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{name} by {transport}: {error}");
        }
    }
}

#[tokio::test]
async fn silence_and_broken_connections_are_unavailable() {
    for transport in BOTH {
        let error = update(&backend(serve(Arc::new(|_: &[u8]| vec![])).await, transport)).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable);
        assert!(error.to_string().contains("no answer in time"), "{error}");
    }
    let error = error_of(|_| vec![], Transport::Tcp).await;
    assert_eq!((error.kind(), error.retry_after()), (BackendErrorKind::Unavailable, Some(Duration::ZERO)));

    let error = update(&backend(nobody(), Transport::Tcp)).await.unwrap_err();
    assert!(error.to_string().contains("not reachable"), "{error}");
}

#[tokio::test]
async fn forged_datagrams_before_the_reply_are_ignored() {
    let answer = |request: &[u8]| {
        let forged = response(request, ResponseCode::NoError, |reply| reply.metadata.id ^= 1);
        vec![forged, b"noise".to_vec(), success(request)]
    };
    update(&backend(serve(Arc::new(answer)).await, Transport::Udp)).await.unwrap();
}

#[tokio::test]
async fn each_response_code_has_its_refusal() {
    for (code, expected, kind) in [
        (ResponseCode::Refused, Refusal::Refused, BackendErrorKind::Refused),
        (ResponseCode::NotAuth, Refusal::NotAuth, BackendErrorKind::NotInZone),
        (ResponseCode::NotZone, Refusal::NotZone, BackendErrorKind::NotInZone),
        (ResponseCode::ServFail, Refusal::ServFail, BackendErrorKind::Unavailable),
        (ResponseCode::NXRRSet, Refusal::Prerequisite(8), BackendErrorKind::Conflict),
        (ResponseCode::YXRRSet, Refusal::Prerequisite(7), BackendErrorKind::Conflict),
        (ResponseCode::FormErr, Refusal::NotUnderstood(1), BackendErrorKind::InvalidInput),
        (ResponseCode::NotImp, Refusal::NotUnderstood(4), BackendErrorKind::InvalidInput),
        (ResponseCode::Unknown(11), Refusal::Other(11), BackendErrorKind::Unavailable),
    ] {
        let by_server = move |request: &[u8]| signed(request, &response(request, code, |_| {}));
        let by_anybody = move |request: &[u8]| response(request, code, |_| {});
        for error in [error_of(by_server, Transport::Tcp).await, error_of(by_anybody, Transport::Tcp).await] {
            assert_eq!((refusal(&error), error.kind()), (Some(expected), kind), "{error}");
            assert!(error.server().is_some());
        }
    }
}

#[tokio::test]
async fn wrong_key_and_wrong_secret_are_distinguished() {
    let refused_for = |key: TsigKey| {
        move |request: &[u8]| {
            signed_at(request, &response(request, ResponseCode::NotAuth, |_| {}), &key, SystemClock.now())
        }
    };
    let error = error_of(refused_for(key_of("other", &[7; 32])), Transport::Tcp).await;
    assert_eq!((refusal(&error), error.kind()), (Some(Refusal::BadKey), BackendErrorKind::Unauthenticated));
    let error = error_of(refused_for(key_of("ddns", &[8; 32])), Transport::Tcp).await;
    assert_eq!((refusal(&error), error.kind()), (Some(Refusal::BadSig), BackendErrorKind::Unauthenticated));
    assert_eq!(error.retry_after(), None);
}

#[tokio::test]
async fn clock_skew_is_learned_once() {
    for (ahead, transport) in
        [(3600, Transport::Tcp), (-40_000, Transport::Tcp), (86_400 * 400, Transport::Udp)]
    {
        let (server, seen) = skewed(ahead).await;
        let backend = backend(server, transport);
        update(&backend).await.unwrap();
        assert_eq!(seen.requests(), 2);
        update(&backend).await.unwrap();
        assert_eq!(seen.requests(), 3);
    }
}

#[tokio::test]
async fn unstable_clock_is_reported() {
    let requests = AtomicUsize::new(0);
    let answer = move |request: &[u8]| {
        let hours = 1 + requests.fetch_add(1, SeqCst) as u64;
        let now = SystemClock.now() + Duration::from_secs(3600 * hours);
        signed_at(request, &response(request, ResponseCode::NotAuth, |_| {}), &key(), now)
    };
    let error = error_of(answer, Transport::Tcp).await;
    let Some(Refusal::BadTime { ahead }) = refusal(&error) else { panic!("{error}") };
    assert!((7190..=7200).contains(&ahead), "{ahead}");
    assert_eq!(error.kind(), BackendErrorKind::Unauthenticated);
}

#[tokio::test]
async fn text_is_removed_in_the_strings_of_the_server() {
    let removed = Arc::new(AtomicUsize::new(0));
    let counted = removed.clone();
    let answer = move |octets: &[u8]| {
        let request = message::decode(octets).unwrap();
        if request.metadata.op_code == OpCode::Update {
            counted.store(request.authorities.len(), SeqCst);
            return vec![success(octets)];
        }
        let mut reply = Message::response(request.metadata.id, OpCode::Query);
        reply.metadata.authoritative = true;
        reply.add_queries(request.queries.clone());
        for strings in [vec![&b"ab"[..], b"c"], vec![b"abc"], vec![b"", b"abc"], vec![b"other", b"text"]] {
            let text = RData::TXT(TXT::from_bytes(strings));
            reply.add_answer(Record::from_rdata(request.queries[0].name().clone(), 1, text));
        }
        vec![message::encode(&reply).unwrap()]
    };
    let backend = backend(serve(Arc::new(answer)).await, Transport::Tcp);
    let name = "a.fleet.test".parse().unwrap();
    let removal = Change::RemoveTxt { name, value: "abc".parse().unwrap() };
    backend.apply(&"fleet.test".parse().unwrap(), &[removal]).await.unwrap();
    assert_eq!(removed.load(SeqCst), 3, "as one string, as `ab` and `c`, and with an empty string before it");
}

/// A zone without records: removals and empty address sets change nothing there.
#[tokio::test]
async fn changes_without_effect_are_not_sent_when_reading_first() {
    let (updates, queries) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = (updates.clone(), queries.clone());
    let answer = move |octets: &[u8]| {
        let request = message::decode(octets).unwrap();
        if request.metadata.op_code == OpCode::Update {
            counted.0.fetch_add(request.authorities.len(), SeqCst);
            return vec![success(octets)];
        }
        counted.1.fetch_add(1, SeqCst);
        let mut reply = request.into_response();
        reply.metadata.authoritative = true;
        vec![message::encode(&reply).unwrap()]
    };
    let server = serve(Arc::new(answer)).await;
    let name: fleetcert_names::DomainName = "a.fleet.test".parse().unwrap();
    let removal = |value: &str| Change::RemoveTxt { name: name.clone(), value: value.parse().unwrap() };
    let nothing =
        Change::SetAddresses { name: name.clone(), addresses: Addresses::default(), ttl: Ttl::ADDRESS };
    let addition = Change::AddTxt { name: name.clone(), value: "3".parse().unwrap(), ttl: Ttl::CHALLENGE };
    let zone = "fleet.test".parse().unwrap();

    let reading = backend(server, Transport::Tcp);
    reading.apply(&zone, &[removal("1"), removal("2"), nothing.clone()]).await.unwrap();
    assert_eq!((updates.load(SeqCst), queries.load(SeqCst)), (0, 3));
    reading.apply(&zone, &[removal("1"), addition]).await.unwrap();
    assert_eq!((updates.load(SeqCst), queries.load(SeqCst)), (1, 4));

    // By default, the server finds that nothing changes.
    let options = Rfc2136Options::new(server, key());
    let trusting = Rfc2136Backend::new(options, Ambient::system());
    trusting.apply(&zone, &[removal("1"), removal("2"), nothing]).await.unwrap();
    assert_eq!((updates.load(SeqCst), queries.load(SeqCst)), (5, 4));
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let options = Rfc2136Options::new("127.0.0.1:53".parse().unwrap(), key_of("ddns", b"SECRETSECRETSECRET"));
    let backend = Rfc2136Backend::new(options.clone(), Ambient::system());
    let shown = format!("{options:?} {backend:?}");
    assert!(!shown.contains("SECRET") && !shown.contains("83, 69"), "{shown}");
}
