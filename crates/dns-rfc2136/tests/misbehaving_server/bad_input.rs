//! Each mistake in the setup has a distinct error with advice, and no error shows the secret.

use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleetcert_ambient::{Ambient, Clock, ManualClock, SystemClock};
use fleetcert_dns::{BackendError, BackendErrorKind as Kind, Change, DnsBackend, RecordType, Ttl};
use fleetcert_dns_rfc2136::{Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::{Transport, TsigAlgorithm, TsigKey, frame};
use fleetcert_nameserver::{NameServer, NameServerHost, Options, UpdateGrant, ZoneSettings};
use hickory_proto::op::ResponseCode;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use crate::script::{nobody, response, serve, signed_at, skewed};
use crate::tls_front::{over_tls, tls_front};

/// No part of it resembles another key of these tests.
const SECRET: &[u8; 32] = b"the secret that nobody may see !";

fn key_of(name: &str, algorithm: TsigAlgorithm, secret: &[u8]) -> TsigKey {
    TsigKey::new(name.parse().unwrap(), algorithm, secret).unwrap()
}

/// Our name server with the zone `fleet.test`, where the key `ddns` may change texts below `devices.fleet.test`.
async fn name_server(clock: Arc<dyn Clock>) -> SocketAddr {
    let name = "ns1.fleet.test".parse().unwrap();
    let host = NameServerHost { name, addresses: ["127.0.0.1".parse().unwrap()].into() };
    let zone = ZoneSettings::new("fleet.test".parse().unwrap(), [host]);
    let key = key_of("ddns", TsigAlgorithm::HmacSha256, SECRET);
    let subtree = "devices.fleet.test".parse().unwrap();
    let grants = vec![UpdateGrant { key, subtree, types: [RecordType::Txt].into() }];
    let ambient = Ambient { clock, ..Ambient::system() };
    let server = NameServer::new([zone], Options { grants, ..Options::default() }, ambient).unwrap();
    let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(listener.serve(CancellationToken::new()));
    address
}

/// How a call is made; each case changes what is wrong about it.
struct Attempt {
    server: SocketAddr,
    key: TsigKey,
    transport: Transport,
    zone: &'static str,
    name: &'static str,
}

impl Attempt {
    fn at(server: SocketAddr) -> Self {
        Self {
            server,
            key: key_of("ddns", TsigAlgorithm::HmacSha256, SECRET),
            transport: Transport::Tcp,
            zone: "fleet.test",
            name: "a.devices.fleet.test",
        }
    }

    async fn make(self) -> Result<(), BackendError> {
        let options = Rfc2136Options {
            transport: self.transport,
            exchange_within: Duration::from_millis(200),
            call_within: Duration::from_millis(300),
            ..Rfc2136Options::new(self.server, self.key)
        };
        let backend = Rfc2136Backend::new(options, Ambient::system());
        apply(&backend, self.zone, self.name).await
    }
}

async fn apply(backend: &Rfc2136Backend, zone: &str, name: &str) -> Result<(), BackendError> {
    let (name, value) = (name.parse().unwrap(), "1".parse().unwrap());
    backend.apply(&zone.parse().unwrap(), &[Change::AddTxt { name, value, ttl: Ttl::CHALLENGE }]).await
}

/// A UDP server that answers from another port than it is asked at.
async fn reply_from_another_port() -> SocketAddr {
    let (asked, other) =
        (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = asked.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2000];
        loop {
            let (length, client) = asked.recv_from(&mut buffer).await.unwrap();
            let reply = response(&buffer[..length], ResponseCode::NoError, |_| {});
            other.send_to(&reply, client).await.unwrap();
        }
    });
    address
}

/// A server that sends half a reply and hangs up.
async fn half_a_reply() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = frame::read(&mut stream).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &[0, 200, 1, 2, 3]).await;
        }
    });
    address
}

/// Each kind of bad input: what it is, its error's kind, and what the error says among other things.
async fn every_error() -> Vec<(&'static str, BackendError, Kind, &'static str)> {
    let good = name_server(Arc::new(SystemClock)).await;
    let at = Attempt::at;
    let fault = async |attempt: Attempt| attempt.make().await.unwrap_err();
    let far = Duration::from_secs(600);
    let other_id =
        |request: &[u8]| vec![response(request, ResponseCode::NoError, |reply| reply.metadata.id ^= 1)];
    let unsigned = |request: &[u8]| vec![response(request, ResponseCode::NoError, |_| {})];
    let jumping = {
        let times = AtomicU32::new(0);
        move |request: &[u8]| {
            let ahead = far * (1 + times.fetch_add(1, SeqCst));
            let reply = response(request, ResponseCode::NotAuth, |_| {});
            let key = key_of("ddns", TsigAlgorithm::HmacSha256, SECRET);
            vec![signed_at(request, &reply, &key, SystemClock.now() + ahead)]
        }
    };
    let (front, root) = tls_front(good).await;
    let foreign_name = over_tls(front, "ns2.example.net", &root);
    vec![
        (
            "wrong key",
            fault(Attempt { key: key_of("dnds", TsigAlgorithm::HmacSha256, SECRET), ..at(good) }).await,
            Kind::Unauthenticated,
            "does not know the key's name",
        ),
        (
            "wrong algorithm",
            fault(Attempt { key: key_of("ddns", TsigAlgorithm::HmacSha512, SECRET), ..at(good) }).await,
            Kind::Unauthenticated,
            "or has it for another algorithm",
        ),
        (
            "wrong secret",
            fault(Attempt { key: key_of("ddns", TsigAlgorithm::HmacSha256, &[8; 32]), ..at(good) }).await,
            Kind::Unauthenticated,
            "has another secret for the key",
        ),
        (
            "clock 10 minutes off, and moving",
            fault(at(serve(Arc::new(jumping)).await)).await,
            Kind::Unauthenticated,
            "set the clocks right: the server's is 1",
        ),
        (
            "wrong zone",
            fault(Attempt { zone: "elsewhere.test", name: "a.elsewhere.test", ..at(good) }).await,
            Kind::NotInZone,
            "not authoritative for the zone",
        ),
        (
            "a name outside the zone",
            fault(Attempt { name: "a.elsewhere.test", ..at(good) }).await,
            Kind::NotInZone,
            "a.elsewhere.test is outside the zone",
        ),
        (
            "refused by ACL",
            fault(Attempt { name: "a.fleet.test", ..at(good) }).await,
            Kind::Refused,
            "allow our key at the server",
        ),
        ("server down", fault(at(nobody())).await, Kind::Unavailable, "not reachable"),
        (
            "server slow",
            fault(at(serve(Arc::new(|_: &[u8]| vec![])).await)).await,
            Kind::Unavailable,
            "no answer in time",
        ),
        (
            "half a reply",
            fault(at(half_a_reply().await)).await,
            Kind::Unavailable,
            "the connection ended before the answer",
        ),
        (
            "a reply from another port",
            fault(Attempt { transport: Transport::Udp, ..at(reply_from_another_port().await) }).await,
            Kind::Unavailable,
            "answers came from another address",
        ),
        (
            "a reply with another id",
            fault(at(serve(Arc::new(other_id)).await)).await,
            Kind::Unavailable,
            "the answer belongs to another question",
        ),
        (
            "an unsigned success",
            fault(at(serve(Arc::new(unsigned)).await)).await,
            Kind::Unavailable,
            "not signed, so it is not believed",
        ),
        (
            "TLS with a foreign name",
            apply(&foreign_name, "fleet.test", "a.devices.fleet.test").await.unwrap_err(),
            Kind::Unavailable,
            "ask for a name that it has, or give the server a certificate for this one",
        ),
    ]
}

/// Everything that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().extend(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn each_mistake_has_a_distinct_error_without_the_secret() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // For all threads: what other tests of this program log is looked through as well.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let mut texts = HashSet::new();
    let mut shown = String::new();
    for (what, error, kind, part) in every_error().await {
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{what}: {text}");
        assert!(text.contains(part), "{what}: {text}");
        // What is wrong, apart from the server's address; then what to do.
        let (_, remedy) = text.rsplit_once("; ").unwrap();
        assert!(!remedy.is_empty());
        if what != "wrong algorithm" {
            let mine = text.replace(error.server().unwrap_or_default(), "");
            assert!(texts.insert(mine), "{what} looks like another: {text}");
        }
        shown += &format!("{text} {error:?}\n");
    }
    // What works is logged as well: a clock that is learned, a connection that is made.
    let ahead = ManualClock::starting_at(SystemClock.now() + Duration::from_secs(600));
    Attempt::at(name_server(Arc::new(ahead)).await).make().await.unwrap();

    let log = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(log.contains("connected to the DNS server") && log.contains("apart from ours"), "{log}");
    shown += &log;
    let hex: String = SECRET.iter().map(|octet| format!("{octet:02x}")).collect();
    let list = format!("{:?}", &SECRET[..4]);
    let plain = String::from_utf8(SECRET[..12].to_vec()).unwrap();
    for secret in [plain.as_str(), &STANDARD.encode(SECRET)[..12], &hex[..16], list.trim_matches(['[', ']'])]
    {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn clock_skew_of_ten_minutes_is_corrected_at_the_second_attempt() {
    let (server, seen) = skewed(600).await;
    let key = crate::script::key();
    Attempt { key, ..Attempt::at(server) }.make().await.unwrap();
    assert_eq!(seen.requests(), 2);
}
