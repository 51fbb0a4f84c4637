//! Servers with scripted answers.

use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Ambient, Clock, SystemClock};
use fleetcert_dns::{BackendError, Change, DnsBackend, Ttl};
use fleetcert_dns_rfc2136::{ReadFirst, Refusal, Rfc2136Backend, Rfc2136Options, Servers};
use fleetcert_dns_wire::tsig::{self, Checked};
use fleetcert_dns_wire::{Transport, TsigAlgorithm, TsigKey, frame, message};
use hickory_proto::op::{Message, OpCode, ResponseCode};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::task::JoinSet;

/// Answers of a server to a request: none, or some datagrams (over TCP only the first; an empty one closes).
pub(crate) type Answer = dyn Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync;

/// Counts of what a server has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Seen {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(SeqCst)
    }
}

pub(crate) fn key_of(name: &str, secret: &[u8]) -> TsigKey {
    TsigKey::new(name.parse().unwrap(), TsigAlgorithm::HmacSha256, secret).unwrap()
}

pub(crate) fn key() -> TsigKey {
    key_of("ddns", &[7; 32])
}

/// Starts a server that answers every message by `answer`. It lives as long as the test's runtime.
pub(crate) async fn serve(answer: Arc<Answer>) -> SocketAddr {
    serve_seen(answer).await.0
}

/// As [`serve`], and returns what the server sees.
pub(crate) async fn serve_seen(answer: Arc<Answer>) -> (SocketAddr, Seen) {
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // A port that is free for TCP may be taken for UDP; then another one is tried.
        match UdpSocket::bind(tcp.local_addr().unwrap()).await {
            Ok(udp) => break (tcp, udp),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
        }
    };
    let (address, seen) = (tcp.local_addr().unwrap(), Seen::default());
    let counted = seen.clone();
    let answer: Arc<Answer> = Arc::new(move |request: &[u8]| {
        counted.requests.fetch_add(1, SeqCst);
        answer(request)
    });
    tokio::spawn(serve_tcp(tcp, answer.clone(), seen.clone()));
    tokio::spawn(async move {
        let mut buffer = [0; 65_535];
        loop {
            let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
            for reply in answer(&buffer[..length]) {
                udp.send_to(&reply, from).await.unwrap();
            }
        }
    });
    (address, seen)
}

pub(crate) async fn serve_tcp(listener: TcpListener, answer: Arc<Answer>, seen: Seen) {
    // Dropping this future ends the connections too.
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        seen.connections.fetch_add(1, SeqCst);
        let answer = answer.clone();
        connections.spawn(async move {
            // A client closes the connection on a reply that does not match.
            while let Ok(Some(request)) = frame::read(&mut stream).await {
                match answer(&request).first() {
                    Some(reply) if reply.is_empty() => return,
                    Some(reply) if frame::write(&mut stream, reply).await.is_err() => return,
                    Some(_) => {}
                    None => std::future::pending().await,
                }
            }
        });
    }
}

pub(crate) fn backend(server: SocketAddr, transport: Transport) -> Rfc2136Backend {
    let exchange_within = Duration::from_millis(300);
    let options = Rfc2136Options {
        transport,
        exchange_within,
        // Enough time for one retry, but not for many.
        call_within: Duration::from_millis(400),
        read_first: ReadFirst::Everything,
        ..Rfc2136Options::new(server, key())
    };
    Rfc2136Backend::new(options, Ambient::system())
}

/// Returns a backend of several servers with the time limit `call_within`.
pub(crate) fn backend_of(servers: &[SocketAddr], call_within: Duration) -> Rfc2136Backend {
    let servers = Servers::new(servers.iter().copied().map(Into::into)).unwrap();
    let exchange_within = Duration::from_secs(1).min(call_within);
    let options =
        Rfc2136Options { exchange_within, call_within, ..Rfc2136Options::for_servers(servers, key()) };
    Rfc2136Backend::new(options, Ambient::system())
}

/// Returns an address without a listener, which no server of another test can get.
pub(crate) fn nobody() -> SocketAddr {
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    Box::leak(Box::new(held)).local_addr().unwrap()
}

pub(crate) async fn update(backend: &Rfc2136Backend) -> Result<(), BackendError> {
    let name = "_acme-challenge.a.fleet.test".parse().unwrap();
    let change = Change::AddTxt { name, value: "1".parse().unwrap(), ttl: Ttl::CHALLENGE };
    backend.apply(&"fleet.test".parse().unwrap(), &[change]).await
}

/// Returns the error of an update to a server with these answers.
pub(crate) async fn error_of(
    answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    transport: Transport,
) -> BackendError {
    let server = serve(Arc::new(move |request: &[u8]| vec![answer(request)])).await;
    update(&backend(server, transport)).await.unwrap_err()
}

pub(crate) fn refusal(error: &BackendError) -> Option<Refusal> {
    error.source().and_then(|source| source.downcast_ref()).copied()
}

/// Returns an unsigned response with this code, changed by `change`.
pub(crate) fn response(request: &[u8], code: ResponseCode, change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let request = message::decode(request).unwrap();
    let mut response = Message::response(request.metadata.id, OpCode::Update);
    response.add_queries(request.queries.clone());
    response.metadata.response_code = code;
    change(&mut response);
    message::encode(&response).unwrap()
}

pub(crate) fn signed_at(request: &[u8], response: &[u8], key: &TsigKey, now: SystemTime) -> Vec<u8> {
    match tsig::verify_request(request, [key], now).unwrap() {
        Checked::Signed(request) => request.sign_response(response, now).unwrap(),
        Checked::Refused(request) => request.sign_response(response, now).unwrap(),
        Checked::Unsigned => panic!("the update is not signed"),
    }
}

pub(crate) fn signed(request: &[u8], response: &[u8]) -> Vec<u8> {
    signed_at(request, response, &key(), SystemClock.now())
}

pub(crate) fn success(request: &[u8]) -> Vec<u8> {
    signed(request, &response(request, ResponseCode::NoError, |_| {}))
}

/// Starts a server whose clock is `ahead` of ours, and returns what it sees.
pub(crate) async fn skewed(ahead: i64) -> (SocketAddr, Seen) {
    let answer = move |request: &[u8]| {
        let by = Duration::from_secs(ahead.unsigned_abs());
        let now = if ahead < 0 { SystemClock.now() - by } else { SystemClock.now() + by };
        let timely = matches!(tsig::verify_request(request, [&key()], now), Ok(Checked::Signed(_)));
        let code = if timely { ResponseCode::NoError } else { ResponseCode::NotAuth };
        vec![signed_at(request, &response(request, code, |_| {}), &key(), now)]
    };
    serve_seen(Arc::new(answer)).await
}
