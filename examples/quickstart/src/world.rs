//! The world of the journey: a zone, a CA, a control server, each from its crate.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::{Ambient, Clock, Entropy, SystemClock, SystemEntropy};
use fleetcert_control::{DeviceApiOptions, device_api};
use fleetcert_dns::{DnsBackend, ZoneWriter, ZoneWriterOptions};
use fleetcert_dns_lookup::{AuthoritativeVisibility, LookOptions, Servers};
use fleetcert_dns_rfc2136::{Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::TsigKey;
use fleetcert_engine::{AskedLabels, Engine, EngineOptions, EngineParts, LabelPolicy, RandomLabels};
use fleetcert_https::{Certificates, Limits, Server};
use fleetcert_names::{DomainName, Label};
use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
use fleetcert_store::SqliteStore;
use fleetcert_x509::{CsrPolicy, KeyKind};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ca::Ca;
use crate::failure::{Failure, Step};
use crate::flags::Flags;
use crate::listener::Listener;

/// The label of our name server, which no device may have.
const NAME_SERVER: &str = "ns1";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Everything that runs, and what a device must know of it.
#[derive(Debug)]
pub struct World {
    pub zone: Zone,
    pub ca: Ca,
    pub control: Control,
    pub engine: Engine,
    pub listener: Listener,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// Between two looks at a page while its certificate is renewed.
    pub page_pause: Duration,
    tasks: Tasks,
}

/// What was spawned, and how it ends.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    pub tracker: TaskTracker,
    pub shutdown: CancellationToken,
}

/// The fleet zone and the server that answers for it.
#[derive(Clone, Debug)]
pub struct Zone {
    pub name: DomainName,
    pub server: SocketAddr,
    backend: Arc<dyn DnsBackend>,
}

/// Where the control server is, and the certificate that its clients trust.
#[derive(Clone, Debug)]
pub struct Control {
    pub base: String,
    pub root_pem: String,
}

impl World {
    /// Starts the parts that the flags ask for; the rest is outside.
    pub async fn start(flags: &Flags, folder: &Path) -> Result<Self, Failure> {
        let tasks = Tasks::default();
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let zone = Zone::start(flags, &clock, &entropy, &tasks).await?;
        let ambient = Ambient { clock: Arc::clone(&clock), entropy: Arc::clone(&entropy) };
        let ca = Ca::start(flags, zone.server, &ambient, &tasks).await?;
        let listener = Listener::default();
        let engine = engine(flags, folder, &zone, &ca, &listener, &clock, &entropy)?;
        let running = engine.clone();
        let shutdown = tasks.shutdown.clone();
        tasks.tracker.spawn(async move { running.run(shutdown).await });
        let control = Control::start(engine.clone(), &clock, &entropy, &tasks).await?;
        // All pages together are fetched fifty times a second, however many there are.
        let page_pause = (Duration::from_millis(20) * flags.devices).min(Duration::from_secs(1));
        Ok(Self { zone, ca, control, engine, listener, clock, entropy, page_pause, tasks })
    }

    /// Ends everything, the engine's last sweep included.
    pub async fn end(self) {
        self.tasks.shutdown.cancel();
        self.tasks.tracker.close();
        self.tasks.tracker.wait().await;
    }
}

impl Zone {
    async fn start(
        flags: &Flags,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
        tasks: &Tasks,
    ) -> Result<Self, Failure> {
        let name = flags.zone.clone();
        if let (Some(server), Some(key_file)) = (flags.rfc2136, &flags.tsig_key_file) {
            let text = std::fs::read_to_string(key_file)
                .map_err(|error| Failure::new(Step::Start, format!("{}: {error}", key_file.display())))?;
            let key = TsigKey::parse(&text).map_err(Failure::at(Step::Start))?;
            let options = Rfc2136Options::new(server, key);
            let ambient = Ambient { clock: Arc::clone(clock), entropy: Arc::clone(entropy) };
            let backend = Rfc2136Backend::new(options, ambient.clone());
            // What many devices want changed at the same time becomes few messages.
            let (backend, driver) = ZoneWriter::new(backend, ZoneWriterOptions::default(), ambient);
            // It ends with the writer, after the engine's last sweep.
            tokio::spawn(driver);
            return Ok(Self { name, server, backend: Arc::new(backend) });
        }
        let host = NameServerHost {
            name: format!("{NAME_SERVER}.{name}").parse().map_err(Failure::at(Step::Start))?,
            addresses: [LOOPBACK].into(),
        };
        let settings = ZoneSettings::new(name.clone(), [host]);
        let ambient = Ambient { clock: Arc::clone(clock), entropy: Arc::clone(entropy) };
        let server =
            NameServer::new([settings], Options::default(), ambient).map_err(Failure::at(Step::Start))?;
        let address = flags.nameserver_addr.unwrap_or(SocketAddr::new(LOOPBACK, 0));
        let listening = server.listen(address).await.map_err(|error| {
            Failure::new(Step::Start, format!("our name server cannot listen at {address}: {error}"))
        })?;
        let address = listening.local_addr();
        tasks.tracker.spawn(listening.serve(tasks.shutdown.clone()));
        Ok(Self { name, server: address, backend: Arc::new(server) })
    }
}

fn engine(
    flags: &Flags,
    folder: &Path,
    zone: &Zone,
    ca: &Ca,
    listener: &Listener,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Result<Engine, Failure> {
    let servers = Servers::given(vec![zone.server]).map_err(Failure::at(Step::Start))?;
    let ambient = Ambient { clock: Arc::clone(clock), entropy: Arc::clone(entropy) };
    let visibility = AuthoritativeVisibility::new(servers, LookOptions::default(), ambient.clone());
    let store = Arc::new(SqliteStore::open(&folder.join("control.db")).map_err(Failure::at(Step::Start))?);
    // A request that was made elsewhere may have an RSA key; our own agent's never has.
    let keys: &[KeyKind] = if flags.csr.is_some() { &KeyKind::ALL } else { &[KeyKind::P256] };
    let own: Option<Label> = NAME_SERVER.parse().ok();
    let labels: Arc<dyn LabelPolicy> =
        if flags.label.is_some() { Arc::new(AskedLabels::except(own)) } else { Arc::new(RandomLabels) };
    let options = EngineOptions {
        csr_policy: CsrPolicy::device().with_keys(keys),
        roots: ca.roots.clone(),
        orders_in_flight: ca.orders_in_flight,
        wildcards: flags.wildcard,
        ..EngineOptions::new(zone.name.clone())
    };
    let mut parts = EngineParts::new(
        options,
        store,
        Arc::new(ca.account.clone()),
        Arc::clone(&zone.backend),
        Arc::new(visibility),
        ambient,
    );
    parts.labels = labels;
    parts.events = Arc::new(listener.clone());
    Ok(Engine::new(parts))
}

impl Control {
    async fn start(
        engine: Engine,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
        tasks: &Tasks,
    ) -> Result<Self, Failure> {
        let own =
            rcgen::generate_simple_self_signed([LOOPBACK.to_string()]).map_err(Failure::at(Step::Start))?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
        let certificates =
            Certificates::new(vec![own.cert.der().clone()], key).map_err(Failure::at(Step::Start))?;
        let server = Server::bind(SocketAddr::new(LOOPBACK, 0), certificates)
            .await
            .map_err(Failure::at(Step::Start))?;
        let base = format!("https://{}", server.local_addr());
        let ambient = Ambient { clock: Arc::clone(clock), entropy: Arc::clone(entropy) };
        let router = device_api(engine, DeviceApiOptions::new(base.as_str()), ambient);
        let limits = Limits { shutdown_grace: Duration::from_secs(1), ..Limits::default() };
        tasks.tracker.spawn(server.serve(router, limits, tasks.shutdown.clone()));
        Ok(Self { base, root_pem: own.cert.pem() })
    }
}
