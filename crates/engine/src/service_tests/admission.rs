use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_protocol::DeviceId;

use super::{Fixture, device, device_record, name};
use crate::admission::DeviceAdmission;
use crate::records::{DEVICES, encode};
use crate::{
    AuthenticationError, DeviceAuthenticator, DeviceState, EngineErrorKind, Identified, OwnName,
    RequestOrigin, RequestParts,
};

/// Takes each request for one of this device.
#[derive(Debug)]
struct TakesAllFor(DeviceId);

#[async_trait]
impl DeviceAuthenticator for TakesAllFor {
    async fn authenticate(&self, request: RequestParts) -> Result<Identified, AuthenticationError> {
        Ok(Identified::new(self.0.clone(), request.body))
    }
}

#[tokio::test(start_paused = true)]
async fn device_is_denied_while_it_is_suspended_or_unknown_whatever_the_authenticator_says() {
    let fixture = Fixture::new();
    let authenticator = Arc::new(TakesAllFor(device()));
    let admission = DeviceAdmission::new(fixture.context(), authenticator, Arc::new(OwnName), false);
    let authenticate = async || {
        let origin = RequestOrigin::default();
        let request = RequestParts { url: String::new(), envelope: None, body: Vec::new(), origin };
        admission.authenticate(request).await.map(|caller| caller.name().clone())
    };
    assert_eq!(authenticate().await.unwrap_err().kind(), EngineErrorKind::Unauthenticated);

    fixture.put(DEVICES, device().as_str(), encode(&device_record()), None).await;
    assert_eq!(authenticate().await.unwrap(), name());
    admission.set_device_state(&device(), DeviceState::Suspended).await.unwrap();
    assert_eq!(authenticate().await.unwrap_err().kind(), EngineErrorKind::Denied);
}
