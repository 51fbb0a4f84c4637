//! The deciding traits: who is this, may it join, may it do this, how is it called, which addresses may it
//! publish. Each has a default that is safe.

mod address;
mod authenticator;
mod authorizer;
mod enroller;
mod label;

pub use address::{AddressPolicy, AddressRefusal, PrivateAddresses};
pub use authenticator::{AuthenticationError, DeviceAuthenticator, DeviceKeys, Identified};
pub use authorizer::{Authorizer, Denial, OwnName};
pub(crate) use enroller::token_key;
pub use enroller::{Enroller, EnrolmentDecision, OneTimeTokens};
pub use label::{AskedLabels, LabelPolicy, LabelRefusal, RandomLabels};
