//! The messages by which a key becomes a device.

use fleetcert_names::{HostName, Label};
use serde::{Deserialize, Serialize};

use crate::object::{self, Object};
use crate::{DeviceClaims, DeviceId, EnrolmentProof, EnrolmentToken};

/// A request to join the fleet, signed with the key that the device will have.
///
/// ```
/// use fleetcert_protocol::{DeviceClaims, EnrolRequest, EnrolmentToken};
///
/// # let text = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// let token: EnrolmentToken = text.parse()?;
/// let request = EnrolRequest::new(token)
///     .with_label("xi8qz".parse()?)
///     .with_claims(DeviceClaims::new([("serial", "A-1007")])?);
/// assert_eq!(request.proof.kind(), "token");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Object<Members>")]
#[non_exhaustive]
pub struct EnrolRequest {
    /// Proof that the device may join.
    pub proof: EnrolmentProof,
    /// Label that the device would like to have; the server decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// What the device says of itself. Untrusted.
    #[serde(skip_serializing_if = "DeviceClaims::is_empty")]
    pub claims: DeviceClaims,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    proof: EnrolmentProof,
    #[serde(default, deserialize_with = "object::present")]
    label: Option<Label>,
    #[serde(default)]
    claims: DeviceClaims,
}

impl From<Object<Members>> for EnrolRequest {
    fn from(Object(Members { proof, label, claims }): Object<Members>) -> Self {
        Self { proof, label, claims }
    }
}

impl EnrolRequest {
    /// Makes a request with `proof`, or with a token.
    pub fn new(proof: impl Into<EnrolmentProof>) -> Self {
        Self { proof: proof.into(), label: None, claims: DeviceClaims::default() }
    }

    /// Returns the request with the label that the device would like to have.
    #[must_use]
    pub fn with_label(self, label: Label) -> Self {
        Self { label: Some(label), ..self }
    }

    /// Returns the request with what the device says of itself.
    #[must_use]
    pub fn with_claims(self, claims: DeviceClaims) -> Self {
        Self { claims, ..self }
    }
}

impl From<EnrolmentProof> for EnrolRequest {
    fn from(proof: EnrolmentProof) -> Self {
        Self::new(proof)
    }
}

impl From<EnrolmentToken> for EnrolRequest {
    fn from(token: EnrolmentToken) -> Self {
        Self::new(token)
    }
}

/// The answer to an [`EnrolRequest`] that is not refused.
///
/// `Enrolled` is sent with status 200, `Pending` with status 202 and a `Retry-After` header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EnrolmentAnswer {
    /// The device has joined. The same request gets the same answer again.
    Enrolled(Enrolled),
    /// Nothing is decided yet: send the same proof, signed with the same key, again later.
    Pending(EnrolmentPending),
}

impl EnrolmentAnswer {
    /// Returns the device, if it has joined.
    pub fn enrolled(self) -> Option<Enrolled> {
        match self {
            Self::Enrolled(enrolled) => Some(enrolled),
            Self::Pending(_) => None,
        }
    }
}

/// The permanent id and name of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Id that the device's requests are signed as.
    pub device: DeviceId,
    /// Host name of the device.
    pub name: HostName,
}

/// An enrolment that waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentPending {
    /// Stable code of the reason, such as `awaiting_approval`.
    pub code: String,
    /// Time after which to ask again, in seconds.
    pub retry_after: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_their_form_on_the_wire() {
        let enrolled = Enrolled {
            device: "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(),
            name: "xi8qz.fleet.test".parse().unwrap(),
        };
        let pending = EnrolmentPending { code: "awaiting_approval".into(), retry_after: 60 };
        for (answer, json) in [
            (
                EnrolmentAnswer::Enrolled(enrolled),
                r#"{"status":"enrolled","device":"AAAAAAAAAAAAAAAAAAAAAA","name":"xi8qz.fleet.test"}"#,
            ),
            (
                EnrolmentAnswer::Pending(pending),
                r#"{"status":"pending","code":"awaiting_approval","retry_after":60}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&answer).unwrap(), json);
            assert_eq!(serde_json::from_str::<EnrolmentAnswer>(json).unwrap(), answer);
        }
    }
}
