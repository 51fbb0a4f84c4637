//! Quotas of one name and one device, so that none uses up the limits that all share.
//!
//! [`NameLimit`] limits the certificates of one name; [`Quota`] counts many keys in bounded memory.

mod defaults;
mod name_limit;
mod table;

pub use defaults::{BAD_SIGNATURES, CSRS_PER_DEVICE};
pub use name_limit::NameLimit;
pub use table::{Quota, QuotaDecision};
