//! The agent: the device's steps, one method each.

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

use crate::error::{AgentError, AgentErrorKind as Kind, AgentStep};
use crate::exchange::Exchange;
use crate::plan;
use crate::state_folder::StateFolder;
use crate::{CertificatePair, Installer, StoredRequest};

/// The settings of an [`Agent`].
///
/// ```
/// use fleetcert_agent::AgentOptions;
/// use fleetcert_https::ClientBuilder;
/// use fleetcert_jose::Algorithm;
///
/// let http = ClientBuilder::new("switch-24/1.3").build()?;
/// let options = AgentOptions {
///     identity: Algorithm::Es256, // for a key in P-256 hardware
///     ..AgentOptions::new("https://control.example.com", http)
/// };
/// # drop(options);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AgentOptions {
    /// Public base URL of the control server, exactly as it is configured there. It begins with `https://`.
    pub server: String,
    /// HTTPS client, as [`fleetcert_https::ClientBuilder`] builds it: it decides which servers are trusted.
    pub http: reqwest::Client,
    /// Algorithm of an identity key that is still to be made: EdDSA (Ed25519), or ES256 where only P-256 hardware
    /// exists. Default: EdDSA.
    pub identity: Algorithm,
    /// Kind of the TLS keys. Default: P-256.
    pub tls_key: KeyKind,
    /// Whether each certificate is also for the wildcard below the device's name, `*.NAME`. The control server must
    /// allow it. Default: `false`.
    pub wildcard: bool,
    /// Roots to one of which a chain must lead. Default: `None`, no such check.
    pub roots: Option<Roots>,
}

impl AgentOptions {
    /// Makes the settings for the control server at `server`, with defaults for everything else.
    pub fn new(server: impl Into<String>, http: reqwest::Client) -> Self {
        Self {
            server: server.into(),
            http,
            identity: Algorithm::EdDsa,
            tls_key: KeyKind::P256,
            wildcard: false,
            roots: None,
        }
    }
}

/// A device: its identity, what it remembers, and the steps of its journey.
///
/// Each step is one method; [`run`](Agent::run) takes them all by itself for as long as the device is on. Every
/// step may be repeated after a crash, a cancellation or an error.
///
/// Each thing that happened leaves one line in the log at `info`: enrolled, addresses reported, certificate
/// requested, installed, renewed.
///
/// ```
/// use fleetcert_agent::{Agent, AgentError, AgentOptions, EnrolmentToken, FileInstaller};
/// use fleetcert_ambient::Ambient;
/// use std::{net::IpAddr, path::Path};
///
/// /// A device's whole life, in a program that systemd restarts.
/// async fn live(
///     options: AgentOptions,
///     token: EnrolmentToken,
///     addresses: Vec<IpAddr>,
/// ) -> Result<(), AgentError> {
///     let state = Path::new("/var/lib/device");
///     let mut agent = Agent::open(state, options, Ambient::system())?;
///     agent.enrol(token).await?; // the token is used at the first start only
///     let installer = FileInstaller::new("/etc/device/tls");
///     agent.run(&addresses, &installer, std::future::pending()).await
/// }
/// ```
#[derive(Debug)]
pub struct Agent {
    state: StateFolder,
    exchange: Exchange,
    identity: IdentityKey,
    enrolled: Option<Enrolled>,
    request: Option<StoredRequest>,
    installed: Option<CertificatePair>,
    tls_key: KeyKind,
    wildcard: bool,
    roots: Option<Roots>,
    pub(crate) ambient: Ambient,
}

impl Agent {
    /// Opens the state folder; makes it and the identity key if they do not exist. No other agent can open it while
    /// this one lives. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidInput` when the server's URL is not an HTTPS URL, `State`, and `Crypto` when no key can be made.
    pub fn open(folder: &Path, options: AgentOptions, ambient: Ambient) -> Result<Self, AgentError> {
        let exchange = Exchange::new(options.http, &options.server)?;
        let state = StateFolder::open(folder)?;
        let installed = state.pair()?;
        // A power cut while a pair was being remembered leaves the request that it came from.
        let done = |request: &StoredRequest| {
            installed.as_ref().is_some_and(|pair| pair.chain().leaf().spki() == request.csr().spki())
        };
        Ok(Self {
            identity: state.identity(options.identity)?,
            enrolled: state.enrolled()?,
            request: state.request()?.filter(|request| !done(request)),
            installed,
            exchange,
            tls_key: options.tls_key,
            wildcard: options.wildcard,
            roots: options.roots,
            state,
            ambient,
        })
    }

    /// Returns the public half of the identity key.
    pub fn identity(&self) -> &Jwk {
        self.identity.jwk()
    }

    /// Returns the device id and name, once enrolled.
    pub fn enrolled(&self) -> Option<&Enrolled> {
        self.enrolled.as_ref()
    }

    /// Returns the request that waits for its certificate.
    pub fn request(&self) -> Option<&StoredRequest> {
        self.request.as_ref()
    }

    /// Returns the pair that was installed last.
    pub fn installed(&self) -> Option<&CertificatePair> {
        self.installed.as_ref()
    }

    /// Enrols with a proof, such as a one-time token, and remembers the answer. A device that is enrolled already
    /// gets what it remembers; the proof stays unused.
    ///
    /// While the server has not decided, it waits as long as the server asks and sends the same proof with the same
    /// key again, without an end: an operator's approval may take days. Failures of the network meanwhile are waited
    /// out too. Bound it by dropping the future.
    ///
    /// # Errors
    /// Those of an exchange. The same proof may be used again with the same identity key: an answer that was lost is
    /// given again.
    ///
    /// ```
    /// use fleetcert_agent::{Agent, AgentError, DeviceClaims, EnrolRequest, EnrolmentProof};
    ///
    /// # async fn example(mut agent: Agent) -> Result<(), AgentError> {
    /// // Waits for an operator, who recognises the device by its serial number.
    /// let proof = EnrolmentProof::new("approval", &serde_json::json!({})).unwrap();
    /// let claims = DeviceClaims::new([("serial", "A-1007")]).unwrap();
    /// let enrolled = agent.enrol(EnrolRequest::new(proof).with_claims(claims)).await?;
    /// println!("this is {}", enrolled.name);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn enrol(&mut self, request: impl Into<EnrolRequest>) -> Result<&Enrolled, AgentError> {
        let request = request.into();
        let (mut is_pending, mut failures) = (false, 0);
        let enrolled = loop {
            let wait = match self.try_enrol(&request).await {
                Ok(EnrolmentAnswer::Enrolled(enrolled)) => break enrolled,
                Ok(EnrolmentAnswer::Pending(pending)) => {
                    (is_pending, failures) = (true, 0);
                    let wait =
                        Duration::from_secs(pending.retry_after).clamp(MIN_PENDING_WAIT, plan::MAX_WAIT);
                    tracing::info!(code = pending.code, retry_in = ?wait, "the enrolment is pending");
                    wait
                }
                Ok(_) => return Err(AgentError::new(AgentStep::Enrol, Kind::Protocol)),
                Err(error) if is_pending && error.is_transient() => {
                    failures += 1;
                    tracing::warn!(%error, "asking for the pending enrolment failed");
                    self.back_off(failures, &error)
                }
                Err(error) => return Err(error),
            };
            self.ambient.sleep(wait).await;
        };
        Ok(self.enrolled.insert(enrolled))
    }

    /// Returns the wait after `failures` in a row, at least as long as the server asks.
    fn back_off(&self, failures: u32, error: &AgentError) -> Duration {
        plan::BACKOFF.jittered(failures, self.ambient.random()).max(error.retry_after().unwrap_or_default())
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
        let sent = self.exchange.post(AgentStep::Enrol, route::ENROL, &sender, request, &self.identity);
        let answer: EnrolmentAnswer = sent.await?;
        if let EnrolmentAnswer::Enrolled(enrolled) = &answer {
            self.state.set_enrolled(enrolled)?;
            tracing::info!(device = %enrolled.device, name = %enrolled.name, "enrolled");
            self.enrolled = Some(enrolled.clone());
        }
        Ok(answer)
    }

    /// Reports the device's addresses to the server; they become its A and AAAA records.
    ///
    /// # Errors
    /// `InvalidInput` for more than four, those of an exchange, and `Refused` when the address policy forbids one.
    pub async fn report_addresses(&mut self, addresses: &[IpAddr]) -> Result<AddressesAccepted, AgentError> {
        let report = AddressReport::new(addresses.iter().copied())
            .map_err(|error| AgentError::because(AgentStep::ReportAddresses, Kind::InvalidInput, error))?;
        let accepted: AddressesAccepted =
            self.post(AgentStep::ReportAddresses, route::ADDRESSES, &report).await?;
        tracing::info!(?addresses, changed = accepted.changed, "addresses reported");
        Ok(accepted)
    }

    /// Makes a new TLS key and a CSR for the device's name ([and the wildcard](AgentOptions::wildcard) below it), and
    /// stores both in the place of an earlier request.
    ///
    /// # Errors
    /// `NotEnrolled`, `Crypto`, `State`.
    pub fn make_request(&mut self) -> Result<&StoredRequest, AgentError> {
        let name = &self.known(AgentStep::MakeRequest)?.name;
        let request = StoredRequest::make(name, self.wildcard, self.tls_key)?;
        self.store(request)
    }

    /// Stores a CSR that was made elsewhere (DER or PEM), with its key or without, in the place of an earlier request.
    /// It must name the device, and nothing else but the wildcard below that name.
    ///
    /// # Errors
    /// `NotEnrolled`, `State`, and `InvalidInput` when the CSR breaks a rule or the key does not belong to it.
    pub fn use_request(&mut self, csr: &[u8], key: Option<KeyPair>) -> Result<&StoredRequest, AgentError> {
        let request = StoredRequest::take_over(&self.known(AgentStep::MakeRequest)?.name, csr, key)?;
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
        let request =
            self.request.as_ref().ok_or_else(|| AgentError::new(AgentStep::Submit, Kind::NoRequest))?;
        let csr = CsrBytes::new(request.csr().der().to_vec())
            .map_err(|error| AgentError::because(AgentStep::Submit, Kind::InvalidInput, error))?;
        let status = self.post(AgentStep::Submit, route::CERTIFICATE, &CertificateRequest { csr }).await?;
        tracing::info!("certificate request sent");
        Ok(status)
    }

    /// Asks once for the status of the certificate.
    ///
    /// # Errors
    /// Those of an exchange.
    pub async fn ask(&mut self) -> Result<CertificateStatus, AgentError> {
        self.post(AgentStep::Ask, route::CERTIFICATE_STATUS, &StatusRequest {}).await
    }

    /// Asks until the chain is there, as often as the server wants to be asked, for at most `limit`. Calls `seen` with
    /// every answer. Failures of the network and of a busy server are waited out.
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
            let mut failures = 0;
            loop {
                let wait = match self.ask().await {
                    Ok(status) => {
                        failures = 0;
                        seen(&status);
                        match status {
                            CertificateStatus::Issued { chain, .. } if self.is_answer(&chain) => {
                                return Ok(chain);
                            }
                            CertificateStatus::Failed { problem, retry_at: None, .. } => {
                                let kind = Kind::OrderFailed;
                                return Err(AgentError::of_server(AgentStep::Ask, kind, Some(problem), None));
                            }
                            status => plan::poll_after(&status),
                        }
                    }
                    Err(error) if error.is_transient() => {
                        failures += 1;
                        self.back_off(failures, &error)
                    }
                    Err(error) => return Err(error),
                };
                self.ambient.sleep(wait.max(MIN_POLL)).await;
            }
        };
        match fleetcert_ambient::timeout(&*ambient.clock, limit, polling).await {
            Ok(done) => done,
            Err(elapsed) => Err(AgentError::because(AgentStep::Ask, Kind::Deadline, elapsed)),
        }
    }

    /// Returns whether `chain` can be the answer to the stored request: anything but the certificate in use, which the
    /// server still shows while it renews.
    pub(crate) fn is_answer(&self, chain: &str) -> bool {
        let in_use = self.installed.as_ref().map(CertificatePair::chain_pem);
        self.request.is_some() && in_use.as_deref() != Some(chain)
    }

    /// Checks `chain` (PEM) against the stored request's key and identifiers, the time and, where given, the roots.
    ///
    /// # Errors
    /// `NotEnrolled`, `NoRequest`, and `WrongChain` with the difference as its source.
    pub fn check(&self, chain: &str) -> Result<CertificatePair, AgentError> {
        let request =
            self.request.as_ref().ok_or_else(|| AgentError::new(AgentStep::Check, Kind::NoRequest))?;
        self.known(AgentStep::Check)?;
        let identifiers = request.csr().identifiers();
        let wrong = |error| AgentError::because(AgentStep::Check, Kind::WrongChain, error);
        let parsed = Chain::from_pem(chain.as_bytes())
            .map_err(|error| AgentError::because(AgentStep::Check, Kind::WrongChain, error))?;
        let now = self.ambient.now();
        let roots = self.roots.as_ref();
        let expected = Expectation { spki: request.csr().spki(), identifiers, now, roots };
        parsed.check(&expected).map_err(wrong)?;
        CertificatePair::new(parsed, request.key())
            .map_err(|error| AgentError::because(AgentStep::Check, Kind::Crypto, error))
    }

    /// Installs `pair`, and remembers it as the one in use. When the installer fails, the previous pair is installed
    /// again.
    ///
    /// # Errors
    /// `Install`: the previous pair is in use, and `pair` may be tried again. `RollBack`: that failed as well.
    /// `State`: it is installed, but not remembered; the same chain will be installed again.
    pub async fn install(
        &mut self,
        pair: CertificatePair,
        installer: &dyn Installer,
    ) -> Result<&CertificatePair, AgentError> {
        if let Err(error) = installer.install(&pair).await {
            if let Some(previous) = &self.installed
                && let Err(roll_back) = installer.install(previous).await
            {
                tracing::error!(%error, "the new certificate was not installed");
                return Err(AgentError::because(AgentStep::Install, Kind::RollBack, roll_back));
            }
            return Err(AgentError::install(error));
        }
        self.state.set_pair(&pair)?;
        let leaf = pair.chain().leaf();
        let (names, until) = (leaf.identifiers(), leaf.validity());
        match self.installed {
            Some(_) => tracing::info!(?names, ?until, "certificate renewed and installed"),
            None => tracing::info!(?names, ?until, "certificate installed"),
        }
        self.request = None;
        Ok(self.installed.insert(pair))
    }

    pub(crate) fn known(&self, step: AgentStep) -> Result<&Enrolled, AgentError> {
        self.enrolled.as_ref().ok_or_else(|| AgentError::new(step, Kind::NotEnrolled))
    }

    async fn post<T: DeserializeOwned>(
        &mut self,
        step: AgentStep,
        route: &str,
        payload: &impl Serialize,
    ) -> Result<T, AgentError> {
        let sender = KeyReference::Kid(self.known(step)?.device.to_string());
        self.exchange.post(step, route, &sender, payload, &self.identity).await
    }
}

/// Minimum poll interval, for a server that asks for none.
const MIN_POLL: Duration = Duration::from_millis(100);
/// Minimum wait between two requests of a pending enrolment.
const MIN_PENDING_WAIT: Duration = Duration::from_secs(1);
