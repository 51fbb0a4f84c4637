//! A whole control server in one value.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use fleetcert_control::{DeviceApiOptions, device_api};
use fleetcert_engine::{Engine, EngineError, EngineParts};
use fleetcert_https::{Limits, Server};
use fleetcert_names::DomainName;
use fleetcert_protocol::EnrolmentToken;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::builder::ControlServerBuilder;
use crate::error::{SetupError, SetupErrorKind};
use crate::fleet_zone::ZoneDriver;
use crate::state_dir::StateDir;

/// A control server: the device API over HTTPS, the engine with its workers, the zone and the account.
///
/// Devices enrol with a one-time token, get a random label in the zone, and may publish private addresses. Everything
/// that it must remember is in its state folder.
pub struct ControlServer {
    engine: Engine,
    url: String,
    address: SocketAddr,
    name_server: Option<SocketAddr>,
    listener: Server,
    router: Router,
    zone_driver: ZoneDriver,
}

impl ControlServer {
    /// Returns a builder for the fleet zone `zone`, such as `fleet.example.com`.
    pub fn builder(zone: DomainName) -> ControlServerBuilder {
        ControlServerBuilder::new(zone)
    }

    pub(crate) async fn open(builder: ControlServerBuilder) -> Result<Self, SetupError> {
        let zone_source = builder.zone_source.ok_or_else(|| {
            SetupError::setting(
                "the zone has no server",
                "nothing can change it",
                "call rfc2136(), nameserver() or backend() on the builder",
            )
        })?;
        let ca = builder.ca.ok_or_else(|| {
            let remedy = "call letsencrypt_staging(), letsencrypt() or directory() on the builder";
            SetupError::setting("there is no CA", "nothing can issue certificates", remedy)
        })?;
        let state_dir = builder.state_dir.ok_or_else(|| {
            let remedy = "call state_dir() on the builder";
            SetupError::setting("there is no state folder", "the account key would be lost", remedy)
        })?;
        let state = StateDir::open(&state_dir)?;
        let store = builder.store.open(state.file("control.db"))?;

        // What is on this machine comes first: a port that is taken must not cost an account at the CA.
        let certificates = fleetcert_https::Certificates::empty();
        let listener = Server::bind(builder.listen, certificates.clone()).await.map_err(|error| {
            let context = format!("cannot listen on {}", builder.listen);
            let remedy = "stop the program that uses the port, or choose another with listen()";
            SetupError::new(SetupErrorKind::Listen, context, error, remedy)
        })?;
        let address = listener.local_addr();
        let url = public_url(builder.public_url.as_deref(), address)?;
        builder.own_certificate.load(url.host_str().unwrap_or_default(), &state, &certificates)?;

        let ambient = builder.ambient;
        let zone = zone_source.open(&builder.engine.zone, builder.authoritative, &ambient).await?;
        let account = ca.open(&state, &ambient).await?;
        let (visibility, authority) = (Arc::new(zone.visibility), Arc::new(account));
        let parts =
            EngineParts::new(builder.engine, store, authority, zone.backend, visibility, ambient.clone());
        let engine = Engine::new(EngineParts { events: builder.events, ..parts });
        let url = url.as_str().trim_end_matches('/').to_owned();
        let router = device_api(engine.clone(), DeviceApiOptions::new(url.as_str()), ambient);
        Ok(Self {
            engine,
            url,
            address,
            name_server: zone.name_server,
            listener,
            router,
            zone_driver: zone.driver,
        })
    }

    /// The engine, for what an operator does: tokens, states of devices.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The URL that devices are given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of the device API, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The address of our own name server, if there is one.
    pub fn name_server(&self) -> Option<SocketAddr> {
        self.name_server
    }

    /// Makes a token with which one device can enrol within `lifetime`. Also while the server runs, by
    /// [`engine`](Self::engine), which can be cloned before [`run`](Self::run).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn issue_token(&self, lifetime: Duration) -> Result<EnrolmentToken, EngineError> {
        self.engine.issue_token(lifetime).await
    }

    /// Serves devices and runs all workers until `shutdown` ends. Orders in flight then stop at their last written step,
    /// and the next start goes on with them. The zone's driver and our name server end last.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// **Cancellation.** Dropped, it is as if the process were killed: the next start goes on when the leases of the
    /// orders have ended.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (stop, stop_zone) = (CancellationToken::new(), CancellationToken::new());
        let mut zone = JoinSet::new();
        zone.spawn((self.zone_driver)(stop_zone.clone()));
        let mut workers = JoinSet::new();
        let (engine, engine_stop) = (self.engine, stop.clone());
        workers.spawn(async move { engine.run(engine_stop).await });
        workers.spawn(self.listener.serve(self.router, Limits::default(), stop.clone()));
        tracing::info!(url = self.url, "the control server is ready");
        tokio::select! {
            () = shutdown => {}
            // A worker ends before its token is cancelled only by a panic; then all end.
            _ = workers.join_next() => {}
        }
        stop.cancel();
        while workers.join_next().await.is_some() {}
        stop_zone.cancel();
        while zone.join_next().await.is_some() {}
    }
}

impl fmt::Debug for ControlServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlServer")
            .field("url", &self.url)
            .field("address", &self.address)
            .field("name_server", &self.name_server)
            .finish_non_exhaustive()
    }
}

fn public_url(given: Option<&str>, address: SocketAddr) -> Result<Url, SetupError> {
    let wrong = |given: &str, why: &str| {
        let remedy = "give public_url() the URL that devices use, such as https://control.example.com:8443";
        SetupError::setting(&format!("the public URL {given:?} cannot be used"), why, remedy)
    };
    let text = match given {
        Some(given) => given.to_owned(),
        None if address.ip().is_unspecified() => {
            return Err(wrong("", "the server listens on all addresses, so its own is not known"));
        }
        None => format!("https://{address}"),
    };
    let url = Url::parse(&text).map_err(|error| wrong(&text, &error.to_string()))?;
    if url.scheme() != "https" || url.host_str().is_none() {
        return Err(wrong(&text, "it must begin with https:// and name a host"));
    }
    Ok(url)
}
