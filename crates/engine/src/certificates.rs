//! What a device asks about its certificate, and what it is told.

use std::time::{Duration, SystemTime};

use fleetcert_acme::NewOrder;
use fleetcert_names::HostName;
use fleetcert_protocol::{CertificateRequest, CertificateStatus, Problem, ProblemKind};
use fleetcert_schedule::quota::NameLimit;
use fleetcert_store::{Expect, Record, Transaction};
use fleetcert_x509::{Chain, CsrRefusal, KnownKeys, VerifiedCsr};

use crate::records::{
    self, CERTIFICATE_KEYS, CERTIFICATES, CertificateRecord, DEVICES, DeviceRecord, ORDERS, OrderRecord,
    Previous,
};
use crate::{Action, Engine, EngineError, EngineErrorKind, Event, Grant};

/// A request that loses against another write of the same name looks again so often.
const TRIES: usize = 4;
/// The hints for the next look, so that neither a device nor the server waits for nothing.
const MIN_POLL: Duration = Duration::from_secs(1);
const MAX_POLL: Duration = Duration::from_secs(6 * 3600);

impl Engine {
    /// Takes a certificate request and answers at once where it stands.
    ///
    /// The same request again gets the certificate that it got before, until the window for its renewal opens. While an
    /// order of the name is under way, a different request waits for it to end.
    ///
    /// # Errors
    /// `CsrRefused` with the rule, `RateLimited`, `Denied`, `Unavailable`.
    pub async fn request_certificate(
        &self,
        grant: &Grant,
        request: &CertificateRequest,
    ) -> Result<CertificateStatus, EngineError> {
        grant.require(Action::RequestCertificate)?;
        self.requests().spend(grant.device(), self.now())?;
        let (csr, tenant) = self.gate(grant, request.csr.as_bytes()).await?;
        for _ in 0..TRIES {
            if let Some(status) = self.try_to_request(grant, &csr, tenant).await? {
                return Ok(status);
            }
        }
        Err(EngineError::new(EngineErrorKind::Unavailable, "too many requests for the name at the same time"))
    }

    /// One try; `None` when something that it was based on was written meanwhile.
    async fn try_to_request(
        &self,
        grant: &Grant,
        csr: &VerifiedCsr,
        tenant: u32,
    ) -> Result<Option<CertificateStatus>, EngineError> {
        let store = &self.parts().store;
        let name = grant.name();
        let sha256 = records::hex(csr.sha256());
        let key_use = self.key_use(grant, csr).await?;

        let running = store.read(ORDERS, name.as_str()).await?;
        let before: Option<OrderRecord> = running.as_ref().map(records::decode).transpose()?;
        if let (Some(running), Some(order)) = (&running, &before)
            && (order.csr_sha256 == sha256 || !order.may_be_replaced(self.is_kept(running)))
        {
            return self.order_status(running, order).await.map(Some);
        }
        let issued = store.read(CERTIFICATES, name.as_str()).await?;
        let certificate: Option<CertificateRecord> = issued.as_ref().map(records::decode).transpose()?;
        let now = self.now();
        if let Some(certificate) = &certificate {
            if certificate.csr_sha256 == sha256 && !certificate.may_be_renewed(now) {
                return Ok(Some(self.issued_status(certificate)));
            }
            let options = &self.parts().options;
            // What may be renewed waits for no interval: the CA may have revoked what it issued an hour ago.
            let apart =
                if certificate.may_be_renewed(now) { Duration::ZERO } else { options.between_certificates };
            let limit = NameLimit::new(options.certificates_per_name, options.name_period, apart);
            if let Some(until) = limit.limited_until(certificate.issued_at.iter().copied(), now) {
                return Err(EngineError::limited(now, until, "this name has had its certificates for now"));
            }
            self.is_rotated(name, csr, certificate)?;
        }
        let account = self.parts().authority.account_url();
        let replaces = certificate.as_ref().filter(|old| old.account_url == account);
        let wanted = NewOrder {
            replaces: replaces.and_then(|old| old.certificate_id.as_deref()?.parse().ok()),
            profile: self.parts().options.profile.clone(),
            ..NewOrder::new(name.clone().into())
        };
        let mut order = OrderRecord::new(grant.device().clone(), csr.der(), sha256, wanted, now);
        order.tenant = tenant;
        order.previous = certificate.as_ref().map(Previous::of);
        let (order, due) = match before {
            Some(failed) => order.in_place_of(failed),
            None => (order, now),
        };
        // Whatever was looked at must still be so, or an order that ended meanwhile would be placed again.
        let write = Transaction::new()
            .put(ORDERS, name.as_str(), as_it_was(running.as_ref()), records::encode(&order), Some(due))
            .check(CERTIFICATES, name.as_str(), as_it_was(issued.as_ref()))
            .put(CERTIFICATE_KEYS, spki_key(csr.spki()), key_use, name.as_str().as_bytes().to_vec(), None);
        match store.commit(write).await {
            Ok(version) => self.note_order(name.as_str(), version, &order, due).await,
            Err(error) if error.is_conflict() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        self.notify(&Event::RequestAccepted { name, renewal: certificate.is_some() });
        self.wake_order_worker();
        self.certificate_status_of(grant).await.map(Some)
    }

    /// How the certificate of the device stands.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    pub async fn certificate_status(&self, grant: &Grant) -> Result<CertificateStatus, EngineError> {
        grant.require(Action::ReadCertificate)?;
        self.certificate_status_of(grant).await
    }

    async fn certificate_status_of(&self, grant: &Grant) -> Result<CertificateStatus, EngineError> {
        if let Some(running) = self.parts().store.read(ORDERS, grant.name().as_str()).await? {
            let order: OrderRecord = records::decode(&running)?;
            return self.order_status(&running, &order).await;
        }
        Ok(match self.parts().store.read(CERTIFICATES, grant.name().as_str()).await? {
            Some(found) => self.issued_status(&records::decode(&found)?),
            None => CertificateStatus::None,
        })
    }

    /// The gate: the rules for requests, for this name, and apart from the device's own key. Says whose the device is.
    async fn gate(&self, grant: &Grant, csr: &[u8]) -> Result<(VerifiedCsr, u32), EngineError> {
        let name = grant.name();
        let verified = VerifiedCsr::parse(csr, &self.parts().options.csr_policy)
            .and_then(|csr| csr.require_names(std::slice::from_ref(name)).map(|()| csr));
        let csr = verified.map_err(|refusal| self.refuse(name, refusal))?;
        let (mut known, mut tenant) = (KnownKeys::new(), 0);
        if let Some(found) = self.parts().store.read(DEVICES, grant.device().as_str()).await? {
            let device: DeviceRecord = records::decode(&found)?;
            known = known.with_identity(&device.key.spki_der());
            tenant = device.tenant;
        }
        if let Some(account) = self.parts().authority.account_spki() {
            known = known.with_account(&account);
        }
        self.require_key(name, &csr, &known)?;
        Ok((csr, tenant))
    }

    /// What the store must say of the request's key when the order is written: that no other name used it.
    async fn key_use(&self, grant: &Grant, csr: &VerifiedCsr) -> Result<Expect, EngineError> {
        let used = self.parts().store.read(CERTIFICATE_KEYS, &spki_key(csr.spki())).await?;
        if used.as_ref().is_some_and(|used| used.value != grant.name().as_str().as_bytes()) {
            self.require_key(grant.name(), csr, &KnownKeys::new().with_other_device(csr.spki()))?;
        }
        Ok(as_it_was(used.as_ref()))
    }

    /// Where the policy wants a new key each time: that it is not the one of the certificate before.
    fn is_rotated(
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
        csr.require_key(known, &self.parts().options.csr_policy).map_err(|refusal| self.refuse(name, refusal))
    }

    fn refuse(&self, name: &HostName, refusal: CsrRefusal) -> EngineError {
        self.notify(&Event::RequestRefused { name, why: &refusal.to_string() });
        if refusal.is_temporary() {
            return EngineError::new(EngineErrorKind::Unavailable, refusal);
        }
        EngineError::refused(refusal.code().as_str(), refusal)
    }

    async fn order_status(
        &self,
        stored: &Record,
        order: &OrderRecord,
    ) -> Result<CertificateStatus, EngineError> {
        let now = self.now();
        if let Some(failure) = &order.failure {
            let retry_at = stored.due;
            let problem = Problem::new(ProblemKind::OrderFailed, failure);
            return Ok(CertificateStatus::Failed {
                problem: order.failure_code.iter().fold(problem, Problem::with_code),
                retry_at: retry_at.map(unix),
                poll_after: poll_after(now, retry_at).as_secs(),
            });
        }
        let turn = self.turn(stored, order).await?;
        Ok(CertificateStatus::Queued {
            position: turn.ahead as u64,
            expected_at: unix(turn.expected_at),
            poll_after: poll_after(now, Some(turn.expected_at)).as_secs(),
            waits_for: turn.waits_for,
        })
    }

    fn issued_status(&self, certificate: &CertificateRecord) -> CertificateStatus {
        let now = self.now();
        let due = certificate.is_due(now);
        CertificateStatus::Issued {
            chain: certificate.chain.clone(),
            renew_at: certificate.renew_at.map(unix),
            due,
            poll_after: if due { MIN_POLL } else { poll_after(now, certificate.renew_at) }.as_secs(),
        }
    }
}

/// When to look again if something happens at `at`; far off, look now and then all the same.
fn poll_after(now: SystemTime, at: Option<SystemTime>) -> Duration {
    let until = at.and_then(|at| at.duration_since(now).ok()).unwrap_or(MIN_POLL);
    until.clamp(MIN_POLL, MAX_POLL)
}

fn as_it_was(found: Option<&Record>) -> Expect {
    found.map_or(Expect::Absent, |found| Expect::Version(found.version))
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn spki_key(spki: &[u8]) -> String {
    records::hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki).as_ref())
}
