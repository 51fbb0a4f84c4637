//! Several servers: which one is tried, which one is kept, and which failures are final.

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

const TEST_TIMEOUT: Duration = Duration::from_secs(10);

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
async fn next_server_takes_over_and_is_kept() {
    let unable = saying(ResponseCode::ServFail).await;
    let no_primary = saying(ResponseCode::NotAuth).await;
    let down = (nobody(), Seen::default());
    for (first, tried) in [down, silent().await, hanging_up().await, unable, no_primary] {
        let (second, seen) = good().await;
        let backend = backend_of(&[first, second], TEST_TIMEOUT);
        update(&backend).await.unwrap();
        assert_eq!(seen.requests(), 1);
        let tries = tried.requests();
        update(&backend).await.unwrap();
        assert_eq!((seen.requests(), seen.connections()), (2, 1));
        assert_eq!(tried.requests(), tries, "the first server was asked again");
    }
}

#[tokio::test]
async fn refusal_is_not_retried_at_the_next_server() {
    for (code, kind) in [
        (ResponseCode::Refused, BackendErrorKind::Refused),
        (ResponseCode::FormErr, BackendErrorKind::InvalidInput),
        (ResponseCode::NXRRSet, BackendErrorKind::Conflict),
    ] {
        let ((first, asked), (second, not_asked)) = (saying(code).await, good().await);
        let error = update(&backend_of(&[first, second], TEST_TIMEOUT)).await.unwrap_err();
        assert_eq!((error.kind(), error.attempt()), (kind, 1));
        assert_eq!(error.server(), Some(first.to_string().as_str()));
        assert_eq!((asked.requests(), not_asked.requests()), (1, 0));
    }
}

#[tokio::test]
async fn call_without_a_primary_fails_without_a_delay() {
    let ((first, one), (second, two)) =
        (saying(ResponseCode::NotAuth).await, saying(ResponseCode::NotAuth).await);
    let error = update(&backend_of(&[first, second], TEST_TIMEOUT)).await.unwrap_err();
    assert_eq!((refusal(&error), error.kind()), (Some(Refusal::NotAuth), BackendErrorKind::NotInZone));
    assert_eq!((one.requests(), two.requests()), (1, 1));
    assert_eq!((error.attempt(), error.server()), (2, Some(second.to_string().as_str())));
}

#[tokio::test]
async fn clock_skew_is_kept_per_server() {
    let ((first, one), (second, two)) = (skewed(7200).await, skewed(-7200).await);
    let backend = backend_of(&[first, second], TEST_TIMEOUT);
    update(&backend).await.unwrap();
    // The first server is lost; the second is used for the first time.
    let both = backend_of(&[nobody(), second], TEST_TIMEOUT);
    update(&both).await.unwrap();
    assert_eq!((one.requests(), two.requests()), (2, 2));
}

#[tokio::test]
async fn error_has_server_and_attempt_if_all_are_down() {
    let (first, second) = (nobody(), nobody());
    let error = update(&backend_of(&[first, second], Duration::from_millis(200))).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.attempt() >= 4, "{error}");
    let server = error.server().unwrap();
    assert!(server == first.to_string() || server == second.to_string());
    let text = error.to_string();
    assert!(text.contains("attempt") && text.contains("not reachable"), "{text}");
}

/// A secondary that is not a primary must not hide that the primary is down.
#[tokio::test]
async fn error_of_the_primary_wins_over_that_of_a_secondary() {
    let secondary = saying(ResponseCode::NotAuth).await.0;
    let down = nobody();
    for servers in [[down, secondary], [secondary, down]] {
        let error = update(&backend_of(&servers, Duration::from_millis(200))).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
        assert_eq!(error.server(), Some(down.to_string().as_str()));
    }
}

#[tokio::test]
async fn unreachable_server_is_reported_when_reading_first() {
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
async fn reads_also_fail_over() {
    let answer = |octets: &[u8]| {
        let request = message::decode(octets).unwrap();
        assert_eq!(request.metadata.op_code, OpCode::Query);
        let mut reply = request.into_response();
        reply.metadata.authoritative = true;
        vec![message::encode(&reply).unwrap()]
    };
    let servers = [nobody(), serve(Arc::new(answer)).await];
    let (zone, name) = ("fleet.test".parse().unwrap(), "a.fleet.test".parse().unwrap());
    assert_eq!(backend_of(&servers, TEST_TIMEOUT).read(&zone, &name, RecordType::Txt).await.unwrap(), None);
}
