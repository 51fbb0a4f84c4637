//! The order as a pure state machine: no network, no clock, no journal.
//!
//! [`step`] takes the state of an order, an event and the time, and returns the new state and the next action. Each
//! [`OrderState`] is written down **before** its action is taken, so a state says what may have been done, not what
//! was done. After a crash the machine begins with [`Event::Started`]: an order with a URL is read there, and the CA's
//! answer decides. Nothing that the CA may have taken already is blindly repeated.
//!
//! An order that the CA has accepted is never thrown away: only the CA's own word ends it. These are the status
//! `invalid`, a challenge that is `invalid`, a refusal of the CSR, or an order that the CA no longer has. A day after
//! its placement an order counts as expired. Everything else, such as an answer that cannot be read, a proxy's page or
//! a zone that fails, is a fault of the way: the order is read again, later.
//!
//! [`Driver`](crate::Driver) performs the actions.
//!
//! ```
//! use fleetcert_acme::NewOrder;
//! use fleetcert_acme::order::{Action, Event, OrderState, step};
//! use std::time::SystemTime;
//!
//! let order = NewOrder::new("xi8qz.fleet.test".parse()?);
//! let wanted = OrderState::Wanted { order };
//! let now = SystemTime::UNIX_EPOCH;
//! let (state, action) = step(wanted, Event::Started, now);
//! assert!(matches!(state, OrderState::Ordering { .. }));
//! assert!(matches!(action, Action::PlaceOrder));
//! # Ok::<(), fleetcert_names::NameError>(())
//! ```

mod event;
mod failure;
mod state;
mod transition;

pub use event::{Action, Event, Pause, ZoneFault};
pub use failure::{Failure, FailureKind, Retry};
pub use state::{End, OrderState, Placed};
pub use transition::step;

#[cfg(test)]
mod tests;
