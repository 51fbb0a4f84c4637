//! Quotas: how much one name and one device may ask for, so that none of them uses up what all share.
//!
//! [`NameLimit`] limits the certificates of one name, [`Quota`] counts for many keys in bounded memory. The default numbers
//! are constants.

mod defaults;
mod name_limit;
mod table;

pub use defaults::{BAD_SIGNATURES, CSRS_PER_DEVICE};
pub use name_limit::NameLimit;
pub use table::{Quota, QuotaDecision};
