//! The check before the first order: is the zone fit for a fleet?
//!
//! For who sets up a fleet zone, or asks why a validation failed. [`Diagnose`] looks at the zone as a CA's resolvers
//! will, changes it through the backend in a way that harms nobody, and gives a [`Diagnosis`]: a list of findings, each
//! with what was seen at each server and what to do. It prints as a table and serialises as JSON.
//!
//! ```
//! use fleetcert_ambient::{SystemClock, SystemEntropy};
//! use fleetcert_dns_lookup::Servers;
//! use fleetcert_dns_lookup::diagnose::{Diagnose, Status};
//! # use std::sync::Arc;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! # // Nobody listens here.
//! # let server = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
//! let servers = Servers::given(vec![server])?;
//! let diagnose = Diagnose::new("fleet.test".parse()?, servers, Arc::new(SystemClock), Arc::new(SystemEntropy));
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

use fleetcert_ambient::{Clock, Entropy};
use fleetcert_dns::DnsBackend;
use fleetcert_dns::challenge::{ChallengeError, ChallengeOptions, Challenges};
use fleetcert_names::{DomainName, HostName};

use crate::caa::Applicant;
use crate::servers::Source;
use crate::{Asker, AuthoritativeVisibility, Families, Finder, LookOptions, Servers, Ways};
use ask::Probe;

pub use diagnosis::{Check, Diagnosis, Finding, Seen, Status};

/// A check of one zone, put together from what is known of it. Nothing is asked before [`run`](Self::run).
#[derive(Debug)]
pub struct Diagnose {
    zone: DomainName,
    servers: Servers,
    options: DiagnoseOptions,
    applicant: Option<Applicant>,
    host: Option<HostName>,
    changer: Option<Changer>,
    asker: Asker,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// How patient the check is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiagnoseOptions {
    /// How long one question may take. Default: 3 seconds.
    pub query_within: Duration,
    /// How long the backend has for one change. Default: 20 seconds.
    pub change_within: Duration,
    /// How long a changed value has until all servers show it, and again until none does. Default: 60 seconds.
    pub visible_within: Duration,
    /// How long secondaries have to come to the serial that the first server has. Default: 5 seconds.
    pub settle_within: Duration,
    /// The name at which values are tried. Default: a random one, `_acme-challenge.<label>` and the zone.
    pub probe: Option<DomainName>,
}

/// The backend, and the challenges that answer for what is written through it.
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
    /// A check of `zone` at these servers. With given servers, the delegation is not looked at.
    pub fn new(zone: DomainName, servers: Servers, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let options = DiagnoseOptions::default();
        let asker = Asker::new(clock.clone(), entropy.clone(), options.query_within);
        Self { zone, servers, options, applicant: None, host: None, changer: None, asker, clock, entropy }
    }

    /// The same, with other options. Call it before [`through`](Self::through).
    #[must_use]
    pub fn with_options(mut self, options: DiagnoseOptions) -> Self {
        self.asker = Asker::new(self.clock.clone(), self.entropy.clone(), options.query_within);
        Self { options, ..self }
    }

    /// The same, with a look at CAA for this account and CA.
    #[must_use]
    pub fn for_applicant(self, applicant: Applicant) -> Self {
        Self { applicant: Some(applicant), ..self }
    }

    /// The same, with a look at this host of the zone: where its challenge goes, and CAA for it in place of the zone.
    #[must_use]
    pub fn for_host(self, host: HostName) -> Self {
        Self { host: Some(host), ..self }
    }

    /// The same, with changes of the zone through this backend. They are TXT values at the probe's name, and are
    /// withdrawn again.
    #[must_use]
    pub fn through(self, backend: Arc<dyn DnsBackend>) -> Self {
        let options = ChallengeOptions {
            publish_within: self.options.change_within,
            withdraw_within: self.options.change_within,
            ..ChallengeOptions::default()
        };
        let visibility = Arc::new(self.visibility(Families::Both));
        let challenges = Challenges::new(backend.clone(), visibility, self.clock.clone(), options);
        Self { changer: Some(Changer { backend, challenges }), ..self }
    }

    /// Checks everything that can be checked. What cannot is a finding too: [`Status::NotRun`].
    ///
    /// **Cancellation.** When the future is dropped while a value is in the zone, the value stays there until
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

    /// Withdraws what a dropped [`run`](Self::run) left in the zone, and says how many values that were.
    ///
    /// # Errors
    /// Those of [`Challenges::sweep`], naming what is left.
    pub async fn sweep(&self) -> Result<usize, ChallengeError> {
        match &self.changer {
            Some(changer) => changer.challenges.sweep().await,
            None => Ok(0),
        }
    }

    fn finder(&self) -> Option<Finder> {
        match &self.servers.source {
            Source::Given(_) => None,
            Source::FoundBy { resolvers, port } => {
                Some(Finder::new(resolvers.clone(), self.asker.clone()).at_port(*port))
            }
        }
    }

    fn visibility(&self, families: Families) -> AuthoritativeVisibility {
        let options = LookOptions { ways: Ways::Both, families, query_within: self.options.query_within };
        AuthoritativeVisibility::new(self.servers.clone(), options, self.clock.clone(), self.entropy.clone())
    }

    /// The addresses of the zone's servers, and what the delegation says.
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

/// The families of addresses to which a way leads from here.
fn families(probes: &[Probe]) -> Families {
    let reaches = |v6: bool| probes.iter().any(|probe| probe.server.is_ipv6() == v6 && !probe.has_no_route());
    let has = |v6: bool| probes.iter().any(|probe| probe.server.is_ipv6() == v6);
    match (has(false) && !reaches(false), has(true) && !reaches(true)) {
        (false, true) => Families::V4,
        (true, false) => Families::V6,
        _ => Families::Both,
    }
}
