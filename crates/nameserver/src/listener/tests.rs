use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{Ambient, Clock, ManualClock, SystemClock};
use fleetcert_dns::{Addresses, Change, DnsBackend, Ttl, conformance};
use fleetcert_dns_wire::{Transport, TsigAlgorithm, TsigKey, exchange, frame, message, tsig};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{NameServer, NameServerHost, Options, TcpLimits, UpdateGrant, ZoneSettings};

const TEST_TIMEOUT: Duration = Duration::from_secs(10);

struct RunningServer {
    server: NameServer,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

async fn run(options: Options, clock: Arc<dyn Clock>) -> RunningServer {
    let host = NameServerHost {
        name: "ns1.fleet.test".parse().unwrap(),
        addresses: ["127.0.0.1".parse().unwrap()].into(),
    };
    let zone = ZoneSettings::new("fleet.test".parse().unwrap(), [host]);
    let server = NameServer::new([zone], options, Ambient { clock, ..Ambient::system() }).unwrap();
    let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (address, stop) = (listener.local_addr(), CancellationToken::new());
    let serving = tokio::spawn(listener.serve(stop.clone()));
    RunningServer { server, address, stop, serving }
}

fn tcp(limits: TcpLimits) -> Options {
    Options { tcp: limits, ..Options::default() }
}

fn question(id: u16, name: &str) -> Vec<u8> {
    message::encode(&message::query(id, &name.parse().unwrap(), RecordType::A)).unwrap()
}

async fn ask(address: SocketAddr, name: &str, transport: Transport) -> Message {
    let reply = exchange(address, &question(77, name), transport, TEST_TIMEOUT, &SystemClock).await.unwrap();
    message::decode(&reply).unwrap()
}

#[tokio::test]
async fn change_is_answered_at_once_over_udp_and_tcp() {
    let running = run(Options::default(), Arc::new(SystemClock)).await;
    let name = "xi8qz.fleet.test";
    for last in 1..5 {
        let addresses = Addresses::new([[10, 1, 1, last].into()]).unwrap();
        let change = Change::SetAddresses { name: name.parse().unwrap(), addresses, ttl: Ttl::ADDRESS };
        running.server.apply(&"fleet.test".parse().unwrap(), &[change]).await.unwrap();
        for transport in [Transport::Udp, Transport::Tcp] {
            let reply = ask(running.address, name, transport).await;
            assert_eq!(reply.answers[0].data.to_string(), format!("10.1.1.{last}"));
        }
    }
}

#[tokio::test]
async fn stopped_server_frees_its_port() {
    let running = run(Options::default(), Arc::new(SystemClock)).await;
    let mut open = TcpStream::connect(running.address).await.unwrap();
    running.stop.cancel();
    running.serving.await.unwrap();
    assert_eq!(open.read(&mut [0]).await.unwrap_or_default(), 0);
    let again = running.server.listen(running.address).await.unwrap();
    assert_eq!(again.local_addr(), running.address);
}

#[tokio::test]
async fn connection_is_closed_after_the_maximum_of_messages() {
    let limits = TcpLimits { max_messages: 3, ..TcpLimits::default() };
    let running = run(tcp(limits), Arc::new(SystemClock)).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for id in 0..4 {
        let _ = frame::write(&mut stream, &question(id, "fleet.test")).await;
    }
    for id in 0..3_u16 {
        assert_eq!(frame::read(&mut stream).await.unwrap().unwrap()[..2], id.to_be_bytes());
    }
    assert!(!matches!(frame::read(&mut stream).await, Ok(Some(_))));
}

#[tokio::test]
async fn signed_messages_have_their_own_limit() {
    let limits = TcpLimits { max_messages: 3, max_signed_messages: 5, ..TcpLimits::default() };
    let subtree = "fleet.test".parse().unwrap();
    let grants = vec![UpdateGrant { key: key_named("ddns"), subtree, types: [].into() }];
    let running = run(Options { grants, ..tcp(limits) }, Arc::new(SystemClock)).await;
    // Messages that each sender sends, and the number of answers on one connection.
    for (key, sent, answered) in [(Some("ddns"), 8, 5), (Some("other"), 8, 3), (None, 8, 3)] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let mut answers = 0;
        for id in 0..sent {
            let question = question(id, "fleet.test");
            let message = match key.map(key_named) {
                Some(key) => tsig::sign_request(&question, &key, SystemClock.now()).unwrap().message,
                None => question,
            };
            let asked = frame::write(&mut stream, &message).await;
            if asked.is_err() || !matches!(frame::read(&mut stream).await, Ok(Some(_))) {
                break;
            }
            answers += 1;
        }
        assert_eq!(answers, answered, "{key:?}");
    }
    // The two limits are independent.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for id in 0..4 {
        let signed =
            tsig::sign_request(&question(id, "fleet.test"), &key_named("ddns"), SystemClock.now()).unwrap();
        frame::write(&mut stream, &signed.message).await.unwrap();
        frame::read(&mut stream).await.unwrap().unwrap();
    }
    for id in 4..7 {
        frame::write(&mut stream, &question(id, "fleet.test")).await.unwrap();
        frame::read(&mut stream).await.unwrap().unwrap();
    }
    assert!(!matches!(frame::read(&mut stream).await, Ok(Some(_))));
}

fn key_named(name: &str) -> TsigKey {
    TsigKey::new(name.parse().unwrap(), TsigAlgorithm::HmacSha256, &[7; 32]).unwrap()
}

#[tokio::test]
async fn client_over_the_limit_is_closed_and_slots_are_reused() {
    let limits = TcpLimits { max_clients: 1, ..TcpLimits::default() };
    let running = run(tcp(limits), Arc::new(SystemClock)).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    frame::write(&mut first, &question(1, "fleet.test")).await.unwrap();
    frame::read(&mut first).await.unwrap().unwrap();
    let mut second = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(second.read(&mut [0]).await.unwrap_or_default(), 0);
    // The first connection is still served.
    frame::write(&mut first, &question(2, "fleet.test")).await.unwrap();
    frame::read(&mut first).await.unwrap().unwrap();
    drop(first);
    let served = async {
        while exchange(
            running.address,
            &question(3, "fleet.test"),
            Transport::Tcp,
            TEST_TIMEOUT,
            &SystemClock,
        )
        .await
        .is_err()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, served).await.unwrap();
}

/// Advances the clock until the server closes the connection.
async fn assert_closed_by_timeout(stream: &mut TcpStream, clock: &ManualClock) {
    let mut buffer = [0; 1024];
    let moving = async {
        loop {
            clock.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
    };
    let closed = async { while stream.read(&mut buffer).await.unwrap_or_default() > 0 {} };
    tokio::select! {
        () = closed => {}
        () = moving => {}
        () = tokio::time::sleep(TEST_TIMEOUT) => panic!("the connection stays open"),
    }
}

#[tokio::test]
async fn silent_and_slow_clients_are_closed() {
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let running = run(Options::default(), Arc::new(clock.clone())).await;
    let connect = async || TcpStream::connect(running.address).await.unwrap();
    let mut silent = connect().await;
    assert_closed_by_timeout(&mut silent, &clock).await;
    let mut half = connect().await;
    half.write_all(&[0, 30, 1, 2]).await.unwrap();
    assert_closed_by_timeout(&mut half, &clock).await;
    let mut idle = connect().await;
    frame::write(&mut idle, &question(1, "fleet.test")).await.unwrap();
    frame::read(&mut idle).await.unwrap().unwrap();
    assert_closed_by_timeout(&mut idle, &clock).await;
    let mut empty = connect().await;
    empty.write_all(&[0, 0]).await.unwrap();
    assert_eq!(empty.read(&mut [0]).await.unwrap_or_default(), 0);
    assert_eq!(ask(running.address, "fleet.test", Transport::Tcp).await.response_code, ResponseCode::NoError);
}

#[tokio::test]
async fn garbage_between_queries_is_ignored() {
    let running = run(Options::default(), Arc::new(SystemClock)).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for round in 0..100_u8 {
        for length in [0, 1, 11, 12, 40, 2000] {
            socket.send_to(&vec![round; length], running.address).await.unwrap();
        }
        if round % 10 == 0 {
            assert_eq!(
                ask(running.address, "nothing.fleet.test", Transport::Udp).await.response_code,
                ResponseCode::NXDomain
            );
        }
    }
}

#[tokio::test]
async fn backend_passes_the_conformance_suite() {
    let options = Options { max_values: 200, ..Options::default() };
    let running = run(options, Arc::new(SystemClock)).await;
    let zone = "fleet.test".parse().unwrap();
    let server = &running.server;
    let report = conformance::check(&conformance::Subject::new(|| server.clone(), zone, &SystemClock)).await;
    let passed = |check: &conformance::Check| check.outcome == conformance::Outcome::Passed;
    assert!(report.checks().iter().all(passed), "{report}");
    running.stop.cancel();
}
