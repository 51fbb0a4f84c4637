//! Certificate requests and their status.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_acme::{Authority, NewOrder};
use fleetcert_names::HostName;
use fleetcert_protocol::{CertificateRequest, CertificateStatus, Problem, ProblemKind};
use fleetcert_schedule::quota::NameLimit;
use fleetcert_store::{Expect, Transaction};
use fleetcert_x509::{Chain, CsrRefusal, KnownKeys, VerifiedCsr};

use crate::context::ServiceContext;
use crate::grant::granted_csr;
use crate::orders::{Orders, Turn};
use crate::records::{
    self, CERTIFICATE_KEYS, CERTIFICATES, CertificateRecord, ORDERS, OrderRecord, Previous, Stored, unchanged,
};
use crate::requests::Requests;
use crate::{Action, EngineError, EngineErrorKind, EngineOptions, Event, Grant};

/// Attempts of a request that loses against other writes of the same name.
const MAX_ATTEMPTS: usize = 4;
/// Minimum and maximum poll interval that a device is given.
const MIN_POLL: Duration = Duration::from_secs(1);
const MAX_POLL: Duration = Duration::from_secs(6 * 3600);

/// What the store has of an identifier set.
#[derive(Debug)]
enum CertificateState {
    Ordered(Box<Stored<OrderRecord>>),
    Issued(Box<CertificateRecord>),
}

/// The service that takes certificate requests: the gate for CSRs, the stored order, and the status.
#[derive(Debug)]
pub(crate) struct Certificates {
    context: ServiceContext,
    options: Arc<EngineOptions>,
    authority: Arc<dyn Authority>,
    requests: Requests,
    orders: Arc<Orders>,
}

impl Certificates {
    pub(crate) fn new(
        context: ServiceContext,
        options: Arc<EngineOptions>,
        authority: Arc<dyn Authority>,
        orders: Arc<Orders>,
    ) -> Self {
        let requests = Requests::new(options.requests_per_device, &*context.ambient.entropy);
        Self { context, options, authority, requests, orders }
    }

    /// Stores an order for a request that passes the gate, and returns its status.
    pub(crate) async fn request(
        &self,
        grant: &Grant,
        request: &CertificateRequest,
    ) -> Result<CertificateStatus, EngineError> {
        grant.require(Action::RequestCertificate)?;
        self.requests.spend(grant.device(), self.context.now())?;
        let csr = self.gate(grant, request.csr.as_bytes())?;
        for _ in 0..MAX_ATTEMPTS {
            if let Some(status) = self.try_to_request(grant, &csr).await? {
                return Ok(status);
            }
        }
        Err(EngineError::new(
            EngineErrorKind::Unavailable,
            "too many requests for the same names at the same time",
        ))
    }

    /// One try; `None` when something that it was based on was written meanwhile.
    async fn try_to_request(
        &self,
        grant: &Grant,
        csr: &VerifiedCsr,
    ) -> Result<Option<CertificateStatus>, EngineError> {
        let store = &*self.context.store;
        let (name, key) = (grant.name(), records::key_of(csr.identifiers()));
        let sha256 = records::hex(csr.sha256());
        let key_use = self.key_use(grant, csr).await?;

        let running = Stored::<OrderRecord>::read(store, ORDERS, &key).await?;
        if let Some(running) = &running
            && (running.value.csr_sha256 == sha256
                || !running.value.may_be_replaced(self.orders.is_held_with_others(running)))
        {
            return self.order_status(running).await.map(Some);
        }
        let issued = Stored::<CertificateRecord>::read(store, CERTIFICATES, &key).await?;
        let certificate = issued.as_ref().map(|issued| &issued.value);
        let now = self.context.now();
        if let Some(certificate) = certificate {
            if certificate.csr_sha256 == sha256 && !certificate.may_be_renewed(now) {
                return Ok(Some(self.issued_status(certificate)));
            }
            let options = &self.options;
            // A renewal waits for no interval: the CA may have revoked what it issued an hour ago.
            let apart =
                if certificate.may_be_renewed(now) { Duration::ZERO } else { options.between_certificates };
            let limit = NameLimit::new(options.certificates_per_name, options.name_period, apart);
            if let Some(until) = limit.limited_until(certificate.issued_at.iter().copied(), now) {
                return Err(EngineError::limited(
                    now,
                    until,
                    "the maximum number of certificates for these names in this period is reached",
                ));
            }
            self.require_rotation(name, csr, certificate)?;
        }
        let account = self.authority.account_url();
        let replaces = certificate.filter(|old| old.account_url == account);
        let identifiers = csr.identifiers().clone();
        let wanted = NewOrder {
            replaces: replaces.and_then(|old| old.certificate_id.as_deref()?.parse().ok()),
            profile: self.options.profile.clone(),
            ..NewOrder::new(identifiers)
        };
        let mut order = OrderRecord::new(grant.device().clone(), csr.der(), sha256, wanted, now);
        order.tenant = grant.tenant();
        order.previous = certificate.map(Previous::of);
        // Whatever was read must still be so, or an order that ended meanwhile would be placed again.
        let (expect, expect_issued) = (unchanged(running.as_ref()), unchanged(issued.as_ref()));
        let (order, due) = match running {
            Some(failed) => order.in_place_of(failed.value),
            None => (order, now),
        };
        let write = Transaction::new()
            .put(ORDERS, &key, expect, records::encode(&order), Some(due))
            .check(CERTIFICATES, &key, expect_issued)
            .put(CERTIFICATE_KEYS, records::sha256_hex(csr.spki()), key_use, name.as_str().into(), None);
        let version = match store.commit(write).await {
            Ok(version) => version,
            Err(error) if error.is_conflict() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        self.context.notify(&Event::RequestAccepted { name, renewal: issued.is_some() });
        let stored = Stored { key, version, due: Some(due), value: order };
        // Before the worker has it, so that the device is given its position.
        let status = self.order_status(&stored).await;
        self.orders.accepted(&stored.key, version, &stored.value, due).await;
        status.map(Some)
    }

    /// Returns the status of the device's certificate: of the identifier set that it requested last.
    pub(crate) async fn status(&self, grant: &Grant) -> Result<CertificateStatus, EngineError> {
        grant.require(Action::ReadCertificate)?;
        let store = &*self.context.store;
        let mut newest: Option<(SystemTime, CertificateState)> = None;
        for set in grant.sets() {
            let key = records::key_of(&set);
            let state = match Stored::<OrderRecord>::read(store, ORDERS, &key).await? {
                Some(order) => Some((order.value.queued_at, CertificateState::Ordered(Box::new(order)))),
                None => Stored::<CertificateRecord>::read(store, CERTIFICATES, &key)
                    .await?
                    .map(|issued| (issued.value.issued(), CertificateState::Issued(Box::new(issued.value)))),
            };
            if state.as_ref().is_some_and(|(at, _)| newest.as_ref().is_none_or(|(newest, _)| at > newest)) {
                newest = state;
            }
        }
        match newest {
            Some((_, CertificateState::Ordered(order))) => self.order_status(&order).await,
            Some((_, CertificateState::Issued(certificate))) => Ok(self.issued_status(&certificate)),
            None => Ok(CertificateStatus::None),
        }
    }

    /// The gate: checks the CSR against the policy, the granted names and the keys that it must not have.
    fn gate(&self, grant: &Grant, csr: &[u8]) -> Result<VerifiedCsr, EngineError> {
        let name = grant.name();
        let verified = granted_csr(csr, &self.options.csr_policy, grant);
        let csr = verified.map_err(|refusal| self.refuse(name, refusal))?;
        let mut known = KnownKeys::new().with_identity(&grant.identity().spki_der());
        if let Some(account) = self.authority.account_spki() {
            known = known.with_account(&account);
        }
        self.require_key(name, &csr, &known)?;
        Ok(csr)
    }

    /// Returns what the store must say of the request's key when the order is written: that no other name used it.
    async fn key_use(&self, grant: &Grant, csr: &VerifiedCsr) -> Result<Expect, EngineError> {
        let used = self.context.store.read(CERTIFICATE_KEYS, &records::sha256_hex(csr.spki())).await?;
        if used.as_ref().is_some_and(|used| used.value != grant.name().as_str().as_bytes()) {
            self.require_key(grant.name(), csr, &KnownKeys::new().with_other_device(csr.spki()))?;
        }
        Ok(used.map_or(Expect::Absent, |used| Expect::Version(used.version)))
    }

    /// Checks that the key is not the one of the certificate before, if the policy wants a new key each time.
    fn require_rotation(
        &self,
        name: &HostName,
        csr: &VerifiedCsr,
        before: &CertificateRecord,
    ) -> Result<(), EngineError> {
        let corrupt = |error| EngineError::new(EngineErrorKind::Corrupt, error);
        let before = Chain::from_pem(before.chain.as_bytes()).map_err(corrupt)?;
        self.require_key(name, csr, &KnownKeys::new().with_previous(before.leaf().spki()))
    }

    fn require_key(&self, name: &HostName, csr: &VerifiedCsr, known: &KnownKeys) -> Result<(), EngineError> {
        csr.require_key(known, &self.options.csr_policy).map_err(|refusal| self.refuse(name, refusal))
    }

    fn refuse(&self, name: &HostName, refusal: CsrRefusal) -> EngineError {
        self.context.notify(&Event::RequestRefused { name, why: &refusal.to_string() });
        if refusal.is_temporary() {
            return EngineError::new(EngineErrorKind::Unavailable, refusal);
        }
        EngineError::refused(refusal.code().as_str(), refusal)
    }

    async fn order_status(&self, stored: &Stored<OrderRecord>) -> Result<CertificateStatus, EngineError> {
        let (now, order) = (self.context.now(), &stored.value);
        if let Some(failure) = &order.failure {
            let retry_at = stored.due;
            let problem = Problem::new(ProblemKind::OrderFailed, failure);
            return Ok(CertificateStatus::Failed {
                problem: order.failure_code.iter().fold(problem, Problem::with_code),
                retry_at: retry_at.map(unix),
                poll_after: poll_after(now, retry_at).as_secs(),
            });
        }
        let turn = Turn::of(&self.orders, stored).await?;
        Ok(CertificateStatus::Queued {
            position: turn.ahead as u64,
            expected_at: unix(turn.expected_at),
            poll_after: poll_after(now, Some(turn.expected_at)).as_secs(),
            waits_for: turn.waits_for,
        })
    }

    fn issued_status(&self, certificate: &CertificateRecord) -> CertificateStatus {
        let now = self.context.now();
        let due = certificate.is_due(now);
        CertificateStatus::Issued {
            chain: certificate.chain.clone(),
            renew_at: certificate.renew_at.map(unix),
            due,
            poll_after: if due { MIN_POLL } else { poll_after(now, certificate.renew_at) }.as_secs(),
        }
    }
}

/// Returns the poll interval for something that happens at `at`.
fn poll_after(now: SystemTime, at: Option<SystemTime>) -> Duration {
    let until = at.and_then(|at| at.duration_since(now).ok()).unwrap_or(MIN_POLL);
    until.clamp(MIN_POLL, MAX_POLL)
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
