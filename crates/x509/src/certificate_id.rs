//! The identifier of a certificate in ACME.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::X509Error;

/// The identifier of a certificate in ACME renewal information (RFC 9773 section 4.1): the key identifier of the
/// issuer and the serial number. It is also the value of `replaces` in an order.
///
/// As text, and in serde, it is both parts in base64url with a dot between them.
///
/// ```
/// use fleetcert_x509::CertificateId;
///
/// let id: CertificateId = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE".parse()?;
/// assert_eq!(id.serial(), [0x00, 0x87, 0x65, 0x43, 0x21]);
/// assert_eq!(id.to_string(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
/// # Ok::<(), fleetcert_x509::X509Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CertificateId {
    authority_key_id: Vec<u8>,
    serial: Vec<u8>,
}

/// Maximum octets of a key identifier. Those in use have 20, some 32.
const MAX_KEY_ID: usize = 64;
/// Maximum octets of a serial number. RFC 5280 section 4.1.2.2 allows 20; some private CAs use 21.
const MAX_SERIAL: usize = 32;

impl CertificateId {
    pub(crate) fn new(authority_key_id: &[u8], serial: &[u8]) -> Result<Self, X509Error> {
        let fits = |octets: &[u8], most: usize| !octets.is_empty() && octets.len() <= most;
        if !fits(authority_key_id, MAX_KEY_ID) || !fits(serial, MAX_SERIAL) {
            return Err(X509Error::malformed(
                "the issuer's key identifier or the serial number has an invalid length",
            ));
        }
        Ok(Self { authority_key_id: authority_key_id.to_vec(), serial: serial.to_vec() })
    }

    /// Returns the keyIdentifier of the certificate's authority key identifier extension.
    pub fn authority_key_id(&self) -> &[u8] {
        &self.authority_key_id
    }

    /// Returns the content octets of the serial number's DER INTEGER, including a leading zero.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }
}

impl FromStr for CertificateId {
    type Err = X509Error;

    fn from_str(text: &str) -> Result<Self, X509Error> {
        let refusal = || {
            X509Error::malformed("a certificate id must be two texts in base64url with a dot between them")
        };
        if text.len() > 2 * (MAX_KEY_ID + MAX_SERIAL) {
            return Err(refusal());
        }
        let (key_id, serial) = text.split_once('.').ok_or_else(refusal)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| refusal());
        Self::new(&decode(key_id)?, &decode(serial)?)
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        write!(f, "{}.{}", encode(&self.authority_key_id), encode(&self.serial))
    }
}

impl fmt::Debug for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateId({self})")
    }
}

impl TryFrom<String> for CertificateId {
    type Error = X509Error;

    fn try_from(text: String) -> Result<Self, X509Error> {
        text.parse()
    }
}

impl From<CertificateId> for String {
    fn from(id: CertificateId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn invalid_ids_are_rejected() {
        for bad in ["", ".", "AA", "AA.", ".AA", "AA.AA.AA", "AA==.AA", "A+.AA", "AB.AA", &"A".repeat(500)] {
            assert!(bad.parse::<CertificateId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn json_is_the_text() {
        let json = "\"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE\"";
        let id: CertificateId = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), json);
    }

    proptest! {
        #[test]
        fn id_survives_a_round_trip_through_text(key_id in proptest::collection::vec(any::<u8>(), 1..64), serial in proptest::collection::vec(any::<u8>(), 1..32)) {
            let id = CertificateId::new(&key_id, &serial).unwrap();
            prop_assert_eq!(id.to_string().parse::<CertificateId>().unwrap(), id);
        }

        #[test]
        fn parsed_text_is_written_unchanged(text in "[A-Za-z0-9_.=+-]{0,60}") {
            if let Ok(id) = text.parse::<CertificateId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
