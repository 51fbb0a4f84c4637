//! The one-time token.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::Entropy;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ProtocolError;

/// A secret of 256 random bits that admits one device. Its memory is wiped when it is dropped.
///
/// It has no `Display` and its `Debug` shows nothing, so that it does not get into a log by accident.
/// [`expose`](Self::expose) is the one way to show it: print it once, for the person who sets up the device, and
/// keep the [`hash`](Self::hash) alone.
///
/// ```
/// use fleetcert_ambient::SystemEntropy;
/// use fleetcert_protocol::EnrolmentToken;
///
/// let token = EnrolmentToken::generate(&SystemEntropy);
/// println!("enrol with: {}", token.expose()); // shown once
/// let kept = token.hash(); // what the server keeps
/// let arrived: EnrolmentToken = token.expose().parse()?;
/// assert_eq!(arrived.hash(), kept);
/// # Ok::<(), fleetcert_protocol::ProtocolError>(())
/// ```
#[derive(Clone)]
pub struct EnrolmentToken(SecretString);

const OCTETS: usize = 32;

impl EnrolmentToken {
    /// Makes a new token.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; OCTETS];
        entropy.fill(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// Returns the SHA-256 of the token: what a server keeps.
    pub fn hash(&self) -> [u8; 32] {
        let hash = digest::digest(&digest::SHA256, self.0.expose_secret().as_bytes());
        hash.as_ref().try_into().expect("SHA-256 has 32 octets")
    }

    /// Returns the token as text, to be handed to the device. Anyone who has the text can enrol.
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
    fn token_is_neither_printed_nor_repeated_in_an_error() {
        let token = EnrolmentToken::generate(&SeededEntropy::new(1));
        assert!(!format!("{token:?}").contains(token.expose()));
        assert_eq!(token.expose().parse::<EnrolmentToken>().unwrap().hash(), token.hash());
        let broken = &token.expose()[1..];
        assert!(!broken.parse::<EnrolmentToken>().unwrap_err().to_string().contains(broken));
    }
}
