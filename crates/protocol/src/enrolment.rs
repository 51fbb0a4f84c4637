//! How a key becomes a device.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::Entropy;
use fleetcert_names::{HostName, Label};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::object::{self, Object};
use crate::{DeviceId, ProtocolError};

/// A wish to join the fleet, signed with the key that the device will have.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Object<Members>")]
pub struct EnrolRequest {
    /// The operator's permission.
    pub token: EnrolmentToken,
    /// The label that the device would like to have; the server may say no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    token: EnrolmentToken,
    #[serde(default, deserialize_with = "object::present")]
    label: Option<Label>,
}

impl From<Object<Members>> for EnrolRequest {
    fn from(Object(Members { token, label }): Object<Members>) -> Self {
        Self { token, label }
    }
}

/// The device's id and name, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// What its requests are signed as.
    pub device: DeviceId,
    /// How it is called.
    pub name: HostName,
}

/// A secret of 256 random bits that admits one device. Shown once, and wiped when dropped.
///
/// ```
/// use fleetcert_ambient::SystemEntropy;
/// use fleetcert_protocol::EnrolmentToken;
///
/// let token = EnrolmentToken::generate(&SystemEntropy);
/// let kept = token.hash(); // the server keeps this, the device gets the text
/// let arrived: EnrolmentToken = token.expose().parse()?;
/// assert_eq!(arrived.hash(), kept);
/// # Ok::<(), fleetcert_protocol::ProtocolError>(())
/// ```
#[derive(Clone)]
pub struct EnrolmentToken(SecretString);

const OCTETS: usize = 32;

impl EnrolmentToken {
    /// A new token.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; OCTETS];
        entropy.fill(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// SHA-256 of the token: what a server keeps.
    pub fn hash(&self) -> [u8; 32] {
        let hash = digest::digest(&digest::SHA256, self.0.expose_secret().as_bytes());
        hash.as_ref().try_into().expect("SHA-256 has 32 octets")
    }

    /// The token as text, to be handed to the device. Whoever has it can enrol.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl FromStr for EnrolmentToken {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(bytes) if bytes.len() == OCTETS => Ok(Self(text.into())),
            // The text may be a secret with a typing error: it is not repeated.
            _ => Err(ProtocolError::malformed("an enrolment token is 43 characters of base64url")),
        }
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentToken(…)")
    }
}

impl Serialize for EnrolmentToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.expose().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EnrolmentToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_ambient::SeededEntropy;

    #[test]
    fn a_token_is_not_printed() {
        let token = EnrolmentToken::generate(&SeededEntropy::new(1));
        let request = EnrolRequest { token: token.clone(), label: None };
        assert!(!format!("{request:?}").contains(token.expose()));
        assert_eq!(token.expose().parse::<EnrolmentToken>().unwrap().hash(), token.hash());
        let broken = &token.expose()[1..];
        assert!(!broken.parse::<EnrolmentToken>().unwrap_err().to_string().contains(broken));
    }
}
