//! Admission: from a request to a grant.

use std::sync::Arc;

use fleetcert_names::HostName;
use fleetcert_protocol::DeviceId;
use fleetcert_store::{Expect, Transaction};

use crate::context::ServiceContext;
use crate::policy::{AuthenticationError, Authorizer, DeviceAuthenticator};
use crate::records::{self, DEVICES, DeviceRecord, DeviceState};
use crate::{Action, EngineError, EngineErrorKind, Event, Grant, RequestParts};

/// An authenticated device. It may still be denied what it asks for.
#[derive(Debug)]
pub struct Caller {
    device: DeviceId,
    record: DeviceRecord,
    payload: Vec<u8>,
}

impl Caller {
    /// Returns the device.
    pub fn device(&self) -> &DeviceId {
        &self.device
    }

    /// Returns its host name.
    pub fn name(&self) -> &HostName {
        &self.record.name
    }

    /// Returns the payload of its request.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// The service that decides who sent a request, and what the sender may do.
#[derive(Debug)]
pub(crate) struct DeviceAdmission {
    context: ServiceContext,
    authenticator: Arc<dyn DeviceAuthenticator>,
    authorizer: Arc<dyn Authorizer>,
    /// Whether a grant covers the wildcard below the host name.
    wildcards: bool,
}

impl DeviceAdmission {
    pub(crate) fn new(
        context: ServiceContext,
        authenticator: Arc<dyn DeviceAuthenticator>,
        authorizer: Arc<dyn Authorizer>,
        wildcards: bool,
    ) -> Self {
        Self { context, authenticator, authorizer, wildcards }
    }

    /// Returns the device that sent a request, if it is active.
    pub(crate) async fn authenticate(&self, request: RequestParts) -> Result<Caller, EngineError> {
        let rejected = || EngineError::new(EngineErrorKind::Unauthenticated, "enrol again if it was reset");
        let identified = match self.authenticator.authenticate(request).await {
            Ok(identified) => identified,
            Err(AuthenticationError::Unavailable(error)) => {
                return Err(EngineError::new(EngineErrorKind::Unavailable, error));
            }
            Err(AuthenticationError::Rejected) => {
                self.context.notify(&Event::Unauthenticated);
                return Err(rejected());
            }
        };
        let record = match identified.record {
            Some(record) => record,
            None => {
                let found = self.context.store.read(DEVICES, identified.device.as_str()).await?;
                records::decode(&found.ok_or_else(rejected)?)?
            }
        };
        match record.state {
            DeviceState::Active => {}
            DeviceState::Suspended => {
                self.context
                    .notify(&Event::Denied { device: &identified.device, why: "the device is suspended" });
                return Err(EngineError::new(EngineErrorKind::Denied, "the device is suspended"));
            }
        }
        Ok(Caller { device: identified.device, record, payload: identified.payload })
    }

    /// Sets the state of a device.
    pub(crate) async fn set_device_state(
        &self,
        device: &DeviceId,
        state: DeviceState,
    ) -> Result<(), EngineError> {
        let store = &self.context.store;
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
    pub(crate) async fn authorize(&self, caller: &Caller, action: Action) -> Result<Grant, EngineError> {
        match self.authorizer.decide(caller, action).await {
            Ok(()) => Ok(Grant::new(caller.device.clone(), caller.record.clone(), self.wildcards, action)),
            Err(denial) => {
                self.context.notify(&Event::Denied { device: &caller.device, why: &denial.0 });
                Err(EngineError::new(EngineErrorKind::Denied, denial))
            }
        }
    }
}

impl Grant {
    /// Checks that the grant is for this action.
    pub(crate) fn require(&self, action: Action) -> Result<(), EngineError> {
        if self.action() == action {
            Ok(())
        } else {
            Err(EngineError::new(EngineErrorKind::Denied, "the grant is for another action"))
        }
    }
}
