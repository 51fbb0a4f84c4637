//! A real client against a real listener on loopback.

#![allow(clippy::unwrap_used)] // a test may

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Version;
use axum::routing::{get, post};
use fleetcert_https::{
    BodyError, CertificateErrorKind, Certificates, ClientBuilder, Limits, Server, read_body,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const NAME: &str = "device.fleet.test";

struct TestCa(CertifiedIssuer<'static, KeyPair>);

impl TestCa {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new([NAME.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }

    fn certificates(&self) -> Certificates {
        let (chain, key) = self.issue();
        Certificates::new(chain, key).unwrap()
    }

    fn client(&self, server: SocketAddr) -> reqwest::ClientBuilder {
        ClientBuilder::new("test/1")
            .only_roots_pem(self.0.pem().as_bytes())
            .unwrap()
            .timeout(Duration::from_secs(5))
            .into_reqwest()
            .resolve(NAME, server)
    }
}

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Running {
    async fn start(certificates: Certificates, limits: Limits) -> Self {
        Self::start_with(router(), certificates, limits).await
    }

    async fn start_with(router: Router, certificates: Certificates, limits: Limits) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), certificates).await.unwrap();
        let (address, shutdown) = (server.local_addr(), CancellationToken::new());
        let serving = tokio::spawn(server.serve(router, limits, shutdown.clone()));
        Self { address, shutdown, serving }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.address.port())
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(Duration::from_secs(5), self.serving).await.expect("the server ends").unwrap();
    }
}

fn router() -> Router {
    Router::new()
        .route("/", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string()))
        .route("/away", get(async || axum::response::Redirect::to("/")))
        .route("/length", post(async |body: axum::body::Bytes| body.len().to_string()))
        .route("/never", get(std::future::pending::<()>))
}

fn short_limits() -> Limits {
    Limits {
        handshake_timeout: Duration::from_millis(200),
        header_timeout: Duration::from_millis(200),
        request_timeout: Duration::from_millis(800),
        idle_timeout: Duration::from_millis(200),
        shutdown_grace: Duration::from_millis(800),
        ..Limits::default()
    }
}

#[tokio::test]
async fn page_is_fetched_over_http_1_and_http_2() {
    let ca = TestCa::new();
    let server = Running::start(ca.certificates(), Limits::default()).await;
    let client = ca.client(server.address).build().unwrap();
    let response = client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.text().await.unwrap(), "127.0.0.1");
    let mut stream = tls(&ca, &server, b"http/1.1").await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(4), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn certificate_is_replaced_under_load_without_a_failed_request() {
    let ca = TestCa::new();
    let certificates = ca.certificates();
    let server = Running::start(certificates.clone(), Limits::default()).await;
    let client = ca.client(server.address).pool_max_idle_per_host(0).tls_info(true).build().unwrap();
    let mut seen = std::collections::HashSet::new();
    for round in 0..60 {
        if round % 10 == 0 {
            let (chain, key) = ca.issue();
            let leaf = chain[0].to_vec();
            let requests: Vec<_> = (0..4).map(|_| tokio::spawn(client.get(server.url("/")).send())).collect();
            certificates.replace(chain, key).unwrap();
            for request in requests {
                request.await.unwrap().unwrap().error_for_status().unwrap();
            }
            assert_eq!(
                presented_leaf(&client, &server).await,
                leaf,
                "the new certificate is presented at once"
            );
        }
        seen.insert(presented_leaf(&client, &server).await);
    }
    assert_eq!(seen.len(), 6);
    server.stop().await;
}

async fn presented_leaf(client: &reqwest::Client, server: &Running) -> Vec<u8> {
    let response = client.get(server.url("/")).send().await.unwrap();
    response.extensions().get::<reqwest::tls::TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
}

#[tokio::test]
async fn wrong_key_is_rejected_and_the_old_pair_stays() {
    let ca = TestCa::new();
    let certificates = ca.certificates();
    let server = Running::start(certificates.clone(), Limits::default()).await;
    let (chain, _) = ca.issue();
    let (_, other_key) = ca.issue();
    let refused = |chain, key: &PrivateKeyDer<'static>| {
        certificates.replace(chain, key.clone_key()).unwrap_err().kind()
    };
    assert_eq!(refused(chain.clone(), &other_key), CertificateErrorKind::KeyMismatch);
    assert_eq!(refused(vec![], &other_key), CertificateErrorKind::EmptyChain);
    assert_eq!(refused(vec![chain[0].clone(); 11], &other_key), CertificateErrorKind::ChainTooLong);
    assert_eq!(refused(vec![vec![0x30, 0].into()], &other_key), CertificateErrorKind::Unusable);
    let not_pem = certificates.replace_pem(b"chain", b"key").unwrap_err();
    assert_eq!(not_pem.kind(), CertificateErrorKind::NotPem);
    let client = ca.client(server.address).build().unwrap();
    client.get(server.url("/")).send().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn pem_files_are_served() {
    let ca = TestCa::new();
    let certificates = Certificates::empty();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([NAME.to_owned()]).unwrap().signed_by(&key, &ca.0).unwrap();
    let chain = leaf.pem() + &ca.0.pem();
    certificates.replace_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let server = Running::start(certificates, Limits::default()).await;
    ca.client(server.address).build().unwrap().get(server.url("/")).send().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn handshake_fails_while_there_is_no_certificate() {
    let ca = TestCa::new();
    let certificates = Certificates::empty();
    let server = Running::start(certificates.clone(), Limits::default()).await;
    let client = ca.client(server.address).build().unwrap();
    assert!(client.get(server.url("/")).send().await.unwrap_err().is_connect());
    let (chain, key) = ca.issue();
    certificates.replace(chain, key).unwrap();
    client.get(server.url("/")).send().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn client_trusts_only_its_roots_and_follows_no_redirects() {
    let (ca, stranger) = (TestCa::new(), TestCa::new());
    let server = Running::start(ca.certificates(), Limits::default()).await;
    let distrusting = stranger.client(server.address).build().unwrap();
    assert!(distrusting.get(server.url("/")).send().await.unwrap_err().is_connect());
    let client = ca.client(server.address).build().unwrap();
    assert_eq!(client.get(server.url("/away")).send().await.unwrap().status(), 303);
    let plain = client.get(format!("http://{NAME}:{}/", server.address.port())).send().await;
    assert!(plain.unwrap_err().is_builder(), "HTTPS only");
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_limited_on_both_sides() {
    let ca = TestCa::new();
    let limits = Limits { max_body: 1000, ..Limits::default() };
    let server = Running::start(ca.certificates(), limits).await;
    let client = ca.client(server.address).build().unwrap();
    let send = |length| client.post(server.url("/length")).body(vec![0; length]).send();
    let answer = send(1000).await.unwrap();
    assert_eq!(read_body(answer, 4).await.unwrap(), b"1000");
    assert_eq!(send(1001).await.unwrap().status(), 413);
    let answer = client.get(server.url("/")).send().await.unwrap();
    assert!(matches!(read_body(answer, 8).await, Err(BodyError::TooLarge { limit: 8 })));
    server.stop().await;
}

/// Reads until the peer closes the connection, or fails after a timeout.
async fn assert_closed_by_peer(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(4), stream.read_to_end(&mut rest)).await;
    let _either_way = ended.expect("the server ends the connection");
}

#[tokio::test]
async fn silent_handshake_is_closed() {
    let server = Running::start(TestCa::new().certificates(), short_limits()).await;
    assert_closed_by_peer(TcpStream::connect(server.address).await.unwrap()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&[0x16, 0x03, 0x01, 0x02]).await.unwrap();
    assert_closed_by_peer(stream).await;
    server.stop().await;
}

/// Opens a TLS connection that offers one protocol and sends nothing.
async fn tls(ca: &TestCa, server: &Running, protocol: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.0.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(server.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(NAME.try_into().unwrap(), stream).await.unwrap()
}

#[tokio::test]
async fn silent_connections_are_closed() {
    let ca = TestCa::new();
    let limits = Limits { header_timeout: Duration::from_secs(60), ..short_limits() };
    let server = Running::start(ca.certificates(), limits).await;
    for protocol in [b"h2".as_slice(), b"http/1.1"] {
        assert_closed_by_peer(tls(&ca, &server, protocol).await).await;
    }
    let mut idle_after_one = tls(&ca, &server, b"http/1.1").await;
    idle_after_one.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_closed_by_peer(idle_after_one).await;
    server.stop().await;
}

#[tokio::test]
async fn slow_request_head_is_closed() {
    let ca = TestCa::new();
    let limits = Limits { idle_timeout: Duration::from_secs(60), ..short_limits() };
    let server = Running::start(ca.certificates(), limits).await;
    let mut half_a_head = tls(&ca, &server, b"http/1.1").await;
    half_a_head.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    half_a_head.flush().await.unwrap();
    assert_closed_by_peer(half_a_head).await;
    server.stop().await;
}

#[tokio::test]
async fn unfinished_request_is_answered_with_408() {
    let ca = TestCa::new();
    let server = Running::start(ca.certificates(), short_limits()).await;
    let client = ca.client(server.address).build().unwrap();
    assert_eq!(client.get(server.url("/never")).send().await.unwrap().status(), 408);
    let mut half_a_body = tls(&ca, &server, b"http/1.1").await;
    half_a_body
        .write_all(b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf")
        .await
        .unwrap();
    let mut status = [0; 12];
    timeout(Duration::from_secs(4), half_a_body.read_exact(&mut status)).await.unwrap().unwrap();
    assert_eq!(&status, b"HTTP/1.1 408");
    server.stop().await;
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_free_slot() {
    let ca = TestCa::new();
    let limits =
        Limits { max_connections: 2, shutdown_grace: Duration::from_millis(200), ..Limits::default() };
    let server = Running::start(ca.certificates(), limits).await;
    let first = tls(&ca, &server, b"h2").await;
    let _second = tls(&ca, &server, b"h2").await;
    let mut third = Box::pin(tls(&ca, &server, b"h2"));
    assert!(timeout(Duration::from_millis(300), third.as_mut()).await.is_err(), "the limit holds");
    drop(first);
    timeout(Duration::from_secs(4), third.as_mut()).await.expect("the waiting connection is served");
    drop(third);
    server.stop().await;
}

#[tokio::test]
async fn shutdown_waits_for_requests_up_to_the_grace_period() {
    let ca = TestCa::new();
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (in_handler, wait) = (begun.clone(), go_on.clone());
    let router = Router::new().route(
        "/slow",
        get(async move || {
            in_handler.notify_one();
            wait.notified().await;
        }),
    );
    let server = Running::start_with(router, ca.certificates(), short_limits()).await;
    let client = ca.client(server.address).build().unwrap();
    let slow = tokio::spawn(client.get(server.url("/slow")).send());
    begun.notified().await;
    let mut never = tls(&ca, &server, b"http/1.1").await;
    never.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    begun.notified().await;
    server.shutdown.cancel();
    go_on.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().status(), 200, "it was in flight");
    let url = server.url("/slow");
    timeout(Duration::from_secs(4), server.serving).await.expect("the grace period ends").unwrap();
    assert!(client.get(url).send().await.unwrap_err().is_connect(), "the port is closed");
    assert_closed_by_peer(never).await;
}
