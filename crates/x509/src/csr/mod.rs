//! Certificate signing requests: the gate for those of others, and the making of our own.
//!
//! The gate in order: [`input`] finds the one DER document, [`parse`] gives its parts, [`rules`] judges each part.

mod build;
mod input;
mod parse;
mod policy;
mod refusal;
mod rules;
#[cfg(test)]
mod tests;
mod verified;

pub use build::csr_for;
pub use policy::CsrPolicy;
pub use refusal::{CsrRefusal, CsrRefusalCode};
pub use verified::VerifiedCsr;
