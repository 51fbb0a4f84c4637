//! The policies: who sent a request, may it join, may it do this, which label does it get, which addresses may it
//! publish. Each is a trait with a safe default.

mod address;
mod authenticator;
mod authorizer;
mod by_proof_kind;
mod enroller;
mod label;
mod one_time_tokens;
mod request_parts;

pub use address::{AddressPolicy, AddressRefusal, PrivateAddresses};
pub use authenticator::{AuthenticationError, DeviceAuthenticator, DeviceKeys, Identified};
pub use authorizer::{Authorizer, Denial, OwnName};
pub use by_proof_kind::ByProofKind;
pub use enroller::{Admission, Applicant, Enroller, EnrolmentDecision, EnrolmentRefusal, PendingEnrolment};
pub use label::{AskedLabels, LabelPolicy, LabelRefusal, RandomLabels};
pub use one_time_tokens::OneTimeTokens;
pub(crate) use one_time_tokens::token_key;
pub use request_parts::{RequestOrigin, RequestParts, TlsClientIdentity};
