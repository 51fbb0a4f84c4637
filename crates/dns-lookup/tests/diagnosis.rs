//! The check of a zone on our own name server, through signed updates.

// What the tests share may fail as loudly as they do.
#![allow(clippy::unwrap_used, clippy::panic)]

use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_ambient::{Ambient, Clock, ManualClock, SystemClock};
use fleetcert_dns::{
    Advice, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, MemoryBackend, Operation,
    RecordSet, RecordType,
};
use fleetcert_dns_lookup::Servers;
use fleetcert_dns_lookup::diagnose::{Check, Diagnose, DiagnoseOptions, Diagnosis, Status};
use fleetcert_dns_rfc2136::{Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::{Transport, TsigAlgorithm, TsigKey, exchange, frame, message};
use fleetcert_names::DomainName;
use fleetcert_nameserver::{Caa, NameServer, NameServerHost, Options, UpdateGrant, ZoneSettings};
use hickory_proto::op::{Message, ResponseCode};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

fn domain(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn zone() -> DomainName {
    domain("fleet.test")
}

fn key(name: &str, secret: u8) -> TsigKey {
    TsigKey::new(domain(name), TsigAlgorithm::HmacSha256, &[secret; 32]).unwrap()
}

/// A name server for `fleet.test` that lets the key `ddns` change what is below `subtree`.
async fn serve_at(address: &str, subtree: &str, clock: Arc<dyn Clock>) -> (NameServer, SocketAddr) {
    let addresses = ["127.0.0.1".parse().unwrap()].into();
    let host = NameServerHost { name: domain("ns1.fleet.test"), addresses };
    let caa = Caa { critical: false, tag: "issue".into(), value: "ca.test".into() };
    let settings = ZoneSettings { caa: vec![caa], ..ZoneSettings::new(zone(), [host]) };
    let types = [RecordType::A, RecordType::Aaaa, RecordType::Txt].into();
    let grants = vec![UpdateGrant { key: key("ddns", 7), subtree: domain(subtree), types }];
    let server = NameServer::new(
        [settings],
        Options { grants, ..Options::default() },
        Ambient { clock, ..Ambient::system() },
    )
    .unwrap();
    let listener = server.listen(address.parse().unwrap()).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(listener.serve(CancellationToken::new()));
    (server, address)
}

async fn serve() -> (NameServer, SocketAddr) {
    serve_at("127.0.0.1:0", "fleet.test", Arc::new(SystemClock)).await
}

fn backend(server: SocketAddr, key: TsigKey) -> Arc<dyn DnsBackend> {
    let options = Rfc2136Options { call_within: Duration::from_secs(1), ..Rfc2136Options::new(server, key) };
    Arc::new(Rfc2136Backend::new(options, Ambient::system()))
}

fn diagnose_zone(zone: DomainName, servers: &[SocketAddr], backend: Arc<dyn DnsBackend>) -> Diagnose {
    let options = DiagnoseOptions {
        query_within: Duration::from_secs(2),
        change_within: Duration::from_secs(3),
        visible_within: Duration::from_secs(1),
        settle_within: Duration::from_millis(100),
        probe: Some(domain("_acme-challenge.probe.fleet.test")),
    };
    let servers = Servers::given(servers.to_vec()).unwrap();
    Diagnose::new(zone, servers, Ambient::system()).with_options(options).through(backend)
}

fn diagnose(servers: &[SocketAddr], backend: Arc<dyn DnsBackend>) -> Diagnose {
    diagnose_zone(zone(), servers, backend)
}

fn statuses(diagnosis: &Diagnosis) -> [Status; 4] {
    [Check::Update, Check::RoundTrip, Check::LargeAnswers, Check::Advice]
        .map(|check| diagnosis.finding(check).unwrap().status)
}

async fn assert_nothing_left(server: &NameServer) {
    let name = domain("_acme-challenge.probe.fleet.test");
    assert_eq!(server.read(&zone(), &name, RecordType::Txt).await.unwrap(), None);
}

#[tokio::test]
async fn a_zone_that_is_ready() {
    let (server, address) = serve().await;
    let diagnosis = diagnose(&[address], backend(address, key("ddns", 7))).run().await;
    assert_eq!(statuses(&diagnosis), [Status::Ok; 4], "{diagnosis}");
    let round_trip = diagnosis.finding(Check::RoundTrip).unwrap();
    let servers: Vec<_> = round_trip.seen.iter().map(|seen| &*seen.server).collect();
    assert_eq!(servers, [format!("{address} tcp"), format!("{address} udp")]);
    assert!(round_trip.seen.iter().all(|seen| seen.said.starts_with("seen after ")), "{round_trip}");
    let large: Vec<_> =
        diagnosis.finding(Check::LargeAnswers).unwrap().seen.iter().map(|s| &*s.said).collect();
    assert_eq!(large, ["cut, and says so", "whole"]);
    assert_nothing_left(&server).await;

    let json = serde_json::to_value(&diagnosis).unwrap();
    assert_eq!(json["zone"], "fleet.test");
    let checks: Vec<_> =
        json["findings"].as_array().unwrap().iter().map(|f| f["check"].as_str().unwrap()).collect();
    assert!(checks.contains(&"round-trip") && checks.contains(&"negative-ttl"), "{checks:?}");
    assert_eq!(json["findings"][1]["status"], "not-run");
}

#[tokio::test]
async fn a_server_on_ipv6() {
    let (server, address) = serve_at("[::1]:0", "fleet.test", Arc::new(SystemClock)).await;
    let diagnosis = diagnose(&[address], backend(address, key("ddns", 7))).run().await;
    assert_eq!(statuses(&diagnosis), [Status::Ok; 4], "{diagnosis}");
    assert_nothing_left(&server).await;
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let (_, address) = serve().await;
    let (_, elsewhere) = serve_at("127.0.0.1:0", "other.fleet.test", Arc::new(SystemClock)).await;
    let late = ManualClock::starting_at(SystemClock.now() - Duration::from_secs(600));
    let (_, behind) = serve_at("127.0.0.1:0", "fleet.test", Arc::new(late)).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let good = key("ddns", 7);
    for (zone, backend, summary, remedy) in [
        (zone(), backend(address, key("ddns", 8)), "does not accept our key", "compare the key's name"),
        (zone(), backend(address, key("other", 7)), "does not accept our key", "compare the key's name"),
        (zone(), backend(elsewhere, good.clone()), "does not allow the change", "let the key change TXT"),
        (domain("test"), backend(address, good.clone()), "does not have the zone", "compare the zone's name"),
        (zone(), backend(nobody, good.clone()), "cannot be reached", "see whether the server runs"),
    ] {
        let diagnosis = diagnose_zone(zone, &[address], backend).run().await;
        assert_eq!(
            statuses(&diagnosis)[..3],
            [Status::Problem, Status::NotRun, Status::NotRun],
            "{diagnosis}"
        );
        let update = diagnosis.finding(Check::Update).unwrap();
        assert!(update.summary.contains(summary), "{update}");
        assert!(update.remedy.as_ref().unwrap().starts_with(remedy), "{update}");
        assert!(!update.seen[0].said.is_empty(), "{update}");
        assert_eq!(diagnosis.status(), Status::Problem);
    }
    // A clock that is apart is learned, and is no refusal.
    let diagnosis = diagnose(&[behind], backend(behind, good)).run().await;
    assert_eq!(statuses(&diagnosis)[0], Status::Ok, "{diagnosis}");
}

#[tokio::test]
async fn a_secondary_that_does_not_follow() {
    let (server, address) = serve().await;
    let (_, other) = serve_at("127.0.0.1:0", "fleet.test", Arc::new(SystemClock)).await;
    let diagnosis = diagnose(&[address, other], backend(address, key("ddns", 7))).run().await;
    let round_trip = diagnosis.finding(Check::RoundTrip).unwrap();
    assert_eq!(round_trip.status, Status::Problem);
    let said = |server: SocketAddr| {
        let seen = round_trip.seen.iter().find(|seen| seen.server == format!("{server} udp")).unwrap();
        seen.said.clone()
    };
    assert!(said(address).starts_with("seen after "), "{round_trip}");
    assert_eq!(said(other), "does not show the value");
    assert_nothing_left(&server).await;
}

#[tokio::test]
async fn what_a_dropped_check_leaves_is_swept() {
    let (server, address) = serve().await;
    let (_, other) = serve_at("127.0.0.1:0", "fleet.test", Arc::new(SystemClock)).await;
    let diagnose = diagnose(&[address, other], backend(address, key("ddns", 7)));
    let name = domain("_acme-challenge.probe.fleet.test");
    let stop = async {
        while server.read(&zone(), &name, RecordType::Txt).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = diagnose.run() => panic!("the second server shows what it does not have"),
        () = stop => {}
    }
    assert_eq!(diagnose.sweep().await.unwrap(), 1);
    assert_nothing_left(&server).await;
    assert_eq!(diagnose.sweep().await.unwrap(), 0);
}

/// A backend with one thing changed.
#[derive(Debug)]
struct Odd {
    inner: MemoryBackend,
    capabilities: Capabilities,
    /// What happens to additions and to removals.
    faults: [Option<Fault>; 2],
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Fails(BackendErrorKind),
    Hangs,
}

impl Odd {
    fn shared(
        capabilities: impl FnOnce(&mut Capabilities),
        faults: [Option<Fault>; 2],
    ) -> Arc<dyn DnsBackend> {
        let inner = MemoryBackend::new([&zone()]);
        let mut all = inner.capabilities();
        capabilities(&mut all);
        Arc::new(Self { inner, capabilities: all, faults })
    }
}

#[async_trait]
impl DnsBackend for Odd {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let removes = matches!(changes[0], Change::RemoveTxt { .. });
        let held = self.inner.record_sets() > 0;
        match self.faults[usize::from(removes)] {
            // The first removal is of nothing; the fault is for the one that matters.
            Some(Fault::Fails(kind)) if !removes || held => {
                Err(BackendError::new(kind, Operation::Apply, zone, "as told"))
            }
            Some(Fault::Hangs) if !removes || !held => std::future::pending().await,
            _ => self.inner.apply(zone, changes).await,
        }
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.inner.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn advice(&self, _: &DomainName) -> Result<Vec<Advice>, BackendError> {
        Ok(vec![Advice {
            finding: "the zone is rectified at each change".into(),
            remedy: "turn it off".into(),
        }])
    }
}

#[tokio::test]
async fn backends_that_can_do_less_or_fail() {
    use Status::{NotRun, Ok as Fine, Problem};
    let (_, address) = serve().await;
    let fails = |kind| Some(Fault::Fails(kind));
    let refused = BackendErrorKind::Refused;
    let cases = [
        (Odd::shared(|can| can.removes = false, [None; 2]), [NotRun, NotRun, NotRun]),
        (Odd::shared(|can| can.any_text = false, [None; 2]), [Fine, Problem, NotRun]),
        (Odd::shared(|can| can.max_values = 2, [None; 2]), [Fine, Problem, NotRun]),
        (Odd::shared(|_| {}, [fails(refused), None]), [Fine, Problem, Problem]),
        (Odd::shared(|_| {}, [None, fails(refused)]), [Fine, Problem, Problem]),
        (Odd::shared(|_| {}, [None, Some(Fault::Hangs)]), [Problem, NotRun, NotRun]),
    ];
    let diagnoses = cases.into_iter().map(async |(backend, expected)| {
        let diagnosis = diagnose(&[address], backend).run().await;
        assert_eq!(statuses(&diagnosis)[..3], expected, "{diagnosis}");
        let advice = diagnosis.finding(Check::Advice).unwrap();
        assert_eq!((advice.status, advice.remedy.as_deref()), (Status::Warning, Some("turn it off")));
        diagnosis
    });
    let all = futures_util::future::join_all(diagnoses).await;
    let text = |case: usize, check| all[case].finding(check).unwrap().to_string();
    assert!(text(3, Check::RoundTrip).contains("the value was not added"), "{}", all[3]);
    // What cannot be removed is named.
    let left = text(4, Check::RoundTrip);
    assert!(left.contains("remove by hand: _acme-challenge.probe.fleet.test TXT fc-"), "{left}");
    assert!(text(5, Check::Update).contains("does not answer in time"), "{}", all[5]);
}

#[tokio::test]
async fn a_backend_of_registered_names_needs_one() {
    let (_, address) = serve().await;
    let servers = Servers::given(vec![address]).unwrap();
    let diagnosis = Diagnose::new(zone(), servers, Ambient::system())
        .through(Odd::shared(|can| can.any_name = false, [None; 2]))
        .run()
        .await;
    let update = diagnosis.finding(Check::Update).unwrap();
    assert_eq!(update.status, Status::NotRun);
    assert!(update.summary.contains("give one of them"), "{update}");
}

#[tokio::test]
async fn nobody_to_ask_for_a_value() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let diagnosis = diagnose(&[nobody], Arc::new(MemoryBackend::new([&zone()]))).run().await;
    assert_eq!(statuses(&diagnosis), [Status::Ok, Status::NotRun, Status::NotRun, Status::Ok], "{diagnosis}");
}

/// What a server in between makes of the answers of our own.
type Tampering = Box<dyn Fn(Transport, &mut Message) + Send + Sync>;

/// A server that asks our own over TCP and passes on what comes, changed.
async fn between(own: SocketAddr, tampering: Tampering) -> SocketAddr {
    let (udp, tcp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = tcp.local_addr().unwrap();
    let tampering = Arc::new(tampering);
    let passed_on = async move |tampering: &Tampering, way, query: &[u8]| {
        let within = Duration::from_secs(2);
        let answer = exchange(own, query, Transport::Tcp, within, &SystemClock).await.unwrap();
        let mut answer = message::decode(&answer).unwrap();
        tampering(way, &mut answer);
        message::encode(&answer).unwrap()
    };
    let for_udp = tampering.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
            let answer = passed_on(&for_udp, Transport::Udp, &buffer[..length]).await;
            udp.send_to(&answer, from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            let query = frame::read(&mut stream).await.unwrap().unwrap();
            let answer = passed_on(&tampering, Transport::Tcp, &query).await;
            frame::write(&mut stream, &answer).await.unwrap();
        }
    });
    address
}

fn is_text(answer: &Message) -> bool {
    answer.queries[0].query_type() == hickory_proto::rr::RecordType::TXT
}

#[tokio::test]
async fn a_server_that_goes_on_showing_what_is_gone() {
    let (server, own) = serve().await;
    let shown = Mutex::new(Vec::new());
    let tampering = move |_, answer: &mut Message| {
        let mut shown = shown.lock();
        if is_text(answer) && !answer.answers.is_empty() {
            shown.clone_from(&answer.answers);
        } else if is_text(answer) && !shown.is_empty() {
            answer.answers.clone_from(&shown);
            answer.metadata.response_code = ResponseCode::NoError;
        }
    };
    let caching = between(own, Box::new(tampering)).await;
    let diagnosis = diagnose(&[own, caching], backend(own, key("ddns", 7))).run().await;
    let round_trip = diagnosis.finding(Check::RoundTrip).unwrap();
    assert_eq!(round_trip.status, Status::Warning, "{diagnosis}");
    for seen in &round_trip.seen {
        let late = seen.server.starts_with(&caching.to_string());
        assert_eq!(seen.said.ends_with("and still there"), late, "{round_trip}");
    }
    assert_nothing_left(&server).await;
}

#[tokio::test]
async fn a_server_that_cuts_long_answers_in_silence() {
    let (server, own) = serve().await;
    let tampering = |_, answer: &mut Message| {
        if is_text(answer) {
            answer.answers.truncate(3);
        }
    };
    let cutting = between(own, Box::new(tampering)).await;
    let diagnosis = diagnose(&[cutting], backend(own, key("ddns", 7))).run().await;
    let large = diagnosis.finding(Check::LargeAnswers).unwrap();
    assert_eq!(large.status, Status::Problem, "{diagnosis}");
    for seen in &large.seen {
        assert_eq!(seen.said, "3 of 6 values, and does not say that it is cut");
    }
    assert_nothing_left(&server).await;
}
