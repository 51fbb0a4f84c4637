//! The rollout planner: when a fleet has its certificates, before anything is
//! ordered.
//!
//! [`Rollout::plan`] takes the [`Fleet`], its [`Growth`], the CA's
//! [`Limits`](fleetcert_schedule::budget::Limits) and a start. It returns a
//! value: dates, the limit that binds in each phase, the load of each day, the
//! room for new devices, what would expire, and which override to ask for. It
//! is closed arithmetic on the emission intervals and bursts of the CA's
//! buckets, and takes milliseconds for a million devices.
//!
//! Only first certificates use the shared limits. A renewal of the same names
//! within [120 days](fleetcert_schedule::budget::SAME_SET_WINDOW), or inside
//! the window that the CA suggests (RFC 9773), is exempt from new orders and
//! from certificates per domain. It still spends one of the five certificates
//! that a set of names has in a week.
//!
//! # The case of 90,000 appliances
//!
//! An appliance maker with 90,000 devices in one domain once met a limit of 20
//! certificates in a week: 86 years. The limit is 50 in seven days now: 34.5
//! years. The limit per domain binds. If each device is a registered domain of
//! its own, by the public suffix list, only the account's new orders bind: 37.4
//! days. An override of 25,000 a week or more for the domain has the same
//! effect.
//!
//! ```
//! use fleetcert_planner::{Advice, Fleet, Growth, Profile, Reserve};
//! use fleetcert_planner::{Rollout, Zones};
//! use fleetcert_schedule::budget::{Limit, LimitKind, Limits, Rule};
//! use std::time::{Duration, SystemTime};
//!
//! const DAY: Duration = Duration::from_secs(86_400);
//! let start = SystemTime::UNIX_EPOCH + DAY * 20_000;
//! let days = |limits: &Limits, zones| {
//!     let fleet =
//!         Fleet::new(90_000, Profile::TlsServer).with_zones(zones);
//!     let growth = Growth::default();
//!     let plan =
//!         Rollout::plan(fleet, growth, limits, Reserve::NONE, start);
//!     plan.completion().after.as_secs() / 86_400
//! };
//! let now = Limits::lets_encrypt_production();
//! let twenty = Rule::Limited(Limit::new(20, 20, 7 * DAY)?);
//! let then =
//!     now.clone().with_rule(LimitKind::CertificatesPerDomain, twenty);
//! assert_eq!(days(&then, Zones::ONE), 31_493);
//! assert_eq!(days(&now, Zones::ONE), 12_593);
//! assert_eq!(days(&now, Zones::PublicSuffix), 37);
//!
//! let plan = Rollout::plan(
//!     Fleet::new(90_000, Profile::TlsServer),
//!     Growth(500),
//!     &now,
//!     Reserve::percent(10).expect("less than 100"),
//!     start,
//! );
//! let Advice::Ask { ask, effect } = plan.advice(90 * DAY) else {
//!     panic!("90 days are not enough without an override")
//! };
//! assert_eq!(ask.per_domain.map(|tier| tier.per_week), Some(10_000));
//! assert_eq!(ask.new_orders, None);
//! assert_eq!(effect.complete_after.as_secs() / 86_400, 63);
//! # Ok::<(), fleetcert_schedule::budget::LimitError>(())
//! ```
//!
//! The example `plan` prints a plan as a table or as JSON, and draws it.

mod expiry;
mod fleet;
mod load;
mod newcomers;
mod pace;
mod plan;
mod profile;
mod steady;
#[cfg(test)]
mod tests;
mod tiers;

pub use expiry::{Expiry, ExpiryCause, Return};
pub use fleet::{Fleet, Growth, Reserve, Zones};
pub use load::DayLoad;
pub use newcomers::{Room, Waiting};
pub use plan::{Milestone, Phase, Rollout};
pub use steady::SteadyState;
pub use tiers::{Advice, Ask, Effect, Tier, TierRow};

pub use fleetcert_schedule::known_ca::Profile;
