//! A mirror of the rate limits of a CA, so that the CA never has to refuse an order.
//!
//! [`Limit`] and [`Bucket`] are the arithmetic, [`Limits`] the numbers of a CA, [`Charges`] the cost of an order, and
//! [`Budgets`] all buckets together. A refusal of the CA is a [`ReachedLimit`] and corrects the mirror.
//!
//! An order is for an [`IdentifierSet`](fleetcert_names::IdentifierSet), and so is the bucket of the exact set. Validations
//! and registered domains are counted by the base of a wildcard, as the CA does.

mod budgets;
mod charge;
mod correction;
mod denial;
mod denied;
mod key;
mod key_text;
mod leave;
mod limit;
mod limits;
mod reached;
mod reservation;
mod suffix;
#[cfg(test)]
mod tests;

pub use budgets::{Budgets, Row};
pub use charge::{Charge, Charges, MAX_ORDER_AGE, OrderKind, SAME_SET_WINDOW, Spent, WINDOW_MARGIN};
pub use correction::{Correction, Refusal};
pub use denial::{HELD_TOKEN_RETRY, SharedDenial};
pub use denied::{Denied, DeniedBy};
pub use key::{Account, AccountError, BucketKey, LimitKind};
pub use key_text::BucketKeyError;
pub use leave::Leave;
pub use limit::{Bucket, Decision, Limit, LimitError};
pub use limits::{Limits, Override, Rule, SlowerThanDefault};
pub use reached::ReachedLimit;
pub use reservation::{Outcome, Reservation};
