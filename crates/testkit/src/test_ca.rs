//! The CA as a whole: a handle, and a service to be run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use fleetcert_acme_server::AcmeServer;
use fleetcert_ambient::{Clock, Entropy};
use fleetcert_https::{Certificates, Limits, Server};
use fleetcert_x509::CertificateId;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use crate::authority::{Authority, listener_certificate};
use crate::error::{TestCaError, TestCaErrorKind};
use crate::issuer::TestIssuer;
use crate::limiter::Limiter;
use crate::limiting::Limiting;
use crate::management::{self, Management};
use crate::renewal::SetByHand;
use crate::validation::{LookupSettings, Validator};
use crate::{Faults, Ledger, TestCaOptions};

/// A certificate authority in this process: ACME over HTTPS on loopback, validation by real DNS queries, real
/// certificates from keys that were made at the start.
///
/// This is the handle, through which a test looks and interferes; the CA lives in its [`TestCaService`]. Clones
/// are handles to the same CA.
#[derive(Clone, Debug)]
pub struct TestCa {
    address: SocketAddr,
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
    listener: Server,
    limits: Limits,
    router: Router,
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
        mut options: TestCaOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(Self, TestCaService), TestCaError> {
        let authority = Arc::new(Authority::generate().map_err(TestCaError::keys)?);
        let (certificate, key, listener_root_pem) =
            listener_certificate(options.listen.ip()).map_err(TestCaError::keys)?;
        let certificates = Certificates::new(vec![certificate], key).map_err(TestCaError::keys)?;
        let listener = Server::bind(options.listen, certificates)
            .await
            .map_err(|error| TestCaError::new(TestCaErrorKind::Listen, error))?;
        let address = listener.local_addr();

        options.acme.base_url = format!("https://{address}");
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
        let (acme_options, limits) = (options.acme.clone(), options.limits.clone());
        let issuer = TestIssuer {
            validator: validator(&options, &clock, &entropy),
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
        let router = management::beside(acme.router(), Arc::new(management));
        let directory_url = acme.directory_url();
        let ca = Self {
            address,
            directory_url,
            listener_root_pem,
            authority,
            ledger,
            faults,
            set_by_hand,
            limiting,
        };
        Ok((ca, TestCaService { listener, limits, router, acme }))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL of its directory, with which an ACME client begins.
    pub fn directory_url(&self) -> &str {
        &self.directory_url
    }

    /// The root that an ACME client must trust to talk to it, in PEM.
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
        let listener = self.listener.serve(self.router, self.limits, shutdown.clone());
        futures_util::future::join(listener, self.acme.run(shutdown)).await;
    }
}

fn validator(options: &TestCaOptions, clock: &Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> Validator {
    let settings = LookupSettings {
        server: options.dns_server,
        timeout: options.dns_timeout,
        tries: options.dns_tries,
        clock: clock.clone(),
        entropy: entropy.clone(),
    };
    Validator::new(settings, options.remote_perspectives, options.caa_identity.clone())
}
