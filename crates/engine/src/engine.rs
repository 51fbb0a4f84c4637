//! The engine: its services, and the run of their workers.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_acme::PacedAuthority;
use fleetcert_jose::Jwk;
use fleetcert_names::HostName;
use fleetcert_protocol::{
    AddressReport, AddressesAccepted, CertificateRequest, CertificateStatus, DeviceId, EnrolRequest,
    EnrolmentAnswer, EnrolmentToken,
};
use fleetcert_schedule::known_ca::pacer_for;
use fleetcert_schedule::order_queue::Tenant;
use tokio_util::sync::CancellationToken;

use crate::addresses::Addresses;
use crate::admission::DeviceAdmission;
use crate::certificates::Certificates;
use crate::context::ServiceContext;
use crate::enrolment::Enrolment;
use crate::orders::{Breakers, Orders};
use crate::renewals::Renewals;
use crate::sweeper::Sweeper;
use crate::{Action, Caller, DeviceState, EngineError, EngineParts, Grant, RequestOrigin, RequestParts};

/// Takes what devices and operators want, and brings it about. Clones are the same engine.
#[derive(Clone, Debug)]
pub struct Engine {
    services: Arc<Services>,
}

#[derive(Debug)]
struct Services {
    enrolment: Enrolment,
    admission: DeviceAdmission,
    addresses: Addresses,
    certificates: Certificates,
    orders: Arc<Orders>,
    renewals: Arc<Renewals>,
    sweeper: Sweeper,
}

impl Engine {
    /// Makes an engine of these parts. Nothing runs yet: see [`run`](Self::run).
    pub fn new(parts: EngineParts) -> Self {
        let EngineParts { options, store, authority, backend, challenges, events, ambient, .. } = parts;
        let options = Arc::new(options);
        let pacer = options.pacer.clone().unwrap_or_else(|| pacer_for(authority.account_url()));
        let authority = Arc::new(PacedAuthority::new(authority, pacer, ambient.clone()));
        let context = ServiceContext { store, events, ambient, idle: options.idle };
        let breakers = Arc::new(Breakers::new(context.clone(), options.breaker));
        let renewals =
            Arc::new(Renewals::new(context.clone(), &options, authority.clone(), Arc::clone(&breakers)));
        let orders = Arc::new(Orders::new(
            context.clone(),
            Arc::clone(&options),
            authority.clone(),
            challenges.clone(),
            Arc::clone(&breakers),
            Arc::clone(&renewals),
        ));
        let zone = &options.zone;
        let services = Services {
            enrolment: Enrolment::new(context.clone(), zone.clone(), parts.enroller, parts.labels),
            admission: DeviceAdmission::new(
                context.clone(),
                parts.authenticator,
                parts.authorizer,
                options.wildcards,
            ),
            addresses: Addresses::new(context.clone(), &options, backend, parts.addresses, breakers),
            sweeper: Sweeper::new(context.clone(), zone.clone(), challenges),
            certificates: Certificates::new(context, options, authority, Arc::clone(&orders)),
            orders,
            renewals,
        };
        Self { services: Arc::new(services) }
    }

    /// Runs the workers until `shutdown`. Orders in flight stop where they stand, with their challenge records withdrawn
    /// or known to the store, and the next run resumes them at once.
    ///
    /// **Cancellation.** Dropping the future is like killing the process: the next run resumes the orders when their
    /// leases have expired, a minute after [`order_deadline`](crate::EngineOptions::order_deadline).
    ///
    /// ```
    /// use fleetcert_engine::Engine;
    /// use std::time::Duration;
    /// use tokio_util::sync::CancellationToken;
    ///
    /// # async fn example(engine: Engine) {
    /// let shutdown = CancellationToken::new();
    /// let run = engine.run(shutdown.clone());
    /// let stop = async {
    ///     tokio::time::sleep(Duration::from_secs(3600)).await;
    ///     shutdown.cancel();
    /// };
    /// tokio::join!(run, stop);
    /// # }
    /// ```
    pub async fn run(&self, shutdown: CancellationToken) {
        let Services { addresses, orders, renewals, sweeper, .. } = &*self.services;
        orders.begin_run();
        let workers =
            async { tokio::join!(addresses.run(), renewals.run(), sweeper.run(), orders.watch_clock()) };
        let until_shutdown = async {
            tokio::select! {
                _ = workers => {}
                () = shutdown.cancelled() => {}
            }
        };
        tokio::join!(until_shutdown, orders.run(&shutdown));
        sweeper.sweep_orphans().await;
    }

    /// Makes a token that admits one device within `lifetime`, at most ten years. The store keeps only its hash: hand
    /// the text ([`EnrolmentToken::expose`]) to the device now.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    ///
    /// ```
    /// use fleetcert_engine::{Engine, EngineError};
    /// use std::time::Duration;
    ///
    /// # async fn example(engine: Engine) -> Result<(), EngineError> {
    /// let token = engine.issue_token(Duration::from_secs(86_400)).await?;
    /// println!("{}", token.expose());
    /// # Ok(()) }
    /// ```
    pub async fn issue_token(&self, lifetime: Duration) -> Result<EnrolmentToken, EngineError> {
        self.issue_token_of(Tenant::default(), lifetime).await
    }

    /// Makes a token for a device of this tenant: a customer, a site, a team. See
    /// [`tenant_weights`](crate::EngineOptions::tenant_weights).
    ///
    /// # Errors
    /// As [`issue_token`](Self::issue_token).
    pub async fn issue_token_of(
        &self,
        tenant: Tenant,
        lifetime: Duration,
    ) -> Result<EnrolmentToken, EngineError> {
        self.services.enrolment.issue_token(tenant, lifetime).await
    }

    /// Makes a device of `key`, whose possession the request has proved, and gives it its name, if the
    /// [`Enroller`](crate::Enroller) admits it.
    ///
    /// The same proof with the same key gets the same answer again, since the first may have been lost. A pending
    /// enrolment is decided when the device asks again.
    ///
    /// # Errors
    /// `EnrolmentRefused` with a code, `KeyInUse`, `LabelTaken`, `LabelNotAllowed`, `Unavailable`, `Corrupt`.
    pub async fn enrol(
        &self,
        request: &EnrolRequest,
        key: &Jwk,
        origin: &RequestOrigin,
    ) -> Result<EnrolmentAnswer, EngineError> {
        self.services.enrolment.enrol(request, key, origin).await
    }

    /// Returns the device that sent a request.
    ///
    /// # Errors
    /// `Unauthenticated` if no device did, `Denied` if the device is suspended, `Unavailable` if it cannot be looked up.
    pub async fn authenticate(&self, request: RequestParts) -> Result<Caller, EngineError> {
        self.services.admission.authenticate(request).await
    }

    /// Asks the [`Authorizer`](crate::Authorizer) whether the caller may do `action` to its own name.
    ///
    /// # Errors
    /// `Denied`, with the reason.
    pub async fn authorize(&self, caller: &Caller, action: Action) -> Result<Grant, EngineError> {
        self.services.admission.authorize(caller, action).await
    }

    /// Suspends a device, or reactivates it. Requests of a suspended device are refused, and its order stops at the next
    /// step; its names stay in the zone, and its certificate stays valid.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn set_device_state(&self, device: &DeviceId, state: DeviceState) -> Result<(), EngineError> {
        self.services.admission.set_device_state(device, state).await
    }

    /// Stores the addresses of a device. The zone follows; an unchanged report is not written.
    ///
    /// # Errors
    /// `AddressNotAllowed` with the address, `Denied`, `Unavailable`.
    pub async fn report_addresses(
        &self,
        grant: &Grant,
        report: &AddressReport,
    ) -> Result<AddressesAccepted, EngineError> {
        self.services.addresses.report(grant, report).await
    }

    /// Takes a certificate request and returns its status at once.
    ///
    /// The same request again gets the certificate that it got before, until the window for its renewal opens. While an
    /// order for the same identifiers is in progress, a different request waits for it to end.
    ///
    /// # Errors
    /// `CsrRefused` with the rule, `RateLimited`, `Denied`, `Unavailable`.
    pub async fn request_certificate(
        &self,
        grant: &Grant,
        request: &CertificateRequest,
    ) -> Result<CertificateStatus, EngineError> {
        self.services.certificates.request(grant, request).await
    }

    /// Returns the status of the device's certificate. A device that has requested certificates for several identifier
    /// sets gets the status of the set that it requested last.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    pub async fn certificate_status(&self, grant: &Grant) -> Result<CertificateStatus, EngineError> {
        self.services.certificates.status(grant).await
    }

    /// Polls the CA for the renewal windows of a name's certificates as soon as a worker is free. For operators who know
    /// of an incident.
    ///
    /// # Errors
    /// `Unavailable`; a name without a certificate is no error.
    pub async fn look_at_renewal(&self, name: &HostName) -> Result<(), EngineError> {
        self.services.renewals.poll_soon(name).await
    }

    /// Resumes the orders of a name that the CA had paused, for operators who have lifted the pause at the CA. Without
    /// this call the CA is asked again a day after it refused.
    ///
    /// # Errors
    /// `Unavailable`; a name that is not paused is no error.
    pub async fn name_unpaused(&self, name: &HostName) -> Result<(), EngineError> {
        self.services.orders.unpause(name).await
    }
}
