//! The agent against a control server on loopback: real HTTPS, real signatures, a CA of rcgen.

#![allow(clippy::unwrap_used)] // a test may

mod server;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_agent::{
    Agent, AgentErrorKind, AgentOptions, AllInstallers, CertificatePair, EnrolRequest, EnrolmentToken,
    FileInstaller, InstallError, Installer, ReloadInstaller,
};
use fleetcert_ambient::{Ambient, Clock, SystemEntropy};
use fleetcert_https::Certificates;
use fleetcert_jose::Algorithm;
use fleetcert_protocol::{CertificateStatus, ProblemKind};
use fleetcert_x509::{KeyKind, KeyPair, SigningKey, csr_for};
use server::{ControlServer, NAME, Reply};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(10);

struct Device {
    home: TempDir,
}

impl Device {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn options(server: &ControlServer) -> AgentOptions {
        AgentOptions { roots: Some(server.roots()), ..AgentOptions::new(&server.url, server.client()) }
    }

    fn open(&self, options: AgentOptions) -> Agent {
        Agent::open(&self.home.path().join("state"), options, Ambient::system()).unwrap()
    }

    async fn enrolled(&self, server: &ControlServer) -> Agent {
        let mut agent = self.open(Self::options(server));
        agent.enrol(server.token()).await.unwrap();
        agent
    }

    fn installer(&self) -> FileInstaller {
        FileInstaller::new(self.home.path().join("tls"))
    }

    fn installed(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.path().join("tls/current").join(name)).unwrap()
    }
}

async fn certify(agent: &mut Agent, installer: &dyn Installer) -> String {
    agent.make_request().unwrap();
    agent.submit().await.unwrap();
    let chain = agent.poll(DEADLINE, |_| ()).await.unwrap();
    let pair = agent.check(&chain).unwrap();
    agent.install(pair, installer).await.unwrap();
    chain
}

fn belong_together(key: &str, chain: &str) -> bool {
    let key = KeyPair::from_pkcs8_pem(key).unwrap();
    fleetcert_x509::Chain::from_pem(chain.as_bytes()).unwrap().leaf().spki() == key.spki_der()
}

#[tokio::test]
async fn new_device_gets_files_and_a_served_certificate() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    assert_eq!(agent.enrolled().unwrap().name.as_str(), NAME);
    let address: IpAddr = "10.1.1.4".parse().unwrap();
    assert!(agent.report_addresses(&[address]).await.unwrap().changed);
    assert!(!agent.report_addresses(&[address]).await.unwrap().changed);

    agent.make_request().unwrap();
    let status = agent.submit().await.unwrap();
    assert!(matches!(status, CertificateStatus::Queued { position: 0, .. }));
    let mut seen = 0;
    let chain = agent.poll(DEADLINE, |_| seen += 1).await.unwrap();
    assert_eq!(seen, 2, "queued once more, then issued");
    let certificates = Certificates::empty();
    let both = AllInstallers::new([
        Arc::new(device.installer()) as Arc<dyn Installer>,
        Arc::new(ReloadInstaller::new(certificates.clone())),
    ]);
    let pair = agent.check(&chain).unwrap();
    agent.install(pair, &both).await.unwrap();
    assert!(!certificates.is_empty());
    assert_eq!(device.installed("fullchain.pem"), chain);
    assert!(belong_together(&device.installed("privkey.pem"), &chain));
    assert!(agent.request().is_none());

    certify(&mut agent, &both).await;
    assert_ne!(device.installed("fullchain.pem"), chain, "renewed, with a new key");
    assert!(belong_together(&device.installed("privkey.pem"), &device.installed("fullchain.pem")));
}

#[tokio::test]
async fn nonces_come_from_answers_and_a_bad_one_is_replaced() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    for _ in 0..5 {
        agent.report_addresses(&[]).await.unwrap();
    }
    assert_eq!(server.nonces_asked(), 1, "one for the first request");
    for _ in 0..9 {
        server.reply_next(Reply::BadNonce);
    }
    agent.report_addresses(&[]).await.unwrap();
    for _ in 0..20 {
        server.reply_next(Reply::BadNonce);
    }
    let error = agent.report_addresses(&[]).await.unwrap_err();
    assert_eq!(error.problem().unwrap().kind, ProblemKind::BadNonce, "bounded: {error}");
}

#[tokio::test]
async fn busy_server_says_when_and_a_refusal_says_why() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    for status in [429, 503] {
        server.reply_next(Reply::Busy { status, retry_after: "17" });
        let error = agent.report_addresses(&[]).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_after()),
            (AgentErrorKind::Busy, Some(Duration::from_secs(17)))
        );
        assert!(error.is_transient());
    }
    server.reply_next(Reply::Busy { status: 503, retry_after: "99999999999" });
    let longest = agent.report_addresses(&[]).await.unwrap_err().retry_after();
    assert_eq!(longest, Some(Duration::from_secs(24 * 3600)));
    server.reply_next(Reply::Refused(ProblemKind::AddressNotAllowed));
    let error = agent.report_addresses(&[]).await.unwrap_err();
    assert_eq!(error.kind(), AgentErrorKind::Refused);
    assert_eq!(error.problem().unwrap().kind, ProblemKind::AddressNotAllowed);
    for rubbish in [Reply::Rubbish { status: 200 }, Reply::Rubbish { status: 502 }, Reply::Endless] {
        server.reply_next(rubbish);
        assert_eq!(agent.report_addresses(&[]).await.unwrap_err().kind(), AgentErrorKind::Protocol);
    }
    agent.report_addresses(&[]).await.unwrap();
}

#[tokio::test]
async fn state_survives_a_restart_and_belongs_to_one_agent() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    let identity = agent.identity().clone();
    agent.make_request().unwrap();
    agent.submit().await.unwrap();
    let csr = agent.request().unwrap().csr().der().to_vec();
    let second = Agent::open(&device.home.path().join("state"), Device::options(&server), Ambient::system());
    assert_eq!(second.unwrap_err().kind(), AgentErrorKind::State);
    drop(agent);

    let mut agent = device.open(Device::options(&server));
    assert_eq!(agent.identity(), &identity);
    assert_eq!(agent.request().unwrap().csr().der(), csr);
    agent.submit().await.unwrap();
    let chain = agent.poll(DEADLINE, |_| ()).await.unwrap();
    let pair = agent.check(&chain).unwrap();
    let request = device.home.path().join("state/request.pem");
    let kept = device.home.path().join("state/kept");
    std::fs::copy(&request, &kept).unwrap();
    agent.install(pair, &device.installer()).await.unwrap();
    assert_eq!(server.issued(), 1, "the same CSR is the same request");
    let shown = format!("{agent:?}");
    let secret = device.installed("privkey.pem");
    assert!(secret.lines().all(|line| !shown.contains(line)), "no secret in {shown}");
    drop(agent);
    std::fs::rename(&kept, &request).unwrap(); // as after a power cut before it was removed

    let agent = device.open(Device::options(&server));
    assert!(agent.request().is_none());
    assert_eq!(agent.installed().unwrap().chain_pem(), chain);
    for entry in std::fs::read_dir(device.home.path().join("state")).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn token_admits_one_key_and_a_p256_identity_works() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let options = AgentOptions { identity: Algorithm::Es256, ..Device::options(&server) };
    let mut agent = device.open(options);
    assert_eq!(agent.identity().algorithm(), Algorithm::Es256);
    let token = server.token();
    agent.enrol(EnrolRequest::new(token.clone()).with_label("xi8qz".parse().unwrap())).await.unwrap();
    let thief = Device::new();
    let error = thief.open(Device::options(&server)).enrol(token).await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!(
        (&problem.kind, problem.code.as_deref()),
        (&ProblemKind::EnrolmentRefused, Some("token_used"))
    );
}

#[tokio::test]
async fn csr_made_elsewhere_is_used_with_its_key_and_without() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    let key = || KeyPair::generate(KeyKind::P256).unwrap();
    let (own, other) = (key(), key());
    let csr = csr_for(&NAME.parse().unwrap(), &own).unwrap();
    let foreign = csr_for(&"other.fleet.test".parse().unwrap(), &own).unwrap();
    assert_eq!(agent.use_request(&foreign, None).unwrap_err().kind(), AgentErrorKind::InvalidInput);
    assert_eq!(agent.use_request(&csr, Some(other)).unwrap_err().kind(), AgentErrorKind::InvalidInput);
    assert_eq!(agent.use_request(b"none", None).unwrap_err().kind(), AgentErrorKind::InvalidInput);

    agent.use_request(&csr, None).unwrap();
    agent.submit().await.unwrap();
    let chain = agent.poll(DEADLINE, |_| ()).await.unwrap();
    let pair = agent.check(&chain).unwrap();
    let reload = ReloadInstaller::new(Certificates::empty());
    assert!(matches!(reload.install(&pair).await, Err(InstallError::NoKey)));
    agent.install(pair, &device.installer()).await.unwrap();
    assert!(!device.home.path().join("tls/current/privkey.pem").exists());

    agent.use_request(&csr, Some(own)).unwrap();
    agent.submit().await.unwrap();
    let again = agent.ask().await.unwrap();
    assert!(matches!(again, CertificateStatus::Issued { .. }), "the same CSR has the same certificate");
    let pair = agent.check(&chain).unwrap();
    agent.install(pair, &device.installer()).await.unwrap();
    assert!(belong_together(&device.installed("privkey.pem"), &chain));
}

#[tokio::test]
async fn wrong_chain_is_refused() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    assert_eq!(agent.submit().await.unwrap_err().kind(), AgentErrorKind::NoRequest);
    agent.make_request().unwrap();
    let key = KeyPair::generate(KeyKind::P256).unwrap();
    let csr = |name: &str, key: &KeyPair| csr_for(&name.parse().unwrap(), key).unwrap();
    let stranger = ControlServer::start().await;
    let own = agent.request().unwrap().csr().der().to_vec();
    for chain in [server.sign(&csr(NAME, &key)), stranger.sign(&own), String::new(), "rubbish".into()] {
        assert_eq!(agent.check(&chain).unwrap_err().kind(), AgentErrorKind::WrongChain);
    }
    agent.check(&server.sign(&own)).unwrap();
}

#[tokio::test]
async fn failed_order_and_deadline_end_the_polling() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    agent.make_request().unwrap();
    agent.submit().await.unwrap();
    server.reply_next(Reply::Failed);
    let error = agent.poll(DEADLINE, |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), AgentErrorKind::OrderFailed);
    server.reply_always(Reply::Queued);
    let error = agent.poll(Duration::from_millis(300), |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), AgentErrorKind::Deadline);
}

/// Installs, and then says that it failed, a number of times.
struct Failing<'a> {
    installer: &'a dyn Installer,
    left: AtomicUsize,
}

#[async_trait]
impl Installer for Failing<'_> {
    async fn install(&self, pair: &CertificatePair) -> Result<(), InstallError> {
        self.installer.install(pair).await?;
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(InstallError::Other("the reload failed".into())),
            Err(_) => Ok(()),
        }
    }
}

#[tokio::test]
async fn failed_install_brings_the_previous_pair_back_and_can_be_repeated() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    let old = certify(&mut agent, &device.installer()).await;
    agent.make_request().unwrap();
    agent.submit().await.unwrap();
    let chain = agent.poll(DEADLINE, |_| ()).await.unwrap();
    let files = device.installer();
    for (failures, kind) in [(1, AgentErrorKind::Install), (2, AgentErrorKind::RollBack)] {
        let failing = Failing { installer: &files, left: failures.into() };
        let error = agent.install(agent.check(&chain).unwrap(), &failing).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(device.installed("fullchain.pem"), old);
        assert_eq!(agent.installed().unwrap().chain_pem(), old);
    }
    agent.install(agent.check(&chain).unwrap(), &files).await.unwrap();
    assert_eq!(device.installed("fullchain.pem"), chain);
}

#[tokio::test]
async fn run_takes_all_steps_and_renews_when_the_server_says_so() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut unknown = device.open(Device::options(&server));
    let refused = unknown.run(&Vec::<IpAddr>::new(), &device.installer(), async {}).await.unwrap_err();
    assert_eq!(refused.kind(), AgentErrorKind::NotEnrolled);
    drop(unknown);

    let mut agent = device.enrolled(&server).await;
    let addresses: Vec<IpAddr> = vec!["10.1.1.4".parse().unwrap()];
    agent.run(&addresses, &device.installer(), server.until_issued(1)).await.unwrap();
    drop(agent); // switched off in the middle
    let mut agent = device.open(Device::options(&server));
    server.set_due(true);
    agent.run(&addresses, &device.installer(), server.until_issued(2)).await.unwrap();
    assert_eq!(server.addresses(), addresses);
    server.set_due(false);
    let renewed = async {
        while device.installed("fullchain.pem") != server.chain() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, agent.run(&addresses, &device.installer(), renewed))
        .await
        .unwrap()
        .unwrap();
    assert!(belong_together(&device.installed("privkey.pem"), &device.installed("fullchain.pem")));
    assert_eq!(server.issued(), 2);
}

/// A clock whose waits end at once, and move its time.
#[derive(Clone, Debug, Default)]
struct SkippingClock(Arc<parking_lot::Mutex<Duration>>);

impl Clock for SkippingClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + *self.0.lock()
    }

    fn sleep(&self, duration: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        *self.0.lock() += duration;
        Box::pin(async {})
    }
}

#[tokio::test]
async fn pending_enrolment_asks_again_with_the_same_proof_and_key() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let ambient = Ambient { clock: Arc::new(SkippingClock::default()), ..Ambient::system() };
    let folder = device.home.path().join("state");
    let mut agent = Agent::open(&folder, Device::options(&server), ambient.clone()).unwrap();
    let answer = agent.try_enrol(&EnrolRequest::new(server.token())).await;
    drop(answer); // lost: the server has the device
    server.reply_next(Reply::Pending { retry_after: 3600 });
    server.reply_next(Reply::Busy { status: 503, retry_after: "7" });
    server.reply_next(Reply::Rubbish { status: 502 });
    server.reply_next(Reply::Pending { retry_after: 0 });
    std::fs::remove_file(folder.join("enrolled.json")).unwrap();
    drop(agent);
    let mut agent = Agent::open(&folder, Device::options(&server), ambient.clone()).unwrap();
    let start = ambient.now();
    let enrolled = agent.enrol(server.token()).await.unwrap().clone();
    let waited = ambient.now().duration_since(start).unwrap();
    let expected = Duration::from_secs(3600 + 7 + 5 + 1)..Duration::from_secs(3600 + 7 + 10 + 2);
    assert!(expected.contains(&waited), "{waited:?}");
    assert_eq!(agent.enrol(server.token()).await.unwrap(), &enrolled);

    // Without a pending answer before it, a failure is the caller's.
    let other = Device::new();
    server.reply_next(Reply::Busy { status: 503, retry_after: "7" });
    let error = other.open(Device::options(&server)).enrol(server.token()).await.unwrap_err();
    assert_eq!(error.kind(), AgentErrorKind::Busy);
}

#[tokio::test]
async fn url_that_is_not_https_is_invalid_input_at_once() {
    let device = Device::new();
    for (url, reason) in [
        ("http://control.example.com", "use HTTPS"),
        ("control.example.com", "not a URL"),
        ("", "not a URL"),
        ("https://", "not a URL"),
        ("https://control.example.com/?a=b", "query"),
    ] {
        let options = AgentOptions::new(url, reqwest::Client::new());
        let opened = Agent::open(&device.home.path().join("state"), options, Ambient::system());
        let error = opened.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (AgentErrorKind::InvalidInput, false));
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(!device.home.path().join("state").exists(), "nothing was made");
}

#[tokio::test]
async fn error_names_the_url_the_cause_and_the_remedy() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let untrusting = AgentOptions::new(&server.url, reqwest::Client::new());
    let error = device.open(untrusting).enrol(server.token()).await.unwrap_err();
    let text = error.to_string();
    for part in
        ["enrolling: cannot reach the control server", &server.url, "UnknownIssuer", "give the HTTPS client"]
    {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    server.reply_next(Reply::Refused(ProblemKind::EnrolmentRefused));
    let error = device.open(Device::options(&server)).enrol(server.token()).await.unwrap_err();
    assert_eq!(error.to_string(), "enrolling: the control server refuses: no");

    let url = server.url.clone();
    let client = server.client();
    drop(server);
    let mut agent = device.open(AgentOptions::new(&url, client));
    let error = agent.enrol(EnrolmentToken::generate(&SystemEntropy)).await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains(&url) && text.contains("tcp connect error"), "{text}");
}
