//! A zone, a CA, an engine, devices.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme::{
    Account, AccountKey, AcmeError, AcmeErrorKind, Authority, Client, ClientOptions, NewOrder, Operation,
    OrderHandle, RenewalInfo, RevocationReason, TermsOfService,
};
use fleetcert_ambient::{Ambient, Clock, SystemClock, SystemEntropy};
use fleetcert_dns::{DnsBackend, MemoryBackend, RecordType, Visibility};
use fleetcert_dns_lookup::{AuthoritativeVisibility, LookOptions, Servers};
use fleetcert_engine::{
    Action, Engine, EngineError, EngineErrorKind, EngineOptions, EngineParts, Event, Events, Grant,
    RequestOrigin, RequestParts,
};
use fleetcert_jose::{Algorithm, KeyPair, KeyReference, Signer};
use fleetcert_names::{DomainName, HostName};
use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
use fleetcert_protocol::request::{self, SignedRequest};
use fleetcert_protocol::{CertificateRequest, CertificateStatus, CsrBytes, DeviceId, EnrolRequest};
use fleetcert_schedule::order_queue::Tenant;
use fleetcert_store::{
    Collection, MemoryStore, Record, SqliteStore, Store, StoreError, Transaction, Version,
};
use fleetcert_testkit::limiter::CaLimits;
use fleetcert_testkit::{TestCa, TestCaOptions};
use fleetcert_x509::{Chain, KeyKind, Roots, csr_for};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
const URL: &str = "https://control.test/v1/somewhere";
/// Nothing here takes longer, unless it never ends.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn zone() -> DomainName {
    "fleet.test".parse().unwrap()
}

/// The machine's clock, put forward by a test. Waits are real.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShiftedClock(Arc<Mutex<Duration>>);

impl ShiftedClock {
    pub(crate) fn put_forward(&self, by: Duration) {
        *self.0.lock() += by;
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> SystemTime {
        SystemClock.now() + *self.0.lock()
    }

    fn sleep(&self, duration: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        SystemClock.sleep(duration)
    }
}

/// The same, and no wait takes more than a hundredth of its time.
#[derive(Clone, Debug)]
pub(crate) struct InHaste(pub(crate) ShiftedClock);

impl Clock for InHaste {
    fn now(&self) -> SystemTime {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.sleep(duration / 100)
    }
}

/// Events as text, for tests that ask what was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<String>>>);

impl Events for Told {
    fn notify(&self, event: &Event<'_>) {
        self.0.lock().push(format!("{event:?}"));
    }
}

impl Told {
    pub(crate) fn mentions(&self, what: &str) -> bool {
        self.0.lock().iter().any(|event| event.contains(what))
    }

    pub(crate) fn about(&self, what: &str) -> usize {
        self.0.lock().iter().filter(|event| event.starts_with(what)).count()
    }
}

/// For engines that are to order nothing.
#[derive(Debug)]
pub(crate) struct NoCa;

fn nobody() -> AcmeError {
    AcmeError::new(AcmeErrorKind::InvalidInput, Operation::NewOrder, "there is no CA in this test")
}

#[async_trait::async_trait]
impl Authority for NoCa {
    fn account_url(&self) -> &str {
        "https://ca.test/nobody"
    }

    async fn new_order(&self, _: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError> {
        Err(nobody())
    }

    async fn resume(&self, _: &str) -> Result<Box<dyn OrderHandle>, AcmeError> {
        Err(nobody())
    }

    async fn renewal_info(&self, _: &fleetcert_x509::CertificateId) -> Result<RenewalInfo, AcmeError> {
        Err(nobody())
    }

    async fn revoke(&self, _: &[u8], _: RevocationReason) -> Result<(), AcmeError> {
        Err(nobody())
    }
}

/// An engine without a CA over a zone in memory.
pub(crate) fn parts_without_ca(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> EngineParts {
    let backend = Arc::new(MemoryBackend::new([&zone()]));
    parts(store, clock, Arc::new(NoCa), backend.clone(), backend)
}

fn parts(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    authority: Arc<dyn Authority>,
    backend: Arc<dyn DnsBackend>,
    visibility: Arc<dyn Visibility>,
) -> EngineParts {
    let options = EngineOptions {
        idle: Duration::from_millis(20),
        look_for_orders: Duration::from_millis(100),
        // These tests put the clock forward as they like.
        clock_rule: None,
        // And they ask as often as they like.
        requests_per_device: None,
        between_certificates: Duration::ZERO,
        ..EngineOptions::new(zone())
    };
    let ambient = Ambient { clock, entropy: Arc::new(SystemEntropy) };
    let mut parts = EngineParts::new(options, store, authority, backend, visibility, ambient);
    parts.events = Arc::new(Told::default());
    parts
}

/// How often the workers have looked for work in each collection of a store, and how much they found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks(Arc<Mutex<BTreeMap<&'static str, (usize, usize)>>>);

impl Looks {
    fn of(&self, collection: &'static str) -> (usize, usize) {
        self.0.lock().get(collection).copied().unwrap_or_default()
    }

    fn begin(&self, collection: Collection) {
        self.0.lock().entry(collection.as_str()).or_default().0 += 1;
    }

    /// Returns the store, with each look at it noted here.
    pub(crate) fn watch(&self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Watched { inner, looks: self.clone() })
    }

    /// Waits until a worker has begun two more looks at a collection, and so has finished and acted on the first of them.
    /// Returns how many records it claimed meanwhile.
    ///
    /// What it has not done by then it does not do: this proves an absence without a guess at the time that it takes.
    pub(crate) async fn two_more(&self, collection: &'static str) -> usize {
        let (looks, claimed) = self.of(collection);
        until("two more looks", async || self.of(collection).0 >= looks + 2).await;
        self.of(collection).1 - claimed
    }
}

/// A store that notes the looks of workers.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn Store>,
    looks: Looks,
}

#[async_trait::async_trait]
impl Store for Watched {
    async fn read(&self, collection: Collection, key: &str) -> Result<Option<Record>, StoreError> {
        self.inner.read(collection, key).await
    }

    async fn page(
        &self,
        collection: Collection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.looks.begin(collection);
        self.inner.page(collection, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Version, StoreError> {
        self.inner.commit(transaction).await
    }

    async fn claim(
        &self,
        collection: Collection,
        now: SystemTime,
        until: SystemTime,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.looks.begin(collection);
        let claimed = self.inner.claim(collection, now, until, limit).await?;
        self.looks.0.lock().entry(collection.as_str()).or_default().1 += claimed.len();
        Ok(claimed)
    }

    async fn count_due(
        &self,
        collection: Collection,
        by: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.inner.count_due(collection, by, limit).await
    }
}

/// A store in memory and one in a file: what is true is true of both.
pub(crate) fn both_stores(folder: &Path) -> [Arc<dyn Store>; 2] {
    [Arc::new(MemoryStore::new()), Arc::new(SqliteStore::open(&folder.join("control.db")).unwrap())]
}

/// Every record of a collection.
pub(crate) async fn records(store: &dyn Store, collection: &'static str) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map(|record| record.key.clone());
        let page = store.page(Collection::new(collection), after.as_deref(), 100).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// A CA that validates against a name server, and an account at it.
pub(crate) struct World {
    pub(crate) ca: TestCa,
    pub(crate) server: NameServer,
    pub(crate) account: Account,
    pub(crate) clock: ShiftedClock,
    /// Looks of the workers of all nodes.
    pub(crate) looks: Looks,
    address: std::net::SocketAddr,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut TestCaOptions)) -> Self {
        Self::start_at(ShiftedClock::default(), Arc::new(SystemClock), change).await
    }

    /// A CA with rate limits, and a clock that it shares with the engines.
    pub(crate) async fn start_limited(limits: CaLimits) -> Self {
        let clock = ShiftedClock::default();
        Self::start_at(clock.clone(), Arc::new(clock), |options| options.rate_limits = Some(limits)).await
    }

    pub(crate) async fn start_at(
        clock: ShiftedClock,
        of_the_ca: Arc<dyn Clock>,
        change: impl FnOnce(&mut TestCaOptions),
    ) -> Self {
        let host = NameServerHost {
            name: "ns1.fleet.test".parse().unwrap(),
            addresses: ["127.0.0.1".parse().unwrap()].into(),
        };
        let settings = ZoneSettings::new(zone(), [host]);
        let server = NameServer::new([settings], Options::default(), Ambient::system()).unwrap();
        let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr();
        let mut options = TestCaOptions::new(address);
        // What a crash costs in orders is to be seen.
        options.acme.reuse_orders = false;
        // Some tests hold a validation while they do several things, each of which has its own patience.
        options.acme.validation_timeout = DAY;
        change(&mut options);
        let (ca, service) = TestCa::start(options, of_the_ca, Arc::new(SystemEntropy)).await.unwrap();
        let stop = CancellationToken::new();
        let serving = listener.serve(stop.clone());
        let tasks = vec![
            tokio::spawn(async move {
                let _ = serving.await;
            }),
            tokio::spawn(service.serve(stop.clone())),
        ];
        let options =
            ClientOptions { roots_pem: Some(ca.listener_root_pem().into()), ..ClientOptions::default() };
        let client = Client::new(ca.directory_url(), &options, Ambient::system()).unwrap();
        let account = client.register(AccountKey::generate().unwrap(), TermsOfService::Agreed).await.unwrap();
        Self { ca, server, account, clock, looks: Looks::default(), address, stop, tasks }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
        }
    }

    /// The parts of an engine of a new process: nothing but the store, the zone and the CA is old.
    pub(crate) fn parts(&self, store: Arc<dyn Store>) -> EngineParts {
        self.parts_at(store, &self.clock)
    }

    pub(crate) fn parts_at(&self, store: Arc<dyn Store>, clock: &ShiftedClock) -> EngineParts {
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let store = self.looks.watch(store);
        let backend = Arc::new(self.server.clone());
        let visibility = self.visibility(clock.clone());
        let mut parts = parts(store, clock, Arc::new(self.account.clone()), backend, visibility);
        parts.options.roots = Some(Roots::from_pem(self.ca.issuing_root_pem().as_bytes()).unwrap());
        parts
    }

    pub(crate) fn visibility(&self, clock: Arc<dyn Clock>) -> Arc<AuthoritativeVisibility> {
        let servers = Servers::given(vec![self.address]).unwrap();
        let ambient = Ambient { clock, ..Ambient::system() };
        Arc::new(AuthoritativeVisibility::new(servers, LookOptions::default(), ambient))
    }

    /// How many orders the CA has seen for a name.
    pub(crate) fn orders(&self, name: &HostName) -> usize {
        self.ca.ledger().orders().iter().filter(|order| order.identifiers == name.clone().into()).count()
    }

    /// How many certificates it has issued for it.
    pub(crate) fn certificates(&self, name: &HostName) -> usize {
        let all = self.ca.ledger().certificates();
        all.iter().filter(|issued| issued.chain.leaf().identifiers() == [name.clone().into()]).count()
    }

    pub(crate) async fn has_challenge(&self, name: &HostName) -> bool {
        self.server.read(&zone(), &name.challenge_name(), RecordType::Txt).await.unwrap().is_some()
    }
}

/// An engine whose workers run.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(parts: EngineParts) -> Self {
        Self::of(Engine::new(parts))
    }

    /// One run of an engine, which may have others before and after.
    pub(crate) fn of(engine: Engine) -> Self {
        let shutdown = CancellationToken::new();
        let (running, token) = (engine.clone(), shutdown.clone());
        let task = tokio::spawn(async move { running.run(token).await });
        Self { engine, shutdown, task }
    }

    /// As a process ends that was asked to.
    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }

    /// As a process ends that is killed: what was under way is dropped where it stands.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// A device that has enrolled.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) name: HostName,
    pub(crate) key: KeyPair,
}

pub(crate) async fn enrol(engine: &Engine) -> Device {
    enrol_of(engine, Tenant::default()).await
}

pub(crate) async fn enrol_of(engine: &Engine, tenant: Tenant) -> Device {
    let key = KeyPair::generate(Algorithm::Es256).unwrap();
    let request = EnrolRequest::new(engine.issue_token_of(tenant, DAY).await.unwrap());
    let answer = engine.enrol(&request, key.jwk(), &RequestOrigin::default()).await.unwrap();
    let enrolled = answer.enrolled().unwrap();
    Device { id: enrolled.device, name: enrolled.name, key }
}

impl Device {
    /// A request that this device signed, as it arrives.
    pub(crate) fn view(&self, url: &str) -> RequestParts {
        let who = KeyReference::Kid(self.id.to_string());
        let body = request::sign(url, "bm9uY2U", &who, &serde_json::json!({}), &self.key).unwrap();
        let envelope = Some(SignedRequest::parse(&body).unwrap());
        RequestParts { url: URL.to_owned(), envelope, body, origin: RequestOrigin::default() }
    }

    pub(crate) async fn grant(&self, engine: &Engine, action: Action) -> Result<Grant, EngineError> {
        let caller = engine.authenticate(self.view(URL)).await?;
        engine.authorize(&caller, action).await
    }

    pub(crate) async fn request(
        &self,
        engine: &Engine,
        csr: &CertificateRequest,
    ) -> Result<CertificateStatus, EngineError> {
        let grant = self.grant(engine, Action::RequestCertificate).await?;
        engine.request_certificate(&grant, csr).await
    }

    pub(crate) async fn status(&self, engine: &Engine) -> CertificateStatus {
        let grant = self.grant(engine, Action::ReadCertificate).await.unwrap();
        engine.certificate_status(&grant).await.unwrap()
    }

    /// Asks until the status is as wanted.
    pub(crate) async fn wait(
        &self,
        engine: &Engine,
        wanted: impl Fn(&CertificateStatus) -> bool,
    ) -> CertificateStatus {
        let mut last = CertificateStatus::None;
        let asking = async {
            loop {
                last = self.status(engine).await;
                if wanted(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, asking).await;
        assert!(in_time.is_ok(), "still {last:?}");
        last
    }

    pub(crate) async fn chain(&self, engine: &Engine) -> Chain {
        let issued = |status: &CertificateStatus| matches!(status, CertificateStatus::Issued { .. });
        chain_of(&self.wait(engine, issued).await)
    }
}

pub(crate) fn chain_of(status: &CertificateStatus) -> Chain {
    match status {
        CertificateStatus::Issued { chain, .. } => Chain::from_pem(chain.as_bytes()).unwrap(),
        other => panic!("not issued: {other:?}"),
    }
}

/// A request for this name with a key of its own.
pub(crate) fn request_for(name: &HostName) -> CertificateRequest {
    request_with(name, &fleetcert_x509::KeyPair::generate(KeyKind::P256).unwrap())
}

pub(crate) fn request_with(name: &HostName, key: &fleetcert_x509::KeyPair) -> CertificateRequest {
    let der = csr_for(&name.clone().into(), key).unwrap();
    CertificateRequest { csr: CsrBytes::new(der).unwrap() }
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    result: Result<T, EngineError>,
    kind: EngineErrorKind,
) -> EngineError {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    error
}

/// Waits until `check` holds, looking again and again.
#[track_caller]
pub(crate) fn until<'a, F, Fut>(what: &'a str, check: F) -> impl Future<Output = ()> + 'a
where
    F: Fn() -> Fut + 'a,
    Fut: Future<Output = bool> + 'a,
{
    let place = std::panic::Location::caller();
    async move {
        let looking = async {
            while !check().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, looking).await;
        assert!(in_time.is_ok(), "{place}: not in time: {what}");
    }
}
