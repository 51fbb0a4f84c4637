//! The id of an enrolled device.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::Entropy;
use serde::{Deserialize, Serialize};

use crate::ProtocolError;

/// The id of a device: 16 random octets, as 22 characters of base64url. It is not a secret and proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DeviceId(String);

const OCTETS: usize = 16;

impl DeviceId {
    /// Makes a new id.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; OCTETS];
        entropy.fill(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceId {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(bytes) if bytes.len() == OCTETS => Ok(Self(text.to_owned())),
            _ => Err(ProtocolError::malformed("a device id is 22 characters of base64url")),
        }
    }
}

impl TryFrom<String> for DeviceId {
    type Error = ProtocolError;

    fn try_from(text: String) -> Result<Self, ProtocolError> {
        text.parse()
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
