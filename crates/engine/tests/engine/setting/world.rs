//! A CA, a zone, and an account.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_acme::{Account, AccountKey, Client, ClientOptions, TermsOfService, Transport};
use fleetcert_ambient::{Ambient, Clock, SystemEntropy};
use fleetcert_dns::{DnsBackend, MemoryBackend, RecordType, Visibility};
use fleetcert_dns_lookup::{AuthoritativeVisibility, LookOptions, Servers};
use fleetcert_engine::{EngineOptions, EngineParts, NoEvents};
use fleetcert_names::HostName;
use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
use fleetcert_store::Store;
use fleetcert_testkit::limiter::CaLimits;
use fleetcert_testkit::{TestCa, TestCaOptions, TestCaService};
use fleetcert_x509::Roots;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{DAY, DEADLINE, ShiftedClock, options, zone};

/// A CA that validates against a zone, and an account at it.
pub(crate) struct World {
    pub(crate) ca: TestCa,
    pub(crate) account: Account,
    /// Clock of the engines.
    pub(crate) clock: ShiftedClock,
    pub(crate) backend: Arc<dyn DnsBackend>,
    pub(crate) visibility: Arc<dyn Visibility>,
    /// Intervals of the engines' workers.
    intervals: Intervals,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intervals {
    Default,
    /// For tests that run in real time.
    Short,
}

/// The way to a CA in the same process.
#[derive(Debug)]
struct InProcess(TestCa);

#[async_trait]
impl Transport for InProcess {
    async fn send(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> Result<http::Response<bytes::Bytes>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.answer(request).await)
    }
}

impl World {
    /// Starts in virtual time, with everything in this process. The CA's clock does not jump with the engines'.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut TestCaOptions)) -> Self {
        let clock = ShiftedClock::in_virtual_time();
        let of_the_ca = clock.unshifted();
        Self::start_at(clock, of_the_ca, change).await
    }

    /// Starts a CA with rate limits, and a clock that it shares with the engines.
    pub(crate) async fn start_limited(limits: CaLimits) -> Self {
        Self::limited_at(ShiftedClock::in_virtual_time(), limits).await
    }

    async fn limited_at(clock: ShiftedClock, limits: CaLimits) -> Self {
        Self::start_at(clock.clone(), clock, |options| options.rate_limits = Some(limits)).await
    }

    /// Starts in real time, for tests that race on several OS threads: virtual time has one thread.
    pub(crate) async fn start_in_real_time() -> Self {
        let clock = ShiftedClock::in_real_time();
        let of_the_ca = clock.unshifted();
        Self { intervals: Intervals::Short, ..Self::start_at(clock, of_the_ca, |_| {}).await }
    }

    /// As [`start_limited`](Self::start_limited), in real time.
    pub(crate) async fn start_limited_in_real_time(limits: CaLimits) -> Self {
        let world = Self::limited_at(ShiftedClock::in_real_time(), limits).await;
        Self { intervals: Intervals::Short, ..world }
    }

    pub(crate) async fn start_at(
        clock: ShiftedClock,
        of_the_ca: ShiftedClock,
        change: impl FnOnce(&mut TestCaOptions),
    ) -> Self {
        let backend = MemoryBackend::new([&zone()]);
        let of_the_ca: Arc<dyn Clock> = Arc::new(of_the_ca);
        let ambient = Ambient { clock: Arc::clone(&of_the_ca), entropy: Arc::new(SystemEntropy) };
        let options = ca_options(([127, 0, 0, 1], 0).into(), change);
        let (ca, service) = TestCa::in_process(options, zone(), Arc::new(backend.clone()), ambient).unwrap();
        let transport = Arc::new(InProcess(ca.clone()));
        let options = ClientOptions::default();
        let ambient = Ambient { clock: of_the_ca, entropy: Arc::new(SystemEntropy) };
        let client = Client::with_transport(ca.directory_url(), &options, transport, ambient).unwrap();
        let (backend, visibility) = (Arc::new(backend.clone()), Arc::new(backend));
        Self::run(ca, service, client, clock, backend, visibility).await
    }

    /// Starts in real time with a CA behind HTTPS and a name server, all on real sockets.
    pub(crate) async fn start_over_sockets() -> Self {
        let host = NameServerHost {
            name: "ns1.fleet.test".parse().unwrap(),
            addresses: ["127.0.0.1".parse().unwrap()].into(),
        };
        let settings = ZoneSettings::new(zone(), [host]);
        let ambient = Ambient::system();
        let server = NameServer::new([settings], Options::default(), ambient.clone()).unwrap();
        let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr();
        let options = ca_options(address, |_| {});
        let (ca, service) =
            TestCa::start(options, ambient.clock.clone(), ambient.entropy.clone()).await.unwrap();
        let roots_pem = Some(ca.listener_root_pem().into());
        let options = ClientOptions { roots_pem, ..ClientOptions::default() };
        let client = Client::new(ca.directory_url(), &options, ambient.clone()).unwrap();
        let servers = Servers::given(vec![address]).unwrap();
        let visibility = AuthoritativeVisibility::new(servers, LookOptions::default(), ambient);
        let clock = ShiftedClock::in_real_time();
        let backend = Arc::new(server);
        let mut world = Self::run(ca, service, client, clock, backend, Arc::new(visibility)).await;
        world.intervals = Intervals::Short;
        let serving = listener.serve(world.stop.clone());
        world.tasks.push(tokio::spawn(serving));
        world
    }

    async fn run(
        ca: TestCa,
        service: TestCaService,
        client: Client,
        clock: ShiftedClock,
        backend: Arc<dyn DnsBackend>,
        visibility: Arc<dyn Visibility>,
    ) -> Self {
        let stop = CancellationToken::new();
        let tasks = vec![tokio::spawn(service.serve(stop.clone()))];
        let account = client.register(AccountKey::generate().unwrap(), TermsOfService::Agreed).await.unwrap();
        Self { ca, account, clock, backend, visibility, intervals: Intervals::Default, stop, tasks }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap();
        }
    }

    /// Returns the parts of an engine of a new process: only the store, the zone and the CA are old.
    pub(crate) fn parts(&self, store: Arc<dyn Store>) -> EngineParts {
        self.parts_at(store, &self.clock)
    }

    pub(crate) fn parts_at(&self, store: Arc<dyn Store>, clock: &ShiftedClock) -> EngineParts {
        let options = EngineOptions {
            roots: Some(Roots::from_pem(self.ca.issuing_root_pem().as_bytes()).unwrap()),
            ..options()
        };
        let options = match self.intervals {
            Intervals::Default => options,
            Intervals::Short => EngineOptions {
                idle: Duration::from_millis(20),
                look_for_orders: Duration::from_millis(100),
                ..options
            },
        };
        let ambient = Ambient { clock: Arc::new(clock.clone()), entropy: Arc::new(SystemEntropy) };
        let (authority, backend) = (Arc::new(self.account.clone()), Arc::clone(&self.backend));
        let visibility = Arc::clone(&self.visibility);
        let parts = EngineParts::new(options, store, authority, backend, visibility, ambient);
        EngineParts { events: Arc::new(NoEvents), ..parts }
    }

    /// Returns the number of orders for a name that the CA has.
    pub(crate) fn orders(&self, name: &HostName) -> usize {
        self.ca.ledger().orders().iter().filter(|order| order.identifiers == name.clone().into()).count()
    }

    /// Returns the number of certificates for a name that the CA has issued.
    pub(crate) fn certificates(&self, name: &HostName) -> usize {
        let all = self.ca.ledger().certificates();
        all.iter().filter(|issued| issued.chain.leaf().identifiers() == [name.clone().into()]).count()
    }

    pub(crate) async fn has_challenge(&self, name: &HostName) -> bool {
        self.backend.read(&zone(), &name.challenge_name(), RecordType::Txt).await.unwrap().is_some()
    }
}

fn ca_options(dns_server: std::net::SocketAddr, change: impl FnOnce(&mut TestCaOptions)) -> TestCaOptions {
    let mut options = TestCaOptions::new(dns_server);
    // The tests count the orders that a crash costs.
    options.acme.reuse_orders = false;
    // Some tests hold a validation while they do several things, each of which has a deadline of its own.
    options.acme.validation_timeout = DAY;
    change(&mut options);
    options
}
