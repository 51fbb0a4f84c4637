//! The control server: the real engine, killed and started again, with simulated edges.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{Ambient, Clock, SeededEntropy, TokioClock};
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, MemoryBackend, Operation, RecordSet,
    RecordType,
};
use fleetcert_engine::{
    Action, AskedLabels, AuthenticationError, DeviceAuthenticator, Engine, EngineError, EngineOptions,
    EngineParts, Grant, Identified, NoEvents, RequestOrigin, RequestParts,
};
use fleetcert_jose::{Algorithm, KeyPair, Signer};
use fleetcert_names::{DomainName, HostName, Label};
use fleetcert_protocol::{CertificateRequest, CertificateStatus, DeviceId, EnrolRequest};
use fleetcert_store::MemoryStore;
use fleetcert_testkit::fleet::Scenario;
use fleetcert_x509::Roots;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ca::SimulatedCa;

const URL: &str = "https://control.example/v1/certificate";

pub(crate) struct ControlServer {
    parts: EngineParts,
    zone: Arc<FailingZone>,
    running: Option<(Engine, JoinHandle<()>)>,
}

/// A device as the control server knows it.
pub(crate) struct Member {
    id: DeviceId,
}

impl ControlServer {
    pub(crate) fn new(
        scenario: &Scenario,
        clock: TokioClock,
        ca: &SimulatedCa,
        zone_name: DomainName,
        records: MemoryBackend,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let store = Arc::new(MemoryStore::new());
        let zone = Arc::new(FailingZone {
            scenario: scenario.clone(),
            clock: Arc::clone(&clock),
            records: records.clone(),
            refusals: Mutex::new(0),
        });
        let options = EngineOptions {
            limits: Some(scenario.limits()),
            margin: scenario.margin,
            roots: Some(Roots::from_pem(ca.root_pem().as_bytes()).unwrap()),
            lifetime: Some(scenario.profile.lifetime_at(scenario.start)),
            profile: Some("tlsserver".to_owned()),
            // One process writes to the store, so nothing has to be discovered, and idle workers may rest.
            look_for_orders: Duration::from_secs(3600),
            idle: Duration::from_secs(60),
            ..EngineOptions::new(zone_name)
        };
        let ambient = Ambient { clock, entropy: Arc::new(SeededEntropy::new(scenario.seed)) };
        let authority = Arc::new(ca.clone());
        let mut parts = EngineParts::new(options, store, authority, zone.clone(), Arc::new(records), ambient);
        parts.authenticator = Arc::new(ClaimedIdentity);
        parts.labels = Arc::new(AskedLabels::except([]));
        parts.events = Arc::new(NoEvents);
        Self { parts, zone, running: None }
    }

    /// Starts a process on what the store holds.
    pub(crate) fn start(&mut self) {
        let engine = Engine::new(self.parts.clone());
        let running = engine.clone();
        let task = tokio::spawn(async move { running.run(CancellationToken::new()).await });
        self.running = Some((engine, task));
    }

    /// Ends the process as `kill -9` does.
    pub(crate) async fn kill(&mut self) {
        if let Some((_, task)) = self.running.take() {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled(), "the engine never ends by itself");
        }
    }

    pub(crate) fn zone_refusals(&self) -> u64 {
        *self.zone.refusals.lock()
    }

    fn engine(&self) -> Result<&Engine, Unanswered> {
        self.running.as_ref().map(|(engine, _)| engine).ok_or(Unanswered { retry_after: None })
    }

    pub(crate) async fn enrol(&self, label: &Label) -> Result<(Member, HostName), Unanswered> {
        let engine = self.engine()?;
        let key = KeyPair::generate(Algorithm::Es256).unwrap();
        let token = engine.issue_token(Duration::from_secs(3600)).await.unwrap();
        let request = EnrolRequest::new(token).with_label(label.clone());
        let answer = engine.enrol(&request, key.jwk(), &RequestOrigin::default()).await.unwrap();
        let enrolled = answer.enrolled().expect("a token decides at once");
        Ok((Member { id: enrolled.device }, enrolled.name))
    }

    pub(crate) async fn request(
        &self,
        member: &Member,
        request: &CertificateRequest,
    ) -> Result<CertificateStatus, Unanswered> {
        let engine = self.engine()?;
        let grant = self.grant(engine, member, Action::RequestCertificate).await?;
        Ok(engine.request_certificate(&grant, request).await?)
    }

    pub(crate) async fn status(&self, member: &Member) -> Result<CertificateStatus, Unanswered> {
        let engine = self.engine()?;
        let grant = self.grant(engine, member, Action::ReadCertificate).await?;
        Ok(engine.certificate_status(&grant).await?)
    }

    async fn grant(&self, engine: &Engine, member: &Member, action: Action) -> Result<Grant, Unanswered> {
        let request = RequestParts {
            url: URL.to_owned(),
            envelope: None,
            body: member.id.as_str().into(),
            origin: RequestOrigin::default(),
        };
        let caller = engine.authenticate(request).await?;
        Ok(engine.authorize(&caller, action).await?)
    }
}

/// The server is away, or wants to be asked later.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) retry_after: Option<Duration>,
}

impl From<EngineError> for Unanswered {
    fn from(error: EngineError) -> Self {
        Self { retry_after: error.retry_after() }
    }
}

/// Believes the device id in the body. Millions of signatures would say nothing about the scheduling of orders.
#[derive(Debug)]
struct ClaimedIdentity;

#[async_trait]
impl DeviceAuthenticator for ClaimedIdentity {
    async fn authenticate(&self, request: RequestParts) -> Result<Identified, AuthenticationError> {
        let id = String::from_utf8(request.body).ok().and_then(|id| id.parse().ok());
        Ok(Identified::new(id.ok_or(AuthenticationError::Rejected)?, Vec::new()))
    }
}

/// The zone, which takes no changes during its outages.
#[derive(Debug)]
struct FailingZone {
    scenario: Scenario,
    clock: Arc<dyn Clock>,
    records: MemoryBackend,
    refusals: Mutex<u64>,
}

impl FailingZone {
    fn is_unavailable(&self, now: SystemTime) -> bool {
        self.scenario.zone_outages.iter().any(|outage| outage.contains(self.scenario.start, now))
    }
}

#[async_trait]
impl DnsBackend for FailingZone {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        if self.is_unavailable(self.clock.now()) {
            *self.refusals.lock() += 1;
            let why = "connection refused";
            return Err(BackendError::new(BackendErrorKind::Unavailable, Operation::Apply, zone, why));
        }
        self.records.apply(zone, changes).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        kind: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        self.records.read(zone, name, kind).await
    }

    fn capabilities(&self) -> Capabilities {
        self.records.capabilities()
    }
}
