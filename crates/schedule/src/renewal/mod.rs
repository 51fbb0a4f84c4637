//! When a certificate is renewed: the CA's window, the fleet's calendar, the plan for a mass revocation.

mod calendar;
mod margin;
mod mass;
mod poll;
mod window;

pub use calendar::{Calendar, smear_from};
pub use margin::Margin;
pub use mass::{Affected, MassPlan, Turn};
pub use poll::{Poll, Polling, moment_in_window, wake_at};
pub use window::{Window, renewal_time, window_without_ari};

pub(crate) use window::fraction;
