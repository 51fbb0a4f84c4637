//! Who is this.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_protocol::DeviceId;
use fleetcert_store::Store;

use crate::RequestView;
use crate::records::{self, DEVICES, DeviceRecord};

/// Finds out which device a request comes from.
///
/// The nonce was checked before. An implementation checks everything else that makes the request the device's
/// own, above all that it was meant for this URL.
#[async_trait]
pub trait DeviceAuthenticator: Send + Sync + fmt::Debug {
    /// The device, and the payload that it vouches for.
    ///
    /// # Errors
    /// [`AuthenticationError::Rejected`] whatever was wrong, so that nobody can find out which devices there
    /// are; [`AuthenticationError::Unavailable`] when it cannot be known, which is never taken for a yes.
    async fn authenticate(&self, request: RequestView) -> Result<Identified, AuthenticationError>;
}

/// A device that a request was found to come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// The device.
    pub device: DeviceId,
    /// What it vouches for, as it was sent.
    pub payload: Vec<u8>,
}

/// No device was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationError {
    /// The request is no known device's.
    #[error("the request is no known device's")]
    Rejected,
    /// It cannot be known now.
    #[error("devices cannot be looked up now: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The default: the key that the device enrolled with signs each request.
#[derive(Debug)]
pub struct DeviceKeys {
    store: Arc<dyn Store>,
}

impl DeviceKeys {
    /// The devices of this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl DeviceAuthenticator for DeviceKeys {
    async fn authenticate(&self, request: RequestView) -> Result<Identified, AuthenticationError> {
        let RequestView { request, url } = request;
        let device = request.device().cloned().ok_or(AuthenticationError::Rejected)?;
        let found = self.store.read(DEVICES, device.as_str()).await;
        let found = found.map_err(|error| AuthenticationError::Unavailable(error.into()))?;
        let found = found.ok_or(AuthenticationError::Rejected)?;
        let record: DeviceRecord =
            records::decode(&found).map_err(|error| AuthenticationError::Unavailable(error.into()))?;
        let payload = request.open_bytes(&record.key, &url).map_err(|_| AuthenticationError::Rejected)?;
        Ok(Identified { device, payload })
    }
}
