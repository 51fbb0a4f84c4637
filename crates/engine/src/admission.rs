//! From a request to a grant: who it is, and whether it may.

use fleetcert_names::HostName;
use fleetcert_protocol::DeviceId;
use fleetcert_store::{Expect, Transaction};

use crate::policy::AuthenticationError;
use crate::records::{self, DEVICES, DeviceRecord, DeviceState};
use crate::{Action, Engine, EngineError, EngineErrorKind, Event, Grant, RequestParts};

/// A device that was authenticated, and may exist and still be told no.
#[derive(Debug)]
pub struct Caller {
    device: DeviceId,
    name: HostName,
    payload: Vec<u8>,
}

impl Caller {
    /// The device.
    pub fn device(&self) -> &DeviceId {
        &self.device
    }

    /// Its name.
    pub fn name(&self) -> &HostName {
        &self.name
    }

    /// What it sent.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl Engine {
    /// Finds out who sent a request.
    ///
    /// # Errors
    /// `Unauthenticated` when no device did, `Denied` when it is suspended, `Unavailable` when it cannot be
    /// known.
    pub async fn authenticate(&self, request: RequestParts) -> Result<Caller, EngineError> {
        let parts = self.parts();
        let rejected = || EngineError::new(EngineErrorKind::Unauthenticated, "enrol again if it was reset");
        let identified = match parts.authenticator.authenticate(request).await {
            Ok(identified) => identified,
            Err(AuthenticationError::Unavailable(error)) => {
                return Err(EngineError::new(EngineErrorKind::Unavailable, error));
            }
            Err(AuthenticationError::Rejected) => {
                self.notify(&Event::Unauthenticated);
                return Err(rejected());
            }
        };
        let found = parts.store.read(DEVICES, identified.device.as_str()).await?.ok_or_else(rejected)?;
        let record: DeviceRecord = records::decode(&found)?;
        match record.state {
            DeviceState::Active => {}
            DeviceState::Suspended => {
                self.notify(&Event::Denied { device: &identified.device, why: "the device is suspended" });
                return Err(EngineError::new(EngineErrorKind::Denied, "the device is suspended"));
            }
        }
        Ok(Caller { device: identified.device, name: record.name, payload: identified.payload })
    }

    /// Suspends a device, or lets it come back. What it asks for is refused from the next request on, and its order
    /// goes no further from the next step on; its names stay in the zone, and its certificate stays good.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn set_device_state(&self, device: &DeviceId, state: DeviceState) -> Result<(), EngineError> {
        let store = &self.parts().store;
        let missing = || EngineError::new(EngineErrorKind::NotFound, device.to_string());
        let found = store.read(DEVICES, device.as_str()).await?.ok_or_else(missing)?;
        let record = DeviceRecord { state, ..records::decode(&found)? };
        let expect = Expect::Version(found.version);
        store
            .commit(Transaction::new().put(DEVICES, found.key, expect, records::encode(&record), None))
            .await?;
        Ok(())
    }

    /// Asks the authorizer whether the caller may do `action` to its own name.
    ///
    /// # Errors
    /// `Denied`, with the reason.
    pub async fn authorize(&self, caller: &Caller, action: Action) -> Result<Grant, EngineError> {
        match self.parts().authorizer.decide(caller, action).await {
            Ok(()) => Ok(Grant::new(caller.device.clone(), caller.name.clone(), action)),
            Err(denial) => {
                self.notify(&Event::Denied { device: &caller.device, why: &denial.0 });
                Err(EngineError::new(EngineErrorKind::Denied, denial))
            }
        }
    }
}

impl Grant {
    /// A grant serves the action that it was made for and no other.
    pub(crate) fn require(&self, action: Action) -> Result<(), EngineError> {
        if self.action() == action {
            Ok(())
        } else {
            Err(EngineError::new(EngineErrorKind::Denied, "the grant is for another action"))
        }
    }
}
