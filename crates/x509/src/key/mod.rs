//! Key pairs, signers, and public keys.

mod key_pair;
mod kind;
mod public_key;
mod rsa;
mod signature;
mod signing_key;

pub use key_pair::KeyPair;
pub use kind::KeyKind;
pub(crate) use public_key::{KeyFault, PublicKey};
pub(crate) use rsa::Weakness;
pub use signature::SignatureAlgorithm;
pub use signing_key::SigningKey;
