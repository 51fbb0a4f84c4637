//! The decision whether a key may become a device.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_jose::{Jwk, Thumbprint};
use fleetcert_names::Label;
use fleetcert_protocol::{DeviceClaims, DeviceId, EnrolmentProof};
use fleetcert_schedule::order_queue::Tenant;
use fleetcert_store::Transaction;

use crate::{EngineError, RequestOrigin};

/// Decides whether a key may become a device.
///
/// The request was signed with the key, so the device holds it; everything else that the device says is for the
/// enroller to judge. [`OneTimeTokens`](crate::OneTimeTokens) is the default, and
/// [`ByProofKind`](crate::ByProofKind) combines several ways in.
///
/// # Contract
/// - **No writes.** `decide` MUST NOT write. What has to be written for an admission, such as "this token is used",
///   stands in the decision, and the engine commits it together with the device: both or neither.
/// - **One use.** A proof that admits one device MUST name the record that makes it so in the decision's
///   transaction, with the version that was read. Of any number of concurrent uses the store then lets one through.
/// - **Lost answers.** The same proof with the same key, after an admission, MUST give
///   [`AlreadyAdmitted`](EnrolmentDecision::AlreadyAdmitted) with the device of that admission.
/// - **Repetition.** The engine calls `decide` again when its commit lost against another write.
///
/// [`conformance::enroller`](crate::conformance::enroller) checks all of this for an enroller of yours.
///
/// ```
/// use async_trait::async_trait;
/// use fleetcert_engine::{
///     Admission, Applicant, EngineError, Enroller, EnrolmentDecision, EnrolmentRefusal,
/// };
/// use fleetcert_store::Transaction;
/// use std::{collections::BTreeSet, net::IpAddr};
///
/// /// Admits devices at these addresses of the office.
/// #[derive(Debug)]
/// struct OfficeNetwork(BTreeSet<IpAddr>);
///
/// #[async_trait]
/// impl Enroller for OfficeNetwork {
///     async fn decide(
///         &self,
///         applicant: &Applicant<'_>,
///     ) -> Result<EnrolmentDecision, EngineError> {
///         if let Some(device) = applicant.known_as {
///             return Ok(EnrolmentDecision::AlreadyAdmitted(device.clone()));
///         }
///         let address = applicant.origin.address;
///         Ok(match address.is_some_and(|address| self.0.contains(&address)) {
///             true => Admission::new(Transaction::new()).into(),
///             false => EnrolmentRefusal::new("not_in_the_office", "plug it in there").into(),
///         })
///     }
/// }
/// ```
#[async_trait]
pub trait Enroller: Send + Sync + fmt::Debug {
    /// Returns the decision about `applicant`.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` when it cannot decide; then nothing is admitted. A refusal is a decision, not an
    /// error.
    async fn decide(&self, applicant: &Applicant<'_>) -> Result<EnrolmentDecision, EngineError>;
}

/// A key that asks to become a device, with all that is known about it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Applicant<'a> {
    /// What it shows.
    pub proof: &'a EnrolmentProof,
    /// Its public key; the request proved that it holds the private half.
    pub key: &'a Jwk,
    /// Thumbprint of the key (RFC 7638).
    pub thumbprint: &'a Thumbprint,
    /// Device that the key already is. An enroller that admits keys, not proofs, answers
    /// [`AlreadyAdmitted`](EnrolmentDecision::AlreadyAdmitted); [`Admit`](EnrolmentDecision::Admit) becomes the error
    /// `KeyInUse`.
    pub known_as: Option<&'a DeviceId>,
    /// Where the request came from.
    pub origin: &'a RequestOrigin,
    /// What it says of itself. Untrusted.
    pub claims: &'a DeviceClaims,
    /// Label that it would like to have.
    pub label: Option<&'a Label>,
    /// Id that it would get.
    pub device: &'a DeviceId,
    /// Time of the server.
    pub now: SystemTime,
}

/// What an [`Enroller`] decided.
#[derive(Debug)]
pub enum EnrolmentDecision {
    /// It may join.
    Admit(Admission),
    /// Nothing is decided yet. The device asks again with the same proof and the same key.
    Pending(PendingEnrolment),
    /// It joined before as this device: the answer was lost, and is given again.
    AlreadyAdmitted(DeviceId),
    /// It may not join.
    Refused(EnrolmentRefusal),
}

/// A yes, with what belongs to it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Admission {
    /// Checks and writes that are committed together with the device. The device joins if all of it goes through.
    pub write: Transaction,
    /// Tenant of the device: its orders share with those of other tenants by weight.
    pub tenant: Tenant,
    /// Label that the enroller assigns; `None` leaves the choice to the [`LabelPolicy`](crate::LabelPolicy).
    pub label: Option<Label>,
}

impl Admission {
    /// Makes an admission to the default tenant, with a label by policy.
    pub fn new(write: Transaction) -> Self {
        Self { write, tenant: Tenant::default(), label: None }
    }

    /// Returns the admission to `tenant`.
    #[must_use]
    pub fn with_tenant(self, tenant: Tenant) -> Self {
        Self { tenant, ..self }
    }

    /// Returns the admission with an assigned label.
    #[must_use]
    pub fn with_label(self, label: Label) -> Self {
        Self { label: Some(label), ..self }
    }
}

/// A decision that is still to come, of an operator or of another system.
#[derive(Debug)]
#[non_exhaustive]
pub struct PendingEnrolment {
    /// Checks and writes that remember the request, such as its entry in an operator's list. Empty for none.
    pub write: Transaction,
    /// Stable code of what it waits for, such as `awaiting_approval`.
    pub code: Cow<'static, str>,
    /// Time after which the device asks again.
    pub retry_after: Duration,
}

impl PendingEnrolment {
    /// Makes a pending decision that writes nothing.
    pub fn new(code: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self { write: Transaction::new(), code: code.into(), retry_after }
    }

    /// Returns the pending decision with what is written to remember it.
    #[must_use]
    pub fn with_write(self, write: Transaction) -> Self {
        Self { write, ..self }
    }
}

/// A no, as the device's owner may read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct EnrolmentRefusal {
    /// Stable code of the reason.
    pub code: Cow<'static, str>,
    /// Reason and remedy, for people.
    pub detail: Cow<'static, str>,
}

impl EnrolmentRefusal {
    /// Code of a proof whose type no enroller takes.
    pub const UNSUPPORTED: &str = "proof_type_unsupported";
    /// Code of a proof whose members are not what its type requires.
    pub const MALFORMED: &str = "proof_malformed";

    /// Makes a refusal.
    pub fn new(code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), detail: detail.into() }
    }

    /// Makes the refusal of a proof whose type is none of `supported`.
    pub fn unsupported<'a>(proof: &EnrolmentProof, supported: impl IntoIterator<Item = &'a str>) -> Self {
        let supported = supported.into_iter().collect::<Vec<_>>().join(", ");
        let detail = format!("proofs of type {} are not accepted; supported: {supported}", proof.kind());
        Self::new(Self::UNSUPPORTED, detail)
    }
}

impl From<Admission> for EnrolmentDecision {
    fn from(admission: Admission) -> Self {
        Self::Admit(admission)
    }
}

impl From<PendingEnrolment> for EnrolmentDecision {
    fn from(pending: PendingEnrolment) -> Self {
        Self::Pending(pending)
    }
}

impl From<EnrolmentRefusal> for EnrolmentDecision {
    fn from(refusal: EnrolmentRefusal) -> Self {
        Self::Refused(refusal)
    }
}
