//! A fleet in virtual time: a year in a minute.
//!
//! For whoever wants to know what a fleet would meet before it is there: devices that are born, sleep, move, lose
//! their disks or are hostile; a control server that schedules with `fleetcert-schedule`; and a CA with limits of its
//! own, the [limiter](crate::limiter) of the test CA, which refuses what the schedule should not have let through.
//!
//! ```
//! use fleetcert_testkit::fleet::{ACCOUNT, Books, Scenario, simulate};
//!
//! let scenario = Scenario::year(500, 60, 1);
//! let mut ca = Books::new(scenario.ca_limits(), &scenario, ACCOUNT, false);
//! let report = simulate(&scenario, scenario.limits(), &mut ca, |_| ());
//! assert_eq!((report.rate_limited, report.expired_reachable), (0, 0));
//! ```
//!
//! The example `year` prints the report and draws it.

mod agenda;
mod ca;
mod chance;
mod control;
mod device;
mod habits;
mod orders;
mod report;
mod scenario;
mod simulation;

pub use ca::{Books, Ca, Entry, Order, ValidationFailed, What};
pub use report::{DayLine, Quantiles, Reason, Report, Waits};
pub use scenario::{ACCOUNT, Habits, Incident, Returning, Scenario, Span, Zone};
pub use simulation::{Progress, simulate};
