//! The check before the first order: whether a zone is fit for a fleet.
//!
//! For anyone who sets up a fleet zone or asks why a validation failed. [`Diagnose`] looks at the zone as a CA's resolvers
//! do, tests harmless changes through the backend, and returns a [`Diagnosis`]: a list of findings, each with the answers
//! of the servers and a remedy. It prints as a table and serialises as JSON.
//!
//! ```
//! use fleetcert_ambient::Ambient;
//! use fleetcert_dns_lookup::Servers;
//! use fleetcert_dns_lookup::diagnose::{Diagnose, Status};
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! # // Nobody listens here.
//! # let server = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
//! let servers = Servers::given(vec![server])?;
//! let diagnose = Diagnose::new("fleet.test".parse()?, servers, Ambient::system());
//! let diagnosis = diagnose.run().await;
//! assert_eq!(diagnosis.status(), Status::Problem);
//! println!("{diagnosis}");
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod answers;
mod ask;
mod caa;
mod changes;
mod delegation;
mod diagnosis;
mod names;
mod serials;
mod servers;
mod table;
mod target;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::Ambient;
use fleetcert_dns::DnsBackend;
use fleetcert_dns::challenge::{ChallengeError, ChallengeOptions, Challenges};
use fleetcert_names::{DomainName, HostName};

use crate::caa::Applicant;
use crate::servers::ServerSource;
use crate::{Asker, AuthoritativeVisibility, Families, Finder, LookOptions, Servers, Ways};
use ask::Probe;

pub use diagnosis::{Check, Diagnosis, Finding, Seen, Status};

/// A check of one zone. Sends nothing before [`run`](Self::run).
#[derive(Debug)]
pub struct Diagnose {
    zone: DomainName,
    servers: Servers,
    options: DiagnoseOptions,
    applicant: Option<Applicant>,
    host: Option<HostName>,
    changer: Option<Changer>,
    asker: Asker,
    ambient: Ambient,
}

/// Options of the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiagnoseOptions {
    /// Timeout of one query. Default: 3 seconds.
    pub query_within: Duration,
    /// Timeout of one change through the backend. Default: 20 seconds.
    pub change_within: Duration,
    /// Timeout until all servers show an added value, and again until none shows it after its removal. Default: 60 seconds.
    pub visible_within: Duration,
    /// Timeout until secondaries have the newest serial. Default: 5 seconds.
    pub settle_within: Duration,
    /// Name at which values are added and removed. Default: `_acme-challenge.<random label>` below the zone.
    pub probe: Option<DomainName>,
}

/// The backend, and the challenges that keep track of what is written through it.
#[derive(Debug)]
struct Changer {
    backend: Arc<dyn DnsBackend>,
    challenges: Challenges,
}

impl Default for DiagnoseOptions {
    fn default() -> Self {
        Self {
            query_within: Duration::from_secs(3),
            change_within: Duration::from_secs(20),
            visible_within: Duration::from_secs(60),
            settle_within: Duration::from_secs(5),
            probe: None,
        }
    }
}

impl Diagnose {
    /// Returns a check of `zone` at these servers. If the servers are given, the delegation is not checked.
    pub fn new(zone: DomainName, servers: Servers, ambient: Ambient) -> Self {
        let options = DiagnoseOptions::default();
        let asker = Asker::new(ambient.clone(), options.query_within);
        Self { zone, servers, options, applicant: None, host: None, changer: None, asker, ambient }
    }

    /// Sets the options. Call it before [`through`](Self::through).
    #[must_use]
    pub fn with_options(mut self, options: DiagnoseOptions) -> Self {
        self.asker = Asker::new(self.ambient.clone(), options.query_within);
        Self { options, ..self }
    }

    /// Checks CAA for this CA and account too.
    #[must_use]
    pub fn for_applicant(self, applicant: Applicant) -> Self {
        Self { applicant: Some(applicant), ..self }
    }

    /// Checks this host of the zone too: the target of its challenge, and CAA for it instead of the zone.
    #[must_use]
    pub fn for_host(self, host: HostName) -> Self {
        Self { host: Some(host), ..self }
    }

    /// Tests changes through this backend too. They are TXT values at the name of the probe, and are withdrawn.
    #[must_use]
    pub fn through(self, backend: Arc<dyn DnsBackend>) -> Self {
        let options = ChallengeOptions {
            publish_within: self.options.change_within,
            withdraw_within: self.options.change_within,
            ..ChallengeOptions::default()
        };
        let visibility = Arc::new(self.visibility(Families::Both));
        let challenges = Challenges::new(backend.clone(), visibility, self.ambient.clone(), options);
        Self { changer: Some(Changer { backend, challenges }), ..self }
    }

    /// Runs every check. One that cannot run is a finding too: [`Status::NotRun`].
    ///
    /// **Cancellation.** If the future is dropped while a value is in the zone, the value stays there until
    /// [`sweep`](Self::sweep).
    pub async fn run(&self) -> Diagnosis {
        let mut findings = vec![names::public(&self.zone)];
        let (found, delegation) = self.find().await;
        findings.push(delegation);
        let probes = ask::soa(&self.asker, &self.zone, &found).await;
        let working = ask::working(&probes, &self.zone);
        findings.push(servers::reachability(&probes, self.finder().is_some()));
        findings.push(servers::authority(&probes, &self.zone));
        findings.push(self.serials(&probes).await);
        findings.push(servers::negative_ttl(&probes, &self.zone));
        findings.push(self.unknown_types(&working).await);
        findings.push(self.wildcard(&working).await);
        findings.extend(self.target().await);
        findings.extend(self.caa(&working).await);
        findings.extend(self.changes(&working, families(&probes)).await);
        Diagnosis { zone: self.zone.clone(), findings }
    }

    /// Withdraws values that a dropped [`run`](Self::run) left in the zone, and returns their number.
    ///
    /// # Errors
    /// Those of [`Challenges::sweep`]; they name the values that are left.
    pub async fn sweep(&self) -> Result<usize, ChallengeError> {
        match &self.changer {
            Some(changer) => changer.challenges.sweep().await,
            None => Ok(0),
        }
    }

    fn finder(&self) -> Option<Finder> {
        match &self.servers.source {
            ServerSource::Given(_) => None,
            ServerSource::FoundBy { resolvers, port } => {
                Some(Finder::new(resolvers.clone(), self.asker.clone()).at_port(*port))
            }
        }
    }

    fn visibility(&self, families: Families) -> AuthoritativeVisibility {
        let options = LookOptions { ways: Ways::Both, families, query_within: self.options.query_within };
        AuthoritativeVisibility::new(self.servers.clone(), options, self.ambient.clone())
    }

    /// Returns the addresses of the zone's servers, and the finding on the delegation.
    async fn find(&self) -> (Vec<SocketAddr>, Finding) {
        match self.finder() {
            Some(finder) => delegation::look(&finder, &self.asker, &self.zone).await,
            None => {
                let why = "the servers were given, so the delegation is not looked at";
                (self.servers.given_addresses(), Finding::not_run(Check::Delegation, why))
            }
        }
    }
}

/// Returns the address families to which there is a route from here.
fn families(probes: &[Probe]) -> Families {
    let reaches = |v6: bool| probes.iter().any(|probe| probe.server.is_ipv6() == v6 && !probe.has_no_route());
    let has = |v6: bool| probes.iter().any(|probe| probe.server.is_ipv6() == v6);
    match (has(false) && !reaches(false), has(true) && !reaches(true)) {
        (false, true) => Families::V4,
        (true, false) => Families::V6,
        _ => Families::Both,
    }
}
