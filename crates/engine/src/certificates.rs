//! What a device asks about its certificate, and what it is told.

use std::time::{Duration, SystemTime};

use fleetcert_acme::NewOrder;
use fleetcert_protocol::{CertificateRequest, CertificateStatus, Problem, ProblemKind};
use fleetcert_schedule::expected_completion;
use fleetcert_store::{Expect, Record, Transaction};
use fleetcert_x509::VerifiedCsr;

use crate::records::{
    self, CERTIFICATE_KEYS, CERTIFICATES, CertificateRecord, DEVICES, DeviceRecord, ORDERS, OrderRecord,
};
use crate::{Action, Engine, EngineError, EngineErrorKind, Event, Grant};

/// A place in the queue beyond this is told as this.
const MAX_POSITION: usize = 10_000;
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
        let csr = self.gate(grant, request.csr.as_bytes()).await?;
        let store = &self.parts().store;
        let name = grant.name();
        let sha256 = records::hex(csr.sha256());

        if let Some(running) = store.read(ORDERS, name.as_str()).await? {
            let order: OrderRecord = records::decode(&running)?;
            if order.csr_sha256 == sha256 || !order.may_be_replaced() {
                return self.order_status(&running, &order).await;
            }
        }
        let certificate = self.certificate(grant).await?;
        let now = self.now();
        if let Some(certificate) = &certificate {
            if certificate.csr_sha256 == sha256 && !certificate.may_be_renewed(now) {
                return Ok(self.issued_status(certificate));
            }
            let options = &self.parts().options;
            let limit = certificate.limited_until(now, options.certificates_per_name, options.name_period);
            if let Some(until) = limit {
                return Err(EngineError::limited(now, until, "this name has had its certificates for now"));
            }
        }
        let account = self.parts().authority.account_url();
        let replaces = certificate.as_ref().filter(|old| old.account_url == account);
        let wanted = NewOrder {
            replaces: replaces.and_then(|old| old.certificate_id.as_deref()?.parse().ok()),
            profile: self.parts().options.profile.clone(),
            ..NewOrder::new([name.clone()])
        };
        let order = OrderRecord::new(grant.device().clone(), csr.der(), sha256, wanted, now);
        let running = store.read(ORDERS, name.as_str()).await?;
        let expect = running.map_or(Expect::Absent, |found| Expect::Version(found.version));
        let spki = spki_key(csr.spki());
        let write = Transaction::new()
            .put(ORDERS, name.as_str(), expect, records::encode(&order), Some(now))
            .put(CERTIFICATE_KEYS, spki, Expect::Any, name.as_str().as_bytes().to_vec(), None);
        store.commit(write).await?;
        self.notify(&Event::RequestAccepted { name, renewal: certificate.is_some() });
        self.wake_order_worker();
        self.certificate_status_of(grant).await
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
        Ok(match self.certificate(grant).await? {
            Some(certificate) => self.issued_status(&certificate),
            None => CertificateStatus::None,
        })
    }

    /// The gate: the rules for requests, then what only the store knows about the key.
    async fn gate(&self, grant: &Grant, csr: &[u8]) -> Result<VerifiedCsr, EngineError> {
        let name = grant.name();
        let verified = VerifiedCsr::parse(csr, &self.parts().options.csr_policy)
            .and_then(|csr| csr.require_names(std::slice::from_ref(name)).map(|()| csr));
        let csr = verified.map_err(|refusal| {
            self.notify(&Event::RequestRefused { name, why: &refusal.to_string() });
            EngineError::new(EngineErrorKind::CsrRefused, refusal)
        })?;
        let refuse = |why: &'static str| {
            self.notify(&Event::RequestRefused { name, why });
            Err(EngineError::new(EngineErrorKind::CsrRefused, why))
        };
        let store = &self.parts().store;
        if let Some(found) = store.read(DEVICES, grant.device().as_str()).await? {
            let device: DeviceRecord = records::decode(&found)?;
            if device.key.spki_der() == csr.spki() {
                return refuse("key_is_identity: make a key for the certificate apart from the identity key");
            }
        }
        match store.read(CERTIFICATE_KEYS, &spki_key(csr.spki())).await? {
            Some(used) if used.value != name.as_str().as_bytes() => {
                refuse("key_reused: another device has this key; make a new one on each device")
            }
            _ => Ok(csr),
        }
    }

    async fn certificate(&self, grant: &Grant) -> Result<Option<CertificateRecord>, EngineError> {
        let found = self.parts().store.read(CERTIFICATES, grant.name().as_str()).await?;
        found.as_ref().map(records::decode).transpose()
    }

    async fn order_status(
        &self,
        stored: &Record,
        order: &OrderRecord,
    ) -> Result<CertificateStatus, EngineError> {
        let now = self.now();
        if let Some(failure) = &order.failure {
            let retry_at = stored.due;
            return Ok(CertificateStatus::Failed {
                problem: Problem::new(ProblemKind::OrderFailed, failure),
                retry_at: retry_at.map(unix),
                poll_after: poll_after(now, retry_at).as_secs(),
            });
        }
        let ahead = self.parts().store.count_due(ORDERS, order.queued_at, MAX_POSITION).await?;
        let in_flight = self.parts().options.orders_in_flight;
        let expected_at = expected_completion(now, ahead, in_flight, self.mean_order_time());
        Ok(CertificateStatus::Queued {
            position: ahead as u64,
            expected_at: unix(expected_at),
            poll_after: poll_after(now, Some(expected_at)).as_secs(),
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

fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn spki_key(spki: &[u8]) -> String {
    records::hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki).as_ref())
}
