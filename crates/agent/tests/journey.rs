//! The agent against a control server on loopback: real HTTPS, real signatures, a CA of rcgen.

#![allow(clippy::unwrap_used)] // a test may

mod server;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_agent::{
    Agent, AgentErrorKind, AgentOptions, All, EnrolRequest, FileInstaller, InstallError, Installer, Pair,
    ReloadInstaller,
};
use fleetcert_ambient::Ambient;
use fleetcert_https::Certificates;
use fleetcert_jose::Algorithm;
use fleetcert_protocol::{CertificateStatus, ProblemKind};
use fleetcert_x509::{KeyKind, KeyPair, SigningKey, csr_for};
use server::{ControlServer, NAME, Reply};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(10);

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
    let chain = agent.poll(LONG, |_| ()).await.unwrap();
    let pair = agent.check(&chain).unwrap();
    agent.install(pair, installer).await.unwrap();
    chain
}

fn belong_together(key: &str, chain: &str) -> bool {
    let key = KeyPair::from_pkcs8_pem(key).unwrap();
    fleetcert_x509::Chain::from_pem(chain.as_bytes()).unwrap().leaf().spki() == key.spki_der()
}

#[tokio::test]
async fn from_nothing_to_files_and_a_server() {
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
    let chain = agent.poll(LONG, |_| seen += 1).await.unwrap();
    assert_eq!(seen, 2, "queued once more, then issued");
    let certificates = Certificates::empty();
    let both = All::new([
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
async fn nonces_come_from_answers_and_bad_ones_are_repeated() {
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
async fn a_busy_server_says_when_and_a_refusal_says_why() {
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
async fn what_is_remembered_survives_and_is_held_by_one_agent() {
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
    let chain = agent.poll(LONG, |_| ()).await.unwrap();
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
    std::fs::rename(&kept, &request).unwrap(); // the power failed before it was removed

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
async fn a_token_is_good_for_one_key_and_a_p256_identity_works() {
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
async fn a_csr_from_outside_with_its_key_and_without() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    let key = || KeyPair::generate(KeyKind::P256).unwrap();
    let (own, other) = (key(), key());
    let csr = csr_for(&[NAME.parse().unwrap()], &own).unwrap();
    let foreign = csr_for(&["other.fleet.test".parse().unwrap()], &own).unwrap();
    assert_eq!(agent.use_request(&foreign, None).unwrap_err().kind(), AgentErrorKind::RefusedHere);
    assert_eq!(agent.use_request(&csr, Some(other)).unwrap_err().kind(), AgentErrorKind::RefusedHere);
    assert_eq!(agent.use_request(b"none", None).unwrap_err().kind(), AgentErrorKind::RefusedHere);

    agent.use_request(&csr, None).unwrap();
    agent.submit().await.unwrap();
    let chain = agent.poll(LONG, |_| ()).await.unwrap();
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
async fn a_wrong_chain_is_not_installed() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    assert_eq!(agent.submit().await.unwrap_err().kind(), AgentErrorKind::NoRequest);
    agent.make_request().unwrap();
    let key = KeyPair::generate(KeyKind::P256).unwrap();
    let csr = |name: &str, key: &KeyPair| csr_for(&[name.parse().unwrap()], key).unwrap();
    let stranger = ControlServer::start().await;
    let own = agent.request().unwrap().csr().der().to_vec();
    for chain in [server.sign(&csr(NAME, &key)), stranger.sign(&own), String::new(), "rubbish".into()] {
        assert_eq!(agent.check(&chain).unwrap_err().kind(), AgentErrorKind::WrongChain);
    }
    agent.check(&server.sign(&own)).unwrap();
}

#[tokio::test]
async fn an_order_that_failed_and_a_deadline_end_the_polling() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    agent.make_request().unwrap();
    agent.submit().await.unwrap();
    server.reply_next(Reply::Failed);
    let error = agent.poll(LONG, |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), AgentErrorKind::OrderFailed);
    server.reply_always(Reply::Queued);
    let error = agent.poll(Duration::from_millis(300), |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), AgentErrorKind::Deadline);
}

/// Fails from the given install on, so many times.
struct Failing<'a> {
    inner: &'a dyn Installer,
    left: AtomicUsize,
}

#[async_trait]
impl Installer for Failing<'_> {
    async fn install(&self, pair: &Pair) -> Result<(), InstallError> {
        self.inner.install(pair).await?;
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(InstallError::Other("the reload failed".into())),
            Err(_) => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_failed_install_brings_the_old_pair_back_and_can_be_repeated() {
    let (server, device) = (ControlServer::start().await, Device::new());
    let mut agent = device.enrolled(&server).await;
    let old = certify(&mut agent, &device.installer()).await;
    agent.make_request().unwrap();
    agent.submit().await.unwrap();
    let chain = agent.poll(LONG, |_| ()).await.unwrap();
    let files = device.installer();
    for (failures, kind) in [(1, AgentErrorKind::Install), (2, AgentErrorKind::RollBack)] {
        let failing = Failing { inner: &files, left: failures.into() };
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
    tokio::time::timeout(LONG, agent.run(&addresses, &device.installer(), renewed)).await.unwrap().unwrap();
    assert!(belong_together(&device.installed("privkey.pem"), &device.installed("fullchain.pem")));
    assert_eq!(server.issued(), 2);
}
