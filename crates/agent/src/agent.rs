//! The device's steps, one method each.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use fleetcert_ambient::Ambient;
use fleetcert_jose::{Algorithm, Jwk, KeyPair as IdentityKey, KeyReference, Signer};
use fleetcert_protocol::{
    AddressReport, AddressesAccepted, CertificateRequest, CertificateStatus, CsrBytes, EnrolRequest,
    Enrolled, EnrolmentAnswer, StatusRequest, route,
};
use fleetcert_x509::{Chain, Expectation, KeyKind, KeyPair, Roots};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{AgentError, AgentErrorKind as Kind, Step};
use crate::exchange::Exchange;
use crate::state_folder::StateFolder;
use crate::{Installer, Pair, StoredRequest};

/// The settings of an [`Agent`].
#[derive(Debug)]
pub struct AgentOptions {
    /// The control server's public base URL, exactly as it is configured there, without a slash at its end.
    pub server: String,
    /// The HTTPS client, as [`fleetcert_https::ClientBuilder`] builds it: it decides which servers are trusted.
    pub http: reqwest::Client,
    /// The algorithm of an identity key that is still to be made: EdDSA (Ed25519), or ES256 where only P-256
    /// hardware exists.
    pub identity: Algorithm,
    /// The kind of the TLS keys.
    pub tls_key: KeyKind,
    /// If given, chains must lead to one of these roots.
    pub roots: Option<Roots>,
}

impl AgentOptions {
    /// Ed25519 identity, P-256 TLS keys, chains checked against key and name but no roots.
    pub fn new(server: impl Into<String>, http: reqwest::Client) -> Self {
        Self { server: server.into(), http, identity: Algorithm::EdDsa, tls_key: KeyKind::P256, roots: None }
    }
}

/// A device: its identity, what it remembers, and the steps of its journey.
///
/// Each step is one method; [`run`](Agent::run) takes them all by itself for as long as the device is on. Every
/// step may be taken again after a crash, a cancellation or an error.
#[derive(Debug)]
pub struct Agent {
    state: StateFolder,
    exchange: Exchange,
    identity: IdentityKey,
    enrolled: Option<Enrolled>,
    request: Option<StoredRequest>,
    installed: Option<Pair>,
    tls_key: KeyKind,
    roots: Option<Roots>,
    pub(crate) ambient: Ambient,
}

impl Agent {
    /// Opens the state folder, makes it and the identity key if they are not there. No other agent can open it
    /// while this one lives.
    ///
    /// # Errors
    /// [`Kind::State`](crate::AgentErrorKind::State), and `Crypto` when no key can be made.
    pub fn open(folder: &Path, options: AgentOptions, ambient: Ambient) -> Result<Self, AgentError> {
        let state = StateFolder::open(folder)?;
        let installed = state.pair()?;
        // Power that failed while a pair was being remembered leaves the request that it came from.
        let done = |request: &StoredRequest| {
            installed.as_ref().is_some_and(|pair| pair.chain().leaf().spki() == request.csr().spki())
        };
        Ok(Self {
            identity: state.identity(options.identity)?,
            enrolled: state.enrolled()?,
            request: state.request()?.filter(|request| !done(request)),
            installed,
            exchange: Exchange::new(options.http, &options.server),
            tls_key: options.tls_key,
            roots: options.roots,
            state,
            ambient,
        })
    }

    /// The public half of the identity key.
    pub fn identity(&self) -> &Jwk {
        self.identity.jwk()
    }

    /// The device id and name, once enrolled.
    pub fn enrolled(&self) -> Option<&Enrolled> {
        self.enrolled.as_ref()
    }

    /// The request that waits for its certificate.
    pub fn request(&self) -> Option<&StoredRequest> {
        self.request.as_ref()
    }

    /// The pair that was installed last.
    pub fn installed(&self) -> Option<&Pair> {
        self.installed.as_ref()
    }

    /// Enrols with a proof, such as a one-time token, and remembers the answer. A device that is enrolled already
    /// gets what it remembers; the proof stays unused.
    ///
    /// While the server has not decided, it waits as long as the server says and asks again with the same proof and
    /// the same key, without an end: an operator's approval may take days. Bound it by dropping the future.
    ///
    /// # Errors
    /// Those of an exchange. The same proof may be used again with the same identity key: an answer that was lost is
    /// given again.
    pub async fn enrol(&mut self, request: impl Into<EnrolRequest>) -> Result<&Enrolled, AgentError> {
        let request = request.into();
        let enrolled = loop {
            match self.try_enrol(&request).await? {
                EnrolmentAnswer::Enrolled(enrolled) => break enrolled,
                EnrolmentAnswer::Pending(pending) => {
                    let wait =
                        Duration::from_secs(pending.retry_after).clamp(MIN_PENDING_WAIT, MAX_PENDING_WAIT);
                    tracing::info!(code = pending.code, retry_in = ?wait, "the enrolment is pending");
                    self.ambient.sleep(wait).await;
                }
                _ => return Err(AgentError::new(Step::Enrol, Kind::Protocol)),
            }
        };
        Ok(self.enrolled.insert(enrolled))
    }

    /// Asks once to enrol, and remembers the answer if the device has joined.
    ///
    /// # Errors
    /// As [`enrol`](Self::enrol).
    pub async fn try_enrol(&mut self, request: &EnrolRequest) -> Result<EnrolmentAnswer, AgentError> {
        if let Some(enrolled) = &self.enrolled {
            return Ok(EnrolmentAnswer::Enrolled(enrolled.clone()));
        }
        let sender = KeyReference::Jwk(self.identity.jwk().clone());
        let sent = self.exchange.post(Step::Enrol, route::ENROL, &sender, request, &self.identity);
        let answer: EnrolmentAnswer = sent.await?;
        if let EnrolmentAnswer::Enrolled(enrolled) = &answer {
            self.state.set_enrolled(enrolled)?;
            self.enrolled = Some(enrolled.clone());
        }
        Ok(answer)
    }

    /// Tells the server the device's addresses; they become its A and AAAA records.
    ///
    /// # Errors
    /// Those of an exchange; `Refused` when the address policy forbids one of them.
    pub async fn report_addresses(&mut self, addresses: &[IpAddr]) -> Result<AddressesAccepted, AgentError> {
        let report = AddressReport::new(addresses.iter().copied())
            .map_err(|error| AgentError::because(Step::ReportAddresses, Kind::RefusedHere, error))?;
        self.post(Step::ReportAddresses, route::ADDRESSES, &report).await
    }

    /// Makes a new TLS key and a CSR for the device's name and stores both. A request that was stored before is
    /// forgotten.
    ///
    /// # Errors
    /// `NotEnrolled`, `Crypto`, `State`.
    pub fn make_request(&mut self) -> Result<&StoredRequest, AgentError> {
        let request = StoredRequest::make(&self.known(Step::MakeRequest)?.name, self.tls_key)?;
        self.store(request)
    }

    /// Stores a CSR that was made elsewhere (DER or PEM), with its key or without. It must name the device and
    /// nothing else. A request that was stored before is forgotten.
    ///
    /// # Errors
    /// `NotEnrolled`, `State`, and `RefusedHere` when the CSR breaks a rule or the key is not its own.
    pub fn use_request(&mut self, csr: &[u8], key: Option<KeyPair>) -> Result<&StoredRequest, AgentError> {
        let request = StoredRequest::take_over(&self.known(Step::MakeRequest)?.name, csr, key)?;
        self.store(request)
    }

    fn store(&mut self, request: StoredRequest) -> Result<&StoredRequest, AgentError> {
        self.state.set_request(&request)?;
        Ok(self.request.insert(request))
    }

    /// Sends the stored CSR. Sent again, it is the same request to the server.
    ///
    /// # Errors
    /// `NoRequest` and those of an exchange.
    pub async fn submit(&mut self) -> Result<CertificateStatus, AgentError> {
        let request = self.request.as_ref().ok_or_else(|| AgentError::new(Step::Submit, Kind::NoRequest))?;
        let csr = CsrBytes::new(request.csr().der().to_vec())
            .map_err(|error| AgentError::because(Step::Submit, Kind::RefusedHere, error))?;
        self.post(Step::Submit, route::CERTIFICATE, &CertificateRequest { csr }).await
    }

    /// Asks once how it stands.
    ///
    /// # Errors
    /// Those of an exchange.
    pub async fn ask(&mut self) -> Result<CertificateStatus, AgentError> {
        self.post(Step::Ask, route::CERTIFICATE_STATUS, &StatusRequest {}).await
    }

    /// Asks until the chain is there, as often as the server wants to be asked, for at most `limit`; `seen` is
    /// shown every answer. Faults of the network and of a busy server are waited out too.
    ///
    /// # Errors
    /// `Deadline`, `OrderFailed`, and those of an exchange that waiting does not cure.
    pub async fn poll(
        &mut self,
        limit: Duration,
        mut seen: impl FnMut(&CertificateStatus),
    ) -> Result<String, AgentError> {
        let ambient = self.ambient.clone();
        let polling = async {
            loop {
                let wait = match self.ask().await {
                    Ok(status) => {
                        seen(&status);
                        match status {
                            CertificateStatus::Issued { chain, .. } if self.is_answer(&chain) => {
                                return Ok(chain);
                            }
                            CertificateStatus::Failed { problem, retry_at: None, .. } => {
                                let kind = Kind::OrderFailed;
                                return Err(AgentError::of_server(Step::Ask, kind, Some(problem), None));
                            }
                            status => poll_after(&status),
                        }
                    }
                    Err(error) if error.is_transient() => error.retry_after().unwrap_or(FAULT_PAUSE),
                    Err(error) => return Err(error),
                };
                self.ambient.sleep(wait.max(SHORTEST_POLL)).await;
            }
        };
        match fleetcert_ambient::timeout(&*ambient.clock, limit, polling).await {
            Ok(done) => done,
            Err(elapsed) => Err(AgentError::because(Step::Ask, Kind::Deadline, elapsed)),
        }
    }

    /// Whether `chain` can be the answer to the stored request: anything but the certificate in use, which the
    /// server goes on showing while it renews.
    pub(crate) fn is_answer(&self, chain: &str) -> bool {
        let in_use = self.installed.as_ref().map(Pair::chain_pem);
        self.request.is_some() && in_use.as_deref() != Some(chain)
    }

    /// Checks `chain` (PEM) against the stored request's key, the device's name, the time and, where they are
    /// given, the roots.
    ///
    /// # Errors
    /// `NotEnrolled`, `NoRequest`, and `WrongChain` with the difference as its source.
    pub fn check(&self, chain: &str) -> Result<Pair, AgentError> {
        let request = self.request.as_ref().ok_or_else(|| AgentError::new(Step::Check, Kind::NoRequest))?;
        let names = std::slice::from_ref(&self.known(Step::Check)?.name);
        let wrong = |error| AgentError::because(Step::Check, Kind::WrongChain, error);
        let parsed = Chain::from_pem(chain.as_bytes())
            .map_err(|error| AgentError::because(Step::Check, Kind::WrongChain, error))?;
        let now = self.ambient.now();
        let roots = self.roots.as_ref();
        let expected = Expectation { spki: request.csr().spki(), names, wildcards: &[], now, roots };
        parsed.check(&expected).map_err(wrong)?;
        Pair::new(parsed, request.key())
            .map_err(|error| AgentError::because(Step::Check, Kind::Crypto, error))
    }

    /// Installs `pair`, and remembers it as the one in use. When the installer fails, the pair before is
    /// installed again.
    ///
    /// # Errors
    /// `Install`: the pair before is in use, and `pair` may be tried again. `RollBack`: that failed as well.
    /// `State`: it is installed, but not remembered; the same chain will be installed again.
    pub async fn install(&mut self, pair: Pair, installer: &dyn Installer) -> Result<&Pair, AgentError> {
        if let Err(error) = installer.install(&pair).await {
            if let Some(before) = &self.installed
                && let Err(roll_back) = installer.install(before).await
            {
                tracing::error!(%error, "the new pair was not installed");
                return Err(AgentError::because(Step::Install, Kind::RollBack, roll_back));
            }
            return Err(AgentError::install(error));
        }
        self.state.set_pair(&pair)?;
        self.request = None;
        Ok(self.installed.insert(pair))
    }

    pub(crate) fn known(&self, step: Step) -> Result<&Enrolled, AgentError> {
        self.enrolled.as_ref().ok_or_else(|| AgentError::new(step, Kind::NotEnrolled))
    }

    async fn post<T: DeserializeOwned>(
        &mut self,
        step: Step,
        route: &str,
        payload: &impl Serialize,
    ) -> Result<T, AgentError> {
        let who = KeyReference::Kid(self.known(step)?.device.to_string());
        self.exchange.post(step, route, &who, payload, &self.identity).await
    }
}

/// A server that answers "at once" is not asked without a pause.
const SHORTEST_POLL: Duration = Duration::from_millis(100);
/// Bounds of the wait of a pending enrolment, for any answer of a server.
const MIN_PENDING_WAIT: Duration = Duration::from_secs(1);
const MAX_PENDING_WAIT: Duration = Duration::from_secs(24 * 3600);
const FAULT_PAUSE: Duration = Duration::from_secs(5);
const UNKNOWN_POLL: Duration = Duration::from_secs(5);

pub(crate) fn poll_after(status: &CertificateStatus) -> Duration {
    match status {
        CertificateStatus::Queued { poll_after, .. }
        | CertificateStatus::Issued { poll_after, .. }
        | CertificateStatus::Failed { poll_after, .. } => Duration::from_secs(*poll_after),
        _ => UNKNOWN_POLL,
    }
}
