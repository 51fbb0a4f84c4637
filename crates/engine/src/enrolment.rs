//! How a key becomes a device with a name.

use std::time::Duration;

use fleetcert_jose::Jwk;
use fleetcert_names::{HostName, Label};
use fleetcert_protocol::{DeviceId, EnrolRequest, Enrolled, EnrolmentToken};
use fleetcert_schedule::queue::Tenant;
use fleetcert_store::{Expect, Transaction};

use crate::policy::EnrolmentDecision;
use crate::records::{self, DEVICE_KEYS, DEVICES, DeviceRecord, DeviceState, LABELS, TOKENS, TokenRecord};
use crate::{Engine, EngineError, EngineErrorKind, Event};

/// Random labels collide never; somebody else's token or key may be written at the same moment.
const TRIES: usize = 4;
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

impl Engine {
    /// Makes a token that admits one device within `lifetime`, of which the first ten years count. It is shown here
    /// once; the store has its hash.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn issue_token(&self, lifetime: Duration) -> Result<EnrolmentToken, EngineError> {
        self.issue_token_of(Tenant::default(), lifetime).await
    }

    /// The same for a device of this tenant: a customer, a site, a team. See
    /// [`tenant_weights`](crate::EngineOptions::tenant_weights).
    ///
    /// # Errors
    /// As [`issue_token`](Self::issue_token).
    pub async fn issue_token_of(
        &self,
        tenant: Tenant,
        lifetime: Duration,
    ) -> Result<EnrolmentToken, EngineError> {
        let token = EnrolmentToken::generate(self.parts().entropy.as_ref());
        let expires = self.now() + lifetime.min(LONGEST_LIFE);
        let record = records::encode(&TokenRecord { expires, used: None, tenant: tenant.0 });
        let key = crate::policy::token_key(&token);
        let write = Transaction::new().put(TOKENS, key, Expect::Absent, record, Some(expires));
        self.parts().store.commit(write).await?;
        Ok(token)
    }

    /// Makes a device of `key`, whose possession the request has proved, and gives it its name.
    ///
    /// The same token with the same key gets the same answer again, since the first may have been lost.
    ///
    /// # Errors
    /// `TokenUnknown`, `TokenUsed`, `KeyInUse`, `LabelTaken`, `LabelNotAllowed`, `Unavailable`.
    pub async fn enrol(&self, request: &EnrolRequest, key: &Jwk) -> Result<Enrolled, EngineError> {
        for _ in 0..TRIES {
            let device = DeviceId::generate(self.parts().entropy.as_ref());
            let thumbprint = key.thumbprint();
            let decision =
                self.parts().enroller.decide(&request.token, &thumbprint, &device, self.now()).await?;
            let (admission, tenant) = match decision {
                EnrolmentDecision::Again(device) => return self.enrolled(device).await,
                EnrolmentDecision::Admit { write, tenant } => (write, tenant),
            };
            let label = self.label_for(request.label.as_ref())?;
            let name = self.name_of(&label)?;
            let record = DeviceRecord {
                key: key.clone(),
                name: name.clone(),
                state: DeviceState::Active,
                enrolled_at: self.now(),
                tenant: tenant.0,
            };
            let id = device.as_str().as_bytes().to_vec();
            let write = admission
                .put(DEVICES, device.as_str(), Expect::Absent, records::encode(&record), None)
                .put(DEVICE_KEYS, thumbprint.as_str(), Expect::Absent, id.clone(), None)
                .put(LABELS, label.as_str(), Expect::Absent, id, None);
            match self.parts().store.commit(write).await {
                Ok(_) => {
                    self.notify(&Event::Enrolled { device: &device, name: &name });
                    return Ok(Enrolled { device, name });
                }
                Err(error) if error.is_conflict() => {
                    self.explain_conflict(thumbprint.as_str(), &label, request).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::new(EngineErrorKind::Unavailable, "too many enrolments at the same time"))
    }

    fn label_for(&self, asked: Option<&Label>) -> Result<Label, EngineError> {
        let chosen = self.parts().labels.choose(asked, self.parts().entropy.as_ref());
        chosen.map_err(|refusal| EngineError::new(EngineErrorKind::LabelNotAllowed, refusal))
    }

    fn name_of(&self, label: &Label) -> Result<HostName, EngineError> {
        let name = self.parts().options.zone.child(label).and_then(HostName::try_from);
        name.map_err(|error| EngineError::new(EngineErrorKind::LabelNotAllowed, error))
    }

    async fn enrolled(&self, device: DeviceId) -> Result<Enrolled, EngineError> {
        let found = self.parts().store.read(DEVICES, device.as_str()).await?;
        let gone = || EngineError::new(EngineErrorKind::TokenUsed, "its device is gone");
        let record: DeviceRecord = records::decode(&found.ok_or_else(gone)?)?;
        Ok(Enrolled { device, name: record.name })
    }

    /// What stood in the way, if trying again does not help.
    async fn explain_conflict(
        &self,
        thumbprint: &str,
        label: &Label,
        request: &EnrolRequest,
    ) -> Result<(), EngineError> {
        let store = &self.parts().store;
        // With the same token this is a lost answer, which the next try gives again.
        let by_token = store.read(TOKENS, &crate::policy::token_key(&request.token)).await?;
        let used = match &by_token {
            Some(found) => records::decode::<TokenRecord>(found)?.used.is_some(),
            None => false,
        };
        if !used && store.read(DEVICE_KEYS, thumbprint).await?.is_some() {
            return Err(EngineError::new(
                EngineErrorKind::KeyInUse,
                "make a new identity key for each device",
            ));
        }
        if !used && request.label.is_some() && store.read(LABELS, label.as_str()).await?.is_some() {
            return Err(EngineError::new(EngineErrorKind::LabelTaken, "ask for another, or for none"));
        }
        Ok(())
    }
}
