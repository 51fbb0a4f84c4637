//! Renewal times: the CA's window, the fleet's calendar, the plan for a mass revocation.

mod calendar;
mod margin;
mod mass;
mod planner;
mod window;

pub use margin::Margin;
pub use mass::{Affected, MassPlan, Turn};
pub use planner::{RenewalPlanner, WindowChange};
pub use window::{Window, renewal_time, window_without_ari};

pub(crate) use window::fraction;
