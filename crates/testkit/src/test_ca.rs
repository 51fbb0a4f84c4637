//! The CA as a whole: a handle, and a service to be run.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use fleetcert_acme_server::AcmeServer;
use fleetcert_ambient::{Ambient, Clock, Entropy};
use fleetcert_dns::DnsBackend;
use fleetcert_https::{Certificates, Limits, Server};
use fleetcert_names::DomainName;
use fleetcert_x509::CertificateId;
use http::{Request, Response};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::authority::{Authority, listener_certificate};
use crate::error::{TestCaError, TestCaErrorKind};
use crate::issuer::TestIssuer;
use crate::limiter::Limiter;
use crate::limiting::Limiting;
use crate::management::{self, Management};
use crate::renewal::SetByHand;
use crate::validation::{Lookup, LookupSettings, Records, Validator};
use crate::{Faults, Ledger, TestCaOptions};

/// A certificate authority in this process: ACME over HTTPS on loopback, validation by real DNS queries, real
/// certificates from keys that were made at the start.
///
/// This is the handle, through which a test looks and interferes; the CA lives in its [`TestCaService`]. Clones
/// are handles to the same CA.
#[derive(Clone, Debug)]
pub struct TestCa {
    address: SocketAddr,
    router: Router,
    directory_url: String,
    listener_root_pem: String,
    authority: Arc<Authority>,
    ledger: Arc<Ledger>,
    faults: Arc<Faults>,
    set_by_hand: Arc<SetByHand>,
    limiting: Option<Arc<Limiting>>,
}

/// The part of a [`TestCa`] that must be run.
#[derive(Debug)]
pub struct TestCaService {
    /// `None` for a CA that is reached in its process alone.
    listener: Option<(Server, Limits, Router)>,
    acme: AcmeServer,
}

impl TestCa {
    /// Makes the keys and binds the port. Connections wait until [`TestCaService::serve`] is polled.
    ///
    /// The listener shows a certificate for its address and for `localhost`, from a root of its own.
    ///
    /// # Errors
    /// When the address cannot be bound or a key cannot be made.
    pub async fn start(
        options: TestCaOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(Self, TestCaService), TestCaError> {
        let (certificate, key, root_pem) =
            listener_certificate(options.listen.ip()).map_err(TestCaError::keys)?;
        let certificates = Certificates::new(vec![certificate], key).map_err(TestCaError::keys)?;
        let listener = Server::bind(options.listen, certificates)
            .await
            .map_err(|error| TestCaError::new(TestCaErrorKind::Listen, error))?;
        let (address, limits) = (listener.local_addr(), options.limits.clone());
        let ambient = Ambient { clock, entropy };
        let validator = Validator::new(
            Records::Server(Lookup::new(LookupSettings {
                server: options.dns_server,
                timeout: options.dns_timeout,
                tries: options.dns_tries,
                clock: ambient.clock.clone(),
                entropy: ambient.entropy.clone(),
            })),
            options.remote_perspectives,
            options.caa_identity.clone(),
        );
        let options = TestCaOptions { listen: address, ..options };
        let (mut ca, acme) = Self::new(options, &format!("https://{address}"), validator, ambient)?;
        ca.listener_root_pem = root_pem;
        let listener = Some((listener, limits, ca.router.clone()));
        Ok((ca, TestCaService { listener, acme }))
    }

    /// Makes a CA that only this process reaches, through [`answer`](Self::answer). It binds no port and sends no query,
    /// so that it works in tokio's virtual time: validation reads the TXT records of `zone` from `backend`, and there are
    /// no CAA records. The listener's and the DNS server's options have no effect.
    ///
    /// # Errors
    /// When a key cannot be made.
    ///
    /// ```
    /// use async_trait::async_trait;
    /// use bytes::Bytes;
    /// use fleetcert_acme::{AccountKey, Client, TermsOfService, Transport};
    /// use fleetcert_ambient::Ambient;
    /// use fleetcert_dns::MemoryBackend;
    /// use fleetcert_testkit::{TestCa, TestCaOptions};
    /// use http::{Request, Response};
    /// use std::{error::Error, sync::Arc};
    ///
    /// #[derive(Debug)]
    /// struct InProcess(TestCa);
    ///
    /// #[async_trait]
    /// impl Transport for InProcess {
    ///     async fn send(
    ///         &self,
    ///         request: Request<Bytes>,
    ///     ) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>> {
    ///         Ok(self.0.answer(request).await)
    ///     }
    /// }
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread();
    /// # let runtime = { let mut it = runtime; it.enable_time().build().unwrap() };
    /// # runtime.block_on(async {
    /// let (zone, ambient) = ("fleet.test".parse()?, Ambient::system());
    /// let backend = Arc::new(MemoryBackend::new([&zone]));
    /// let options = TestCaOptions::new(([127, 0, 0, 1], 53).into());
    /// let (ca, service) =
    ///     TestCa::in_process(options, zone, backend, ambient.clone())?;
    /// # let stop = tokio_util::sync::CancellationToken::new();
    /// let serving = tokio::spawn(service.serve(stop.clone()));
    /// let client = Client::with_transport(
    ///     ca.directory_url(),
    ///     &Default::default(),
    ///     Arc::new(InProcess(ca.clone())),
    ///     ambient,
    /// )?;
    /// let key = AccountKey::generate()?;
    /// let account = client.register(key, TermsOfService::Agreed).await?;
    /// # drop(account);
    /// # stop.cancel();
    /// # serving.await?;
    /// # Ok::<(), Box<dyn Error>>(()) }).unwrap();
    /// ```
    pub fn in_process(
        options: TestCaOptions,
        zone: DomainName,
        backend: Arc<dyn DnsBackend>,
        ambient: Ambient,
    ) -> Result<(Self, TestCaService), TestCaError> {
        let records = Records::Backend { zone, backend };
        let validator = Validator::new(records, options.remote_perspectives, options.caa_identity.clone());
        let (ca, acme) = Self::new(options, "https://ca.test", validator, ambient)?;
        Ok((ca, TestCaService { listener: None, acme }))
    }

    fn new(
        mut options: TestCaOptions,
        base_url: &str,
        validator: Validator,
        Ambient { clock, entropy }: Ambient,
    ) -> Result<(Self, AcmeServer), TestCaError> {
        let authority = Arc::new(Authority::generate().map_err(TestCaError::keys)?);
        let address = options.listen;
        options.acme.base_url = base_url.to_owned();
        options.acme.caa_identities = vec![options.caa_identity.clone()];
        options.acme.profiles = options
            .profiles
            .iter()
            .map(|(name, profile)| (name.clone(), profile.description.clone()))
            .collect();
        let ledger = Arc::new(Ledger::new(options.ledger_size));
        let faults = Arc::new(Faults::default());
        let set_by_hand = Arc::new(SetByHand::default());
        let limiting = options
            .rate_limits
            .clone()
            .map(|limits| Arc::new(Limiting::new(Limiter::new(limits), ledger.clone(), set_by_hand.clone())));
        let acme_options = options.acme.clone();
        let issuer = TestIssuer {
            validator,
            options,
            authority: authority.clone(),
            ledger: ledger.clone(),
            faults: faults.clone(),
            limiting: limiting.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
        };
        let acme = AcmeServer::new(Arc::new(issuer), acme_options, clock, entropy);

        let management = Management {
            authority: authority.clone(),
            ledger: ledger.clone(),
            set_by_hand: set_by_hand.clone(),
        };
        let ca = Self {
            address,
            router: management::beside(acme.router(), Arc::new(management)),
            directory_url: acme.directory_url(),
            listener_root_pem: String::new(),
            authority,
            ledger,
            faults,
            set_by_hand,
            limiting,
        };
        Ok((ca, acme))
    }

    /// Answers a request as its listener does, without a network. The request seems to come from 127.0.0.1.
    ///
    /// Its [service](TestCaService::serve) must run: without it, challenges and orders stay at `processing`.
    pub async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let request = Request::from_parts(parts, Body::from(body));
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        // Its own answers are whole, in memory.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        Response::from_parts(parts, body)
    }

    /// Where it listens; for a CA [in this process](Self::in_process), what its options say.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL of its directory, with which an ACME client begins.
    pub fn directory_url(&self) -> &str {
        &self.directory_url
    }

    /// The root that an ACME client must trust to talk to it, in PEM; empty for a CA [in this process](Self::in_process).
    pub fn listener_root_pem(&self) -> &str {
        &self.listener_root_pem
    }

    /// The root of the certificates that it issues, in PEM. It stands at `/roots/0` of the listener too, where
    /// Pebble has it on its management port.
    pub fn issuing_root_pem(&self) -> &str {
        self.authority.root_pem()
    }

    /// What it saw and did.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What is to go wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Looks at its limiter or interferes with it, such as to [unpause](Limiter::unpause) an account. `None` when it
    /// has [no limits](TestCaOptions::rate_limits). The CA waits meanwhile.
    pub fn limiter<T>(&self, visit: impl FnOnce(&mut Limiter) -> T) -> Option<T> {
        self.limiting.as_ref().map(|limiting| visit(&mut limiting.lock()))
    }

    /// Sets the renewal window of a certificate by hand, from now on. Over the network, `POST /set-renewal-info/`
    /// does the same, as at Pebble.
    pub fn set_renewal_window(&self, certificate: CertificateId, start: SystemTime, end: SystemTime) {
        let text = |time: SystemTime| OffsetDateTime::from(time).format(&Rfc3339).unwrap_or_default();
        let answer = json!({ "suggestedWindow": { "start": text(start), "end": text(end) } });
        self.set_by_hand.set(certificate, answer.to_string());
    }
}

impl TestCaService {
    /// Serves until `shutdown` is cancelled. Must be polled inside a tokio runtime. Dropped, it cuts all
    /// connections and drops all work at once.
    pub async fn serve(self, shutdown: CancellationToken) {
        let acme = self.acme.run(shutdown.clone());
        match self.listener {
            Some((listener, limits, router)) => {
                futures_util::future::join(listener.serve(router, limits, shutdown), acme).await;
            }
            None => acme.await,
        }
    }
}
