//! How much one name, one device, one tenant may ask for, so that none of them can use up what all share.
//!
//! [`NameLimit`] is that of one name, [`Quota`] counts for many keys in bounded memory, [`ScopedQuota`] for device,
//! tenant and all at once. The numbers that hold unless others are set are constants.

mod defaults;
mod name_limit;
mod scopes;
mod table;

pub use defaults::{BAD_SIGNATURES, CSRS_PER_DEVICE, MOST_NAMES_PER_DEVICE, NAMES_PER_DEVICE};
pub use defaults::{is_urgent, may_hold_one_more, reserved_for_urgent, tenant_share};
pub use name_limit::NameLimit;
pub use scopes::{Scope, ScopeDecision, ScopedQuota};
pub use table::{Quota, QuotaDecision};
