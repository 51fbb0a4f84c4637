//! The order as a pure state machine: no network, no clock, no journal.
//!
//! [`step`] takes where an order stands, what happened, and the time, and says where it stands now and what to do
//! next. Each [`State`] is written down **before** its action is taken, so a state says what may have been done, not
//! what was done. After a crash the machine begins with [`Event::Started`]: where the order has a URL it is read
//! there, and what the CA says decides; nothing that the CA may have taken already is blindly repeated.
//!
//! [`Driver`](crate::Driver) is the shell that performs the actions.
//!
//! ```
//! use fleetcert_acme::NewOrder;
//! use fleetcert_acme::order::{Action, Event, State, step};
//! use std::time::SystemTime;
//!
//! let wanted = State::Wanted { order: NewOrder::new("xi8qz.fleet.test".parse()?) };
//! let (state, action) = step(wanted, Event::Started, SystemTime::UNIX_EPOCH);
//! assert!(matches!(state, State::Ordering { .. }));
//! assert!(matches!(action, Action::PlaceOrder));
//! # Ok::<(), fleetcert_names::NameError>(())
//! ```

mod event;
mod failure;
mod state;
mod transition;

pub use event::{Action, Event, Pause, ZoneFault};
pub use failure::{Failure, FailureKind, Retry};
pub use state::{End, Placed, State};
pub use transition::step;

#[cfg(test)]
mod tests;
