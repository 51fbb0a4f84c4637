//! The backend for webhooks against the example server: a real round trip over HTTP, to a backend in memory and back.

#![allow(clippy::unwrap_used)] // in helpers of tests, too

#[path = "../examples/webhook-server/service.rs"]
mod service;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Ambient, Clock, ManualClock, SystemClock};
use fleetcert_dns::conformance::{Outcome, Subject, check};
use fleetcert_dns::{BackendErrorKind, DnsBackend, MemoryBackend, RecordType};
use fleetcert_dns_http::webhook::{WebhookBackend, WebhookOptions, WebhookSecret};
use fleetcert_dns_http::{HttpClient, HttpOptions};
use fleetcert_names::DomainName;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn zone() -> DomainName {
    "fleet.test".parse().unwrap()
}

fn http(clock: Arc<dyn Clock>) -> HttpClient {
    // Many calls at once wait for their turn.
    let options = HttpOptions { requests_at_once: 32, max_attempts: 1, ..HttpOptions::default() };
    HttpClient::new(options, Ambient { clock, ..Ambient::system() }).unwrap()
}

async fn serve(secret: WebhookSecret, clock: Arc<dyn Clock>) -> Result<SocketAddr> {
    let router = service::router(Arc::new(MemoryBackend::new([&zone()])), secret, clock);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

fn options(server: SocketAddr, secret: WebhookSecret) -> WebhookOptions {
    WebhookOptions { endpoint: format!("http://{server}").parse().unwrap(), secret }
}

async fn conforms(secret: WebhookSecret) -> Result {
    let server = serve(secret.clone(), Arc::new(SystemClock)).await?;
    let http = http(Arc::new(SystemClock));
    let backend = WebhookBackend::connect(options(server, secret.clone()), &http, &zone()).await?;
    let capabilities = backend.capabilities();
    assert_eq!(capabilities, MemoryBackend::new([]).capabilities());
    let make = || WebhookBackend::new(options(server, secret.clone()), &http, capabilities);
    let report = check(&Subject::new(make, zone(), &SystemClock)).await;
    assert!(report.checks().iter().all(|check| check.outcome == Outcome::Passed), "{report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_conforms_with_a_token() -> Result {
    conforms(WebhookSecret::Bearer("a token".into())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_conforms_with_signatures() -> Result {
    conforms(WebhookSecret::Hmac("a key".into())).await
}

#[tokio::test]
async fn a_stranger_is_not_let_in() -> Result {
    let [token, key] = [WebhookSecret::Bearer("right".into()), WebhookSecret::Hmac("right".into())];
    for secret in [token.clone(), key.clone()] {
        let server = serve(secret.clone(), Arc::new(SystemClock)).await?;
        let strangers = [WebhookSecret::Bearer("wrong".into()), WebhookSecret::Hmac("wrong".into())];
        let other_kind = if matches!(secret, WebhookSecret::Bearer(_)) { &key } else { &token };
        for stranger in strangers.iter().chain([other_kind]) {
            let options = options(server, stranger.clone());
            let error =
                WebhookBackend::connect(options, &http(Arc::new(SystemClock)), &zone()).await.unwrap_err();
            assert_eq!(error.kind(), BackendErrorKind::Unauthenticated, "{error}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_clock_that_is_apart_is_told() -> Result {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let secret = WebhookSecret::Hmac("a key".into());
    let server = serve(secret.clone(), Arc::new(ManualClock::starting_at(now))).await?;
    for (apart, accepted) in [(0, true), (299, true), (301, false)] {
        let ours = Arc::new(ManualClock::starting_at(now + Duration::from_secs(apart)));
        let connected = WebhookBackend::connect(options(server, secret.clone()), &http(ours), &zone()).await;
        assert_eq!(connected.is_ok(), accepted, "{connected:?}");
        if let Err(error) = connected {
            assert!(error.to_string().contains("are the clocks right?"), "{error}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn errors_come_back_by_their_kind() -> Result {
    let secret = WebhookSecret::Bearer("a token".into());
    let server = serve(secret.clone(), Arc::new(SystemClock)).await?;
    let elsewhere: DomainName = "elsewhere.test".parse()?;
    let error =
        WebhookBackend::connect(options(server, secret.clone()), &http(Arc::new(SystemClock)), &elsewhere)
            .await
            .unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);

    let backend =
        WebhookBackend::connect(options(server, secret), &http(Arc::new(SystemClock)), &zone()).await?;
    let error = backend.read(&elsewhere, &elsewhere, RecordType::A).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone);
    assert!(error.to_string().contains("the backend does not have this zone"), "{error}");
    Ok(())
}
