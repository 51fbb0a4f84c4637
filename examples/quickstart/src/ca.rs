//! The CA of the journey: one in this process, or one outside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme::{Account, AccountKey, Client, ClientOptions, TermsOfService};
use fleetcert_ambient::Ambient;
use fleetcert_https::ClientBuilder;
use fleetcert_testkit::{TestCa, TestCaOptions};
use fleetcert_x509::{Chain, Roots};
use reqwest::Url;
use serde_json::json;

use crate::failure::{Failure, Step};
use crate::flags::Flags;
use crate::time::rfc3339_nanos;
use crate::world::Tasks;

/// A CA with an account at it.
#[derive(Debug)]
pub struct Ca {
    pub account: Account,
    /// The roots that its certificates lead to, where they are known beforehand.
    pub roots: Option<Roots>,
    /// Maximum orders in flight.
    pub orders_in_flight: usize,
    known_roots: Vec<u8>,
    /// Where its renewal windows can be set, for tests.
    windows: Vec<Url>,
    /// Where its issuing root can be downloaded.
    root_url: Option<Url>,
    http: reqwest::Client,
}

/// What a client trusts, PEM.
#[derive(Debug)]
pub struct Anchor {
    pub pem: Vec<u8>,
    /// Whether it is the CA's root, and not what had to stand in for it.
    pub is_root: bool,
}

/// The port of Pebble's management interface, unless its configuration says otherwise.
const PEBBLE_MANAGEMENT: u16 = 15_000;
const SET_WINDOW: &str = "/set-renewal-info/";
/// Pebble can lock up under many parallel orders. With eight it was not met.
const IN_FLIGHT_OUTSIDE: usize = 8;
const IN_FLIGHT_INSIDE: usize = 16;

impl Ca {
    pub async fn start(
        flags: &Flags,
        zone_server: SocketAddr,
        ambient: &Ambient,
        tasks: &Tasks,
    ) -> Result<Self, Failure> {
        match (&flags.directory, &flags.ca_root) {
            (Some(directory), Some(root)) => {
                let pem = std::fs::read(root)
                    .map_err(|error| Failure::new(Step::Start, format!("{}: {error}", root.display())))?;
                Self::outside(directory, flags.management.clone(), pem, ambient).await
            }
            _ => Self::inside(zone_server, ambient, tasks).await,
        }
    }

    async fn inside(zone_server: SocketAddr, ambient: &Ambient, tasks: &Tasks) -> Result<Self, Failure> {
        let options = TestCaOptions::new(zone_server);
        let (ca, service) = TestCa::start(options, Arc::clone(&ambient.clock), Arc::clone(&ambient.entropy))
            .await
            .map_err(Failure::at(Step::Start))?;
        tasks.tracker.spawn(service.serve(tasks.shutdown.clone()));
        let root = ca.issuing_root_pem().as_bytes();
        let roots = Roots::from_pem(root).map_err(Failure::at(Step::Start))?;
        let outside = Self::outside(ca.directory_url(), None, ca.listener_root_pem().into(), ambient).await?;
        Ok(Self {
            roots: Some(roots),
            known_roots: root.to_vec(),
            orders_in_flight: IN_FLIGHT_INSIDE,
            ..outside
        })
    }

    async fn outside(
        directory: &str,
        management: Option<Url>,
        root_pem: Vec<u8>,
        ambient: &Ambient,
    ) -> Result<Self, Failure> {
        let options = ClientOptions { roots_pem: Some(root_pem.clone()), ..ClientOptions::default() };
        let client = Client::new(directory, &options, ambient.clone()).map_err(Failure::at(Step::Start))?;
        let key = AccountKey::generate().map_err(Failure::at(Step::Start))?;
        let account = client.register(key, TermsOfService::Agreed).await.map_err(Failure::at(Step::Start))?;
        let http = ClientBuilder::new("quickstart")
            .only_roots_pem(&root_pem)
            .and_then(|builder| builder.timeout(Duration::from_secs(10)).build())
            .map_err(Failure::at(Step::Start))?;
        let base: Url = directory.parse().map_err(Failure::at(Step::Start))?;
        let management = management.or_else(|| management_of(&base));
        let windows = [Some(&base), management.as_ref()].into_iter().flatten();
        Ok(Self {
            account,
            roots: None,
            orders_in_flight: IN_FLIGHT_OUTSIDE,
            known_roots: root_pem,
            windows: windows.filter_map(|url| url.join(SET_WINDOW).ok()).collect(),
            root_url: management.and_then(|url| url.join("/roots/0").ok()),
            http,
        })
    }

    /// Whether it runs in this process.
    pub fn is_ours(&self) -> bool {
        self.roots.is_some()
    }

    /// What `chain` is trusted by: a root that is known, else one that a Pebble on this host tells, else what stands
    /// at the top of the chain.
    pub async fn anchor_of(&self, chain: &Chain) -> Result<Anchor, String> {
        if leads_to(chain, &self.known_roots) {
            return Ok(Anchor { pem: self.known_roots.clone(), is_root: true });
        }
        if let Some(url) = &self.root_url
            && let Ok(response) = self.http.get(url.clone()).send().await
            && let Ok(pem) = fleetcert_https::read_body(response, 64 * 1024).await
            && leads_to(chain, &pem)
        {
            return Ok(Anchor { pem, is_root: true });
        }
        let top = chain.certificates().last().ok_or("the chain is empty")?;
        let top = Chain::from_certificates(vec![top.clone()]).map_err(|error| error.to_string())?;
        Ok(Anchor { pem: top.to_pem().into_bytes(), is_root: false })
    }

    /// Opens the renewal window of the chain's leaf, if the CA has the test interface for it, and waits until it is open.
    /// It opens after `now`, because a window that was open before the certificate was issued does not count.
    pub async fn open_window(&self, chain: &Chain, now: SystemTime) -> bool {
        let leaf = Chain::from_certificates(chain.certificates()[..1].to_vec());
        let Ok(leaf) = leaf else { return false };
        // Pebble drops the fraction of the second.
        let wait = if self.is_ours() { Duration::ZERO } else { until_next_second(now) };
        let start = now + wait;
        let window = json!({ "suggestedWindow": {
            "start": rfc3339_nanos(start),
            "end": rfc3339_nanos(start + Duration::from_secs(3600)),
        }});
        let body = json!({ "certificate": leaf.to_pem(), "ariResponse": window.to_string() });
        for url in &self.windows {
            let sent = self.http.post(url.clone()).json(&body).send().await;
            if sent.is_ok_and(|response| response.status().is_success()) {
                tokio::time::sleep(wait).await;
                return true;
            }
        }
        false
    }
}

fn until_next_second(time: SystemTime) -> Duration {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(1) - Duration::from_nanos(since_1970.subsec_nanos().into())
}

fn management_of(directory: &Url) -> Option<Url> {
    let mut url = directory.clone();
    url.set_port(Some(PEBBLE_MANAGEMENT)).ok()?;
    Some(url)
}

/// Whether the chain verifies with these roots, at a time at which its leaf is good.
fn leads_to(chain: &Chain, roots_pem: &[u8]) -> bool {
    let Ok(roots) = Roots::from_pem(roots_pem) else { return false };
    let leaf = chain.leaf();
    let Ok(identifiers) = leaf.identifier_set() else { return false };
    chain
        .check(&fleetcert_x509::Expectation {
            spki: leaf.spki(),
            identifiers: &identifiers,
            now: leaf.not_before(),
            roots: Some(&roots),
        })
        .is_ok()
}
