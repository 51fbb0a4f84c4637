//! The decision which device sent a request.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_protocol::DeviceId;
use fleetcert_store::Store;

use crate::RequestParts;
use crate::records::{self, DEVICES, DeviceRecord};

/// Finds out which device a request comes from.
///
/// The nonce of an envelope was checked before. An implementation checks everything else that makes the request the
/// device's own, above all that it was meant for this URL. Whether the device is suspended is for the engine to look
/// at.
///
/// [`conformance::authenticator`](crate::conformance::authenticator) checks an authenticator of yours.
///
/// ```
/// use async_trait::async_trait;
/// use fleetcert_engine::{
///     AuthenticationError, DeviceAuthenticator, Identified, RequestParts,
/// };
/// use fleetcert_protocol::DeviceId;
/// use std::collections::HashMap;
///
/// /// Mutual TLS: each device's certificate is known.
/// #[derive(Debug)]
/// struct KnownCertificates(HashMap<Vec<u8>, DeviceId>);
///
/// #[async_trait]
/// impl DeviceAuthenticator for KnownCertificates {
///     async fn authenticate(
///         &self,
///         request: RequestParts,
///     ) -> Result<Identified, AuthenticationError> {
///         let identity = request.origin.tls_identity;
///         let device = identity.and_then(|shown| self.0.get(shown.leaf()).cloned());
///         match (device, request.envelope) {
///             (Some(device), None) => Ok(Identified::new(device, request.body)),
///             _ => Err(AuthenticationError::Rejected),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait DeviceAuthenticator: Send + Sync + fmt::Debug {
    /// Returns the device, and the payload that it vouches for.
    ///
    /// # Errors
    /// [`AuthenticationError::Rejected`] for every fault of the request, so that nobody can find out which devices
    /// there are; [`AuthenticationError::Unavailable`] when the device cannot be looked up, which is never a yes.
    async fn authenticate(&self, request: RequestParts) -> Result<Identified, AuthenticationError>;
}

/// A device that a request was found to come from.
#[derive(Clone, Debug)]
pub struct Identified {
    /// Device.
    pub device: DeviceId,
    /// Payload that it vouches for, as it was sent.
    pub payload: Vec<u8>,
    /// Record of the device, if it was read on the way.
    pub(crate) record: Option<DeviceRecord>,
}

impl Identified {
    /// Makes the result of a request that comes from this device and has this payload.
    pub fn new(device: DeviceId, payload: Vec<u8>) -> Self {
        Self { device, payload, record: None }
    }
}

/// No device was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationError {
    /// The request does not come from a known device.
    #[error("the request does not come from a known device")]
    Rejected,
    /// Devices cannot be looked up.
    #[error("devices cannot be looked up: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The default authenticator: the key that the device enrolled with signs each request's envelope.
#[derive(Debug)]
pub struct DeviceKeys {
    store: Arc<dyn Store>,
}

impl DeviceKeys {
    /// Makes an authenticator for the devices in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl DeviceAuthenticator for DeviceKeys {
    async fn authenticate(&self, request: RequestParts) -> Result<Identified, AuthenticationError> {
        let envelope = request.envelope.ok_or(AuthenticationError::Rejected)?;
        let device = envelope.device().cloned().ok_or(AuthenticationError::Rejected)?;
        let found = self.store.read(DEVICES, device.as_str()).await;
        let found = found.map_err(|error| AuthenticationError::Unavailable(error.into()))?;
        let found = found.ok_or(AuthenticationError::Rejected)?;
        let record: DeviceRecord =
            records::decode(&found).map_err(|error| AuthenticationError::Unavailable(error.into()))?;
        let opened = envelope.open_bytes(&record.key, &request.url);
        let payload = opened.map_err(|_| AuthenticationError::Rejected)?;
        Ok(Identified { device, payload, record: Some(record) })
    }
}
