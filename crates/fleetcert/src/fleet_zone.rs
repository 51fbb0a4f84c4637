//! The fleet zone: what changes it, and where its changes must be visible.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use fleetcert_ambient::Ambient;
use fleetcert_dns::{DnsBackend, ZoneWriter, ZoneWriterOptions};
use fleetcert_dns_lookup::{AuthoritativeVisibility, LookOptions, Resolvers, Servers};
use fleetcert_dns_rfc2136::{Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::TsigKey;
use fleetcert_names::DomainName;
use fleetcert_nameserver::{NameServer, NameServerHost, Options, ZoneSettings};
use tokio_util::sync::CancellationToken;

use crate::error::{SetupError, SetupErrorKind};

/// What holds the fleet zone.
#[derive(Clone, Debug)]
pub(crate) enum ZoneSource {
    /// A server that takes updates signed with TSIG.
    Rfc2136 { server: SocketAddr, key_file: PathBuf },
    /// A name server in this process.
    NameServer { listen: SocketAddr, addresses: Vec<IpAddr> },
    /// A backend of the caller.
    Backend(Arc<dyn DnsBackend>),
}

/// The zone, ready to be changed once its [`driver`](Self::driver) is polled.
pub(crate) struct FleetZone {
    pub(crate) backend: Arc<dyn DnsBackend>,
    pub(crate) visibility: AuthoritativeVisibility,
    /// The address of our own name server.
    pub(crate) name_server: Option<SocketAddr>,
    /// Does the zone's work until the token is cancelled.
    pub(crate) driver: ZoneDriver,
}

/// Work on the zone that [`ControlServer::run`](crate::ControlServer::run) polls.
pub(crate) type ZoneDriver =
    Box<dyn FnOnce(CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

impl ZoneSource {
    pub(crate) async fn open(
        self,
        zone: &DomainName,
        authoritative: Option<Vec<SocketAddr>>,
        ambient: &Ambient,
    ) -> Result<FleetZone, SetupError> {
        let (backend, name_server, driver): (Arc<dyn DnsBackend>, _, ZoneDriver) = match self {
            Self::Backend(backend) => (backend, None, Box::new(|stop| Box::pin(stop.cancelled_owned()))),
            Self::Rfc2136 { server, key_file } => {
                let options = Rfc2136Options::new(server, read_key(&key_file)?);
                let backend = Rfc2136Backend::new(options, ambient.clone());
                // What many devices want changed at the same time becomes few messages.
                let (writer, driver) =
                    ZoneWriter::new(backend, ZoneWriterOptions::default(), ambient.clone());
                let driver = |stop: CancellationToken| async move {
                    stop.run_until_cancelled(driver).await;
                };
                (Arc::new(writer), None, Box::new(|stop| Box::pin(driver(stop))))
            }
            Self::NameServer { listen, addresses } => {
                let server = name_server(zone, addresses, ambient)?;
                let listener = server.listen(listen).await.map_err(|error| {
                    let context = format!("our name server cannot listen on {listen}");
                    let remedy = "stop the program that uses the port, or let this one use ports below 1024 \
                                  (setcap cap_net_bind_service=+ep)";
                    SetupError::new(SetupErrorKind::Listen, context, error, remedy)
                })?;
                let address = reachable(listener.local_addr());
                (Arc::new(server), Some(address), Box::new(|stop| Box::pin(listener.serve(stop))))
            }
        };
        let servers = match authoritative.or(name_server.map(|address| vec![address])) {
            Some(given) => Servers::given(given).map_err(|error| {
                let remedy = "give authoritative_servers() 1 to 32 addresses";
                SetupError::new(SetupErrorKind::Settings, "the zone's authoritative servers", error, remedy)
            })?,
            None => Servers::found_by(Resolvers::of_system().map_err(|error| {
                let remedy =
                    "repair /etc/resolv.conf, or name the zone's servers with authoritative_servers()";
                SetupError::new(SetupErrorKind::Zone, "cannot read this system's resolvers", error, remedy)
            })?),
        };
        let visibility = AuthoritativeVisibility::new(servers, LookOptions::default(), ambient.clone());
        Ok(FleetZone { backend, visibility, name_server, driver })
    }
}

fn read_key(file: &std::path::Path) -> Result<TsigKey, SetupError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
        let context = format!("cannot use the TSIG key file {}", file.display());
        let remedy = "make one with: tsig-keygen -a hmac-sha256 fleetcert";
        SetupError::new(SetupErrorKind::Zone, context, source, remedy)
    };
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.into()))?;
    TsigKey::parse(&text).map_err(|error| failed(error.into()))
}

fn name_server(
    zone: &DomainName,
    addresses: Vec<IpAddr>,
    ambient: &Ambient,
) -> Result<NameServer, SetupError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
        let context = format!("our name server cannot hold the zone {zone}");
        let remedy = "give nameserver() the addresses under which the Internet reaches it";
        SetupError::new(SetupErrorKind::Zone, context, source, remedy)
    };
    let host = NameServerHost {
        name: format!("ns1.{zone}")
            .parse()
            .map_err(|error: fleetcert_names::NameError| failed(error.into()))?,
        addresses: addresses.into_iter().collect(),
    };
    let settings = ZoneSettings::new(zone.clone(), [host]);
    NameServer::new([settings], Options::default(), ambient.clone()).map_err(|error| failed(error.into()))
}

/// An address of this host for a socket that listens on all of them.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
