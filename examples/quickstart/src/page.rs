//! The device's page, and the client that looks at it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use fleetcert_https::{Certificates, ClientBuilder, Limits, Server};
use fleetcert_names::HostName;
use reqwest::tls::TlsInfo;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::failure::causes;

/// A page over HTTPS with the certificate that the agent installs.
#[derive(Debug)]
pub struct Page {
    pub address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

impl Page {
    /// Serves the page of `name` on a free port of the loopback.
    pub async fn serve(name: &HostName, certificates: Certificates) -> std::io::Result<Self> {
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), certificates).await?;
        let address = server.local_addr();
        let text = format!("{name} answers over HTTPS\n");
        let router = Router::new().route("/", get(move || async move { text }));
        let serving = server.serve(router, Limits::default(), CancellationToken::new());
        Ok(Self { address, _serving: AbortOnDropHandle::new(tokio::spawn(serving)) })
    }
}

/// A client that trusts the CA's root and nothing else, and makes a new connection for each request.
#[derive(Clone, Debug)]
pub struct Visitor {
    client: reqwest::Client,
    url: String,
}

impl Visitor {
    /// A visitor who finds `name` at `address`.
    pub fn new(name: &HostName, address: SocketAddr, root_pem: &[u8]) -> Result<Self, String> {
        let client = ClientBuilder::new("quickstart")
            .only_roots_pem(root_pem)
            .map_err(|error| error.to_string())?
            .timeout(Duration::from_secs(10))
            .into_reqwest()
            .resolve(name.as_str(), address)
            .pool_max_idle_per_host(0)
            .tls_info(true)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, url: format!("https://{name}:{}/", address.port()) })
    }

    /// Fetches the page; gives back the certificate that it was served with, DER.
    pub async fn fetch(&self) -> Result<Vec<u8>, String> {
        let response = self.client.get(&self.url).send().await.map_err(|error| causes(&error))?;
        if !response.status().is_success() {
            return Err(format!("{} answered {}", self.url, response.status()));
        }
        let info = response.extensions().get::<TlsInfo>();
        let leaf = info.and_then(TlsInfo::peer_certificate).map(<[u8]>::to_vec);
        leaf.ok_or_else(|| "the server showed no certificate".to_owned())
    }

    /// Fetches the page again and again while something else goes on.
    pub fn keep_fetching(&self, pause: Duration) -> Watch {
        let visitor = self.clone();
        let (fetched, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counters = (Arc::clone(&fetched), Arc::clone(&failed));
        let watching = tokio::spawn(async move {
            loop {
                let counter = if visitor.fetch().await.is_ok() { &counters.0 } else { &counters.1 };
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(pause).await;
            }
        });
        Watch { fetched, failed, _watching: AbortOnDropHandle::new(watching) }
    }
}

/// A page that is fetched all the time, until this is dropped.
#[derive(Debug)]
pub struct Watch {
    fetched: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    _watching: AbortOnDropHandle<()>,
}

impl Watch {
    /// How many requests succeeded so far, and how many failed.
    pub fn counts(&self) -> (u64, u64) {
        (self.fetched.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}
