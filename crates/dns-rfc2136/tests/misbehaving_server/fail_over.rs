//! Several servers: who is tried, who is kept, and what is not asked of the next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::Ambient;
use fleetcert_dns::{BackendErrorKind, Change, DnsBackend, RecordType};
use fleetcert_dns_rfc2136::{ReadFirst, Refusal, Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::message;
use hickory_proto::op::{OpCode, ResponseCode};

use crate::script::{
    Seen, backend_of, key, nobody, refusal, response, serve, serve_seen, signed, skewed, success, update,
};

const LONG: Duration = Duration::from_secs(10);

async fn saying(code: ResponseCode) -> (SocketAddr, Seen) {
    serve_seen(Arc::new(move |request: &[u8]| vec![signed(request, &response(request, code, |_| {}))])).await
}

async fn good() -> (SocketAddr, Seen) {
    serve_seen(Arc::new(|request: &[u8]| vec![success(request)])).await
}

async fn silent() -> (SocketAddr, Seen) {
    serve_seen(Arc::new(|_: &[u8]| vec![])).await
}

async fn hanging_up() -> (SocketAddr, Seen) {
    serve_seen(Arc::new(|_: &[u8]| vec![vec![]])).await
}

#[tokio::test]
async fn the_next_does_what_one_cannot_and_is_kept() {
    let unable = saying(ResponseCode::ServFail).await;
    let no_primary = saying(ResponseCode::NotAuth).await;
    let down = (nobody(), Seen::default());
    for (first, tried) in [down, silent().await, hanging_up().await, unable, no_primary] {
        let (second, seen) = good().await;
        let backend = backend_of(&[first, second], LONG);
        update(&backend).await.unwrap();
        assert_eq!(seen.requests(), 1);
        let tries = tried.requests();
        update(&backend).await.unwrap();
        assert_eq!((seen.requests(), seen.connections()), (2, 1));
        assert_eq!(tried.requests(), tries, "the first server was asked again");
    }
}

#[tokio::test]
async fn what_one_refuses_is_not_asked_of_the_next() {
    for (code, kind) in [
        (ResponseCode::Refused, BackendErrorKind::Refused),
        (ResponseCode::FormErr, BackendErrorKind::InvalidInput),
        (ResponseCode::NXRRSet, BackendErrorKind::Conflict),
    ] {
        let ((first, asked), (second, not_asked)) = (saying(code).await, good().await);
        let error = update(&backend_of(&[first, second], LONG)).await.unwrap_err();
        assert_eq!((error.kind(), error.attempt()), (kind, 1));
        assert_eq!(error.server(), Some(first.to_string().as_str()));
        assert_eq!((asked.requests(), not_asked.requests()), (1, 0));
    }
}

#[tokio::test]
async fn where_no_server_is_a_primary_nobody_waits() {
    let ((first, one), (second, two)) =
        (saying(ResponseCode::NotAuth).await, saying(ResponseCode::NotAuth).await);
    let error = update(&backend_of(&[first, second], LONG)).await.unwrap_err();
    assert_eq!((refusal(&error), error.kind()), (Some(Refusal::NotAuth), BackendErrorKind::NotInZone));
    assert_eq!((one.requests(), two.requests()), (1, 1));
    assert_eq!((error.attempt(), error.server()), (2, Some(second.to_string().as_str())));
}

#[tokio::test]
async fn each_server_has_its_own_clock_and_gets_a_signature_of_its_own() {
    let ((first, one), (second, two)) = (skewed(7200).await, skewed(-7200).await);
    let backend = backend_of(&[first, second], LONG);
    update(&backend).await.unwrap();
    // The first server is lost; the second is met for the first time.
    let both = backend_of(&[nobody(), second], LONG);
    update(&both).await.unwrap();
    assert_eq!((one.requests(), two.requests()), (2, 2));
}

#[tokio::test]
async fn when_all_are_down_the_error_says_where_and_how_often() {
    let (first, second) = (nobody(), nobody());
    let error = update(&backend_of(&[first, second], Duration::from_millis(200))).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.attempt() >= 4, "{error}");
    let server = error.server().unwrap();
    assert!(server == first.to_string() || server == second.to_string());
    let text = error.to_string();
    assert!(text.contains("attempt") && text.contains("not reachable"), "{text}");
}

/// That a secondary is no primary must not be taken for the zone's end while the primary is down.
#[tokio::test]
async fn a_primary_that_is_down_counts_more_than_a_secondary_that_is_none() {
    let secondary = saying(ResponseCode::NotAuth).await.0;
    let down = nobody();
    for servers in [[down, secondary], [secondary, down]] {
        let error = update(&backend_of(&servers, Duration::from_millis(200))).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
        assert_eq!(error.server(), Some(down.to_string().as_str()));
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_told_when_it_is_to_be_read_first() {
    let options = Rfc2136Options {
        call_within: Duration::from_millis(200),
        read_first: ReadFirst::Everything,
        ..Rfc2136Options::new(nobody(), key())
    };
    let backend = Rfc2136Backend::new(options, Ambient::system());
    let removal = Change::RemoveTxt { name: "a.fleet.test".parse().unwrap(), value: "1".parse().unwrap() };
    let error = backend.apply(&"fleet.test".parse().unwrap(), &[removal]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.to_string().contains("not reachable"), "{error}");
}

#[tokio::test]
async fn reading_goes_to_the_next_as_well() {
    let answer = |octets: &[u8]| {
        let request = message::decode(octets).unwrap();
        assert_eq!(request.metadata.op_code, OpCode::Query);
        let mut reply = request.into_response();
        reply.metadata.authoritative = true;
        vec![message::encode(&reply).unwrap()]
    };
    let servers = [nobody(), serve(Arc::new(answer)).await];
    let (zone, name) = ("fleet.test".parse().unwrap(), "a.fleet.test".parse().unwrap());
    assert_eq!(backend_of(&servers, LONG).read(&zone, &name, RecordType::Txt).await.unwrap(), None);
}
