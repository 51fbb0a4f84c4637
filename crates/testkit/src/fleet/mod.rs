//! A simulated fleet in virtual time: a year in a minute.
//!
//! It shows how a fleet behaves before you have it: devices that are born, sleep, move, lose their disks or are hostile; a
//! control server that schedules with `fleetcert-schedule`; and a CA with limits of its own, the
//! [limiter](crate::limiter) of the test CA, which refuses orders that the schedule should not have sent.
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

pub use ca::{Books, Ca, DeviceOrder, Entry, ValidationFailed, What};
pub use report::{DayLine, Quantiles, Reason, Report, WaitTimes};
pub use scenario::{ACCOUNT, Habits, Incident, Returning, Scenario, Span, Zone};
pub use simulation::{Progress, simulate};
