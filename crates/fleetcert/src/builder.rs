//! How a control server is put together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use fleetcert_acme::TermsOfService;
use fleetcert_ambient::Ambient;
use fleetcert_dns::DnsBackend;
use fleetcert_engine::{EngineOptions, Events, TracingEvents};
use fleetcert_names::DomainName;
use fleetcert_store::{SqliteStore, Store};

use crate::authority::{CaChoice, LETS_ENCRYPT, LETS_ENCRYPT_STAGING};
use crate::control_server::ControlServer;
use crate::error::{SetupError, SetupErrorKind};
use crate::fleet_zone::ZoneSource;
use crate::own_certificate::OwnCertificate;

/// The settings of a [`ControlServer`]. A zone's server, a CA and a state folder must be named; all else has a default.
#[derive(Clone, Debug)]
pub struct ControlServerBuilder {
    pub(crate) engine: EngineOptions,
    pub(crate) zone_source: Option<ZoneSource>,
    pub(crate) authoritative: Option<Vec<SocketAddr>>,
    pub(crate) ca: Option<CaChoice>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) store: StoreChoice,
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<String>,
    pub(crate) own_certificate: OwnCertificate,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) ambient: Ambient,
}

/// Where the records are.
#[derive(Clone, Debug)]
pub(crate) enum StoreChoice {
    /// `control.db` in the state folder.
    Default,
    Sqlite(PathBuf),
    Given(Arc<dyn Store>),
}

impl ControlServerBuilder {
    pub(crate) fn new(zone: DomainName) -> Self {
        Self {
            engine: EngineOptions::new(zone),
            zone_source: None,
            authoritative: None,
            ca: None,
            state_dir: None,
            store: StoreChoice::Default,
            listen: (Ipv4Addr::LOCALHOST, 8443).into(),
            public_url: None,
            own_certificate: OwnCertificate::SelfSigned,
            events: Arc::new(TracingEvents),
            ambient: Ambient::system(),
        }
    }

    /// Changes the zone at a server that takes RFC 2136 updates (BIND, Knot, PowerDNS), signed with the TSIG key in
    /// `key_file`, as `tsig-keygen` writes it.
    #[must_use]
    pub fn rfc2136(mut self, server: SocketAddr, key_file: impl Into<PathBuf>) -> Self {
        self.zone_source = Some(ZoneSource::Rfc2136 { server, key_file: key_file.into() });
        self
    }

    /// Answers for the zone itself, at this address over UDP and TCP. Its NS record names `ns1` in the zone, which has
    /// `addresses`: those under which the Internet reaches it. Delegate the zone to it.
    #[must_use]
    pub fn nameserver(mut self, listen: SocketAddr, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let addresses = addresses.into_iter().collect();
        self.zone_source = Some(ZoneSource::NameServer { listen, addresses });
        self
    }

    /// Changes the zone through a backend of your own, or one of `fleetcert::dns_http`.
    #[must_use]
    pub fn backend(mut self, backend: Arc<dyn DnsBackend>) -> Self {
        self.zone_source = Some(ZoneSource::Backend(backend));
        self
    }

    /// The servers at which a challenge must be visible before the CA is asked. Default: those that the zone's NS
    /// records name, found through the resolvers of this system; with [`nameserver`](Self::nameserver), itself. An empty
    /// list stands for the default.
    #[must_use]
    pub fn authoritative_servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        let servers: Vec<_> = servers.into_iter().collect();
        self.authoritative = (!servers.is_empty()).then_some(servers);
        self
    }

    /// Orders at Let's Encrypt. `terms` says that you agree to its terms of service.
    #[must_use]
    pub fn letsencrypt(self, terms: TermsOfService) -> Self {
        self.directory(LETS_ENCRYPT, terms)
    }

    /// Orders at Let's Encrypt's staging environment: generous limits, certificates that no browser trusts.
    #[must_use]
    pub fn letsencrypt_staging(self, terms: TermsOfService) -> Self {
        self.directory(LETS_ENCRYPT_STAGING, terms)
    }

    /// Orders at the ACME CA whose directory is at `url`. `terms` says that you agree to its terms of service.
    #[must_use]
    pub fn directory(mut self, url: impl Into<String>, terms: TermsOfService) -> Self {
        let root = self.ca.take().and_then(|ca| ca.root);
        self.ca = Some(CaChoice { directory: url.into(), terms, root });
        self
    }

    /// Trusts the CA's web server by the root in this PEM file alone, for a CA of your own. Call it after
    /// [`directory`](Self::directory).
    #[must_use]
    pub fn ca_root(mut self, pem_file: impl Into<PathBuf>) -> Self {
        if let Some(ca) = &mut self.ca {
            ca.root = Some(pem_file.into());
        }
        self
    }

    /// The folder of the account, the database and the server's own certificate. It is made with mode 0700. Back it up:
    /// it holds secrets.
    #[must_use]
    pub fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(path.into());
        self
    }

    /// Keeps the records in this SQLite file. Default: `control.db` in the state folder.
    #[must_use]
    pub fn sqlite(mut self, path: impl Into<PathBuf>) -> Self {
        self.store = StoreChoice::Sqlite(path.into());
        self
    }

    /// Keeps the records in another store, such as that of `fleetcert-store-postgres`.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = StoreChoice::Given(store);
        self
    }

    /// The address of the device API. Default: `127.0.0.1:8443`. Port 0 takes a free one.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The URL under which devices reach the device API, such as `https://control.example.com:8443`. Default: the
    /// address that is listened on, if it is a single one.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Serves the device API with these PEM files: the chain, leaf first, and its key. Default: a self-signed
    /// certificate that is made at the first start; devices trust the file `control.pem` in the state folder.
    #[must_use]
    pub fn tls(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.own_certificate = OwnCertificate::Files { chain: chain.into(), key: key.into() };
        self
    }

    /// Notifies `events` of every decision. Default: [`TracingEvents`], which writes them to the log.
    #[must_use]
    pub fn events(mut self, events: Arc<dyn Events>) -> Self {
        self.events = events;
        self
    }

    /// Changes any setting of the engine: limits, deadlines, the policy for certificate requests.
    #[must_use]
    pub fn engine_options(mut self, change: impl FnOnce(&mut EngineOptions)) -> Self {
        change(&mut self.engine);
        self
    }

    /// Uses this time and randomness. Default: those of the system.
    #[must_use]
    pub fn ambient(mut self, ambient: Ambient) -> Self {
        self.ambient = ambient;
        self
    }

    /// Opens the state folder, the zone, the account and the listeners. At the first start it registers an account at
    /// the CA; its key is on the disk before that. Nothing is served until [`ControlServer::run`].
    ///
    /// # Errors
    /// [`SetupError`] names what failed and what to do.
    ///
    /// **Cancellation.** When the future is dropped, the next call goes on with the same account key.
    pub async fn open(self) -> Result<ControlServer, SetupError> {
        ControlServer::open(self).await
    }
}

impl StoreChoice {
    pub(crate) fn open(self, default: PathBuf) -> Result<Arc<dyn Store>, SetupError> {
        let path = match self {
            Self::Given(store) => return Ok(store),
            Self::Sqlite(path) => path,
            Self::Default => default,
        };
        let store = SqliteStore::open(&path).map_err(|error| {
            let context = format!("cannot open the database {}", path.display());
            let remedy = "check its owner and rights, or restore it from a backup";
            SetupError::new(SetupErrorKind::State, context, error, remedy)
        })?;
        Ok(Arc::new(store))
    }
}
