//! Enrolment: a key becomes a device with a name.

use std::sync::Arc;
use std::time::Duration;

use fleetcert_jose::{Jwk, Thumbprint};
use fleetcert_names::{DomainName, HostName, Label};
use fleetcert_protocol::{
    DeviceId, EnrolRequest, Enrolled, EnrolmentAnswer, EnrolmentPending, EnrolmentToken,
};
use fleetcert_schedule::order_queue::Tenant;
use fleetcert_store::{Expect, Transaction};

use crate::context::ServiceContext;
use crate::policy::{
    Admission, Applicant, Enroller, EnrolmentDecision, EnrolmentRefusal, LabelPolicy, PendingEnrolment,
};
use crate::records::{self, DEVICE_KEYS, DEVICES, DeviceRecord, DeviceState, LABELS, TOKENS, TokenRecord};
use crate::{EngineError, EngineErrorKind, Event, RequestOrigin};

/// A commit loses against a concurrent use of the same token, key or label, each at most once.
const MAX_ATTEMPTS: usize = 4;
const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The service that makes devices of keys.
#[derive(Debug)]
pub(crate) struct Enrolment {
    context: ServiceContext,
    zone: DomainName,
    enroller: Arc<dyn Enroller>,
    labels: Arc<dyn LabelPolicy>,
}

impl Enrolment {
    pub(crate) fn new(
        context: ServiceContext,
        zone: DomainName,
        enroller: Arc<dyn Enroller>,
        labels: Arc<dyn LabelPolicy>,
    ) -> Self {
        Self { context, zone, enroller, labels }
    }

    /// Makes a token for a device of `tenant`.
    pub(crate) async fn issue_token(
        &self,
        tenant: Tenant,
        lifetime: Duration,
    ) -> Result<EnrolmentToken, EngineError> {
        let token = EnrolmentToken::generate(self.context.ambient.entropy.as_ref());
        let expires = self.context.now() + lifetime.min(MAX_TOKEN_LIFETIME);
        let record = records::encode(&TokenRecord { expires, used: None, tenant: tenant.0 });
        let key = crate::policy::token_key(&token);
        let write = Transaction::new().put(TOKENS, key, Expect::Absent, record, Some(expires));
        self.context.store.commit(write).await?;
        Ok(token)
    }

    /// Makes a device of `key`, if the enroller admits it.
    pub(crate) async fn enrol(
        &self,
        request: &EnrolRequest,
        key: &Jwk,
        origin: &RequestOrigin,
    ) -> Result<EnrolmentAnswer, EngineError> {
        let thumbprint = key.thumbprint();
        let mut label_taken = false;
        for _ in 0..MAX_ATTEMPTS {
            let device = DeviceId::generate(self.context.ambient.entropy.as_ref());
            // Read before the decision: a device that joined by this very proof is known to the enroller by then.
            let known_as = self.device_of(&thumbprint).await?;
            let applicant = Applicant {
                proof: &request.proof,
                key,
                thumbprint: &thumbprint,
                known_as: known_as.as_ref(),
                origin,
                claims: &request.claims,
                label: request.label.as_ref(),
                device: &device,
                now: self.context.now(),
            };
            let admission = match self.enroller.decide(&applicant).await? {
                EnrolmentDecision::Admit(admission) => admission,
                EnrolmentDecision::AlreadyAdmitted(device) => {
                    return self.enrolled(device).await.map(EnrolmentAnswer::Enrolled);
                }
                EnrolmentDecision::Refused(refusal) => {
                    self.context.notify(&Event::EnrolmentRefused { code: &refusal.code });
                    return Err(EngineError::enrolment_refused(refusal));
                }
                EnrolmentDecision::Pending(pending) => match self.commit_pending(pending).await? {
                    Some(pending) => return Ok(EnrolmentAnswer::Pending(pending)),
                    None => continue,
                },
            };
            if known_as.is_some() {
                let remedy = "make a new identity key for each device";
                return Err(EngineError::new(EngineErrorKind::KeyInUse, remedy));
            }
            if label_taken {
                return Err(EngineError::new(EngineErrorKind::LabelTaken, "ask for another, or for none"));
            }
            let fixed_label = admission.label.is_some() || request.label.is_some();
            let label = self.label_for(&admission, request.label.as_ref())?;
            if let Some(enrolled) = self.commit_device(&applicant, admission, &label).await? {
                return Ok(EnrolmentAnswer::Enrolled(enrolled));
            }
            label_taken = fixed_label && self.context.store.read(LABELS, label.as_str()).await?.is_some();
        }
        Err(EngineError::new(EngineErrorKind::Unavailable, "too many enrolments at the same time"))
    }

    /// Commits the device with what its enroller writes; `None` when another write came first.
    async fn commit_device(
        &self,
        applicant: &Applicant<'_>,
        admission: Admission,
        label: &Label,
    ) -> Result<Option<Enrolled>, EngineError> {
        let (device, name) = (applicant.device.clone(), self.name_of(label)?);
        let record = DeviceRecord {
            key: applicant.key.clone(),
            name: name.clone(),
            state: DeviceState::Active,
            enrolled_at: applicant.now,
            tenant: admission.tenant.0,
        };
        let id = device.as_str().as_bytes().to_vec();
        let write = admission
            .write
            .put(DEVICES, device.as_str(), Expect::Absent, records::encode(&record), None)
            .put(DEVICE_KEYS, applicant.thumbprint.as_str(), Expect::Absent, id.clone(), None)
            .put(LABELS, label.as_str(), Expect::Absent, id, None);
        if !self.committed(write).await? {
            return Ok(None);
        }
        self.context.notify(&Event::Enrolled { device: &device, name: &name });
        Ok(Some(Enrolled { device, name }))
    }

    /// Commits what remembers a pending enrolment; `None` when another write came first.
    async fn commit_pending(
        &self,
        pending: PendingEnrolment,
    ) -> Result<Option<EnrolmentPending>, EngineError> {
        if !pending.write.writes().is_empty() && !self.committed(pending.write).await? {
            return Ok(None);
        }
        self.context.notify(&Event::EnrolmentPending { code: &pending.code });
        let retry_after = pending.retry_after.as_secs().max(1);
        Ok(Some(EnrolmentPending { code: pending.code.into_owned(), retry_after }))
    }

    /// Returns whether `write` went through: `false` for a conflict with another write.
    async fn committed(&self, write: Transaction) -> Result<bool, EngineError> {
        match self.context.store.commit(write).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn label_for(&self, admission: &Admission, wished: Option<&Label>) -> Result<Label, EngineError> {
        if let Some(assigned) = &admission.label {
            return Ok(assigned.clone());
        }
        let chosen = self.labels.choose(wished, self.context.ambient.entropy.as_ref());
        chosen.map_err(|refusal| EngineError::new(EngineErrorKind::LabelNotAllowed, refusal))
    }

    fn name_of(&self, label: &Label) -> Result<HostName, EngineError> {
        let name = self.zone.child(label).and_then(HostName::try_from);
        name.map_err(|error| EngineError::new(EngineErrorKind::LabelNotAllowed, error))
    }

    /// Returns the device that a key is.
    async fn device_of(&self, thumbprint: &Thumbprint) -> Result<Option<DeviceId>, EngineError> {
        let found = self.context.store.read(DEVICE_KEYS, thumbprint.as_str()).await?;
        let id = found.map(|record| String::from_utf8_lossy(&record.value).parse());
        id.transpose().map_err(|error| EngineError::new(EngineErrorKind::Corrupt, error))
    }

    async fn enrolled(&self, device: DeviceId) -> Result<Enrolled, EngineError> {
        let found = self.context.store.read(DEVICES, device.as_str()).await?;
        let Some(found) = found else {
            let gone = EnrolmentRefusal::new("device_gone", "its device was removed; ask the operator");
            return Err(EngineError::enrolment_refused(gone));
        };
        let record: DeviceRecord = records::decode(&found)?;
        Ok(Enrolled { device, name: record.name })
    }
}
