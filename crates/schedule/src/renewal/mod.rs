//! When a certificate is renewed: the CA's window, and the fleet's calendar.

mod calendar;
mod margin;
mod window;

pub use calendar::{Calendar, smear_from};
pub use margin::Margin;
pub use window::{Window, renewal_time, window_without_ari};

pub(crate) use window::fraction;
