//! Decisions about time for a fleet of certificates, as pure functions: when to renew, which order starts next, and what
//! the CA's rate limits allow.
//!
//! Nothing here reads a clock, draws a random number, waits, or does I/O. `now` and the randomness are arguments, and a
//! decision is a value, so every rule can be tested. A random number is a `u64` with all values equally likely.
//!
//! The limits of Let's Encrypt are mirrored by [`budget`]. An order reserves its tokens before it is sent, and commits when
//! it has ended:
//!
//! ```
//! use fleetcert_schedule::budget::{
//!     Account, Budgets, Charges, Limits, OrderKind, Outcome,
//! };
//! use std::time::{Duration, SystemTime};
//!
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let account = Account::new("https://ca.example/acct/1").expect("a URL");
//! let mut budgets =
//!     Budgets::new(Limits::lets_encrypt_production(), 100_000);
//! let mut order = |name: String| {
//!     let names = name.parse().expect("a host name");
//!     let limits = budgets.limits();
//!     let charges =
//!         Charges::order(limits, OrderKind::New, &account, &names);
//!     let reservation = budgets.reserve(&charges, now)?;
//!     // Here the order is sent, and the certificate comes.
//!     budgets.commit(reservation, &Outcome::Done, now);
//!     Ok::<(), fleetcert_schedule::budget::Denied>(())
//! };
//! let device = |number: u32| format!("d{number}.fleet.example.com");
//! assert!((0..50).all(|number| order(device(number)).is_ok()));
//! // Let's Encrypt issues 50 certificates for one domain at once,
//! // and then one every 12,096 seconds.
//! let denied = order(device(50)).expect_err("the bucket is empty");
//! let retry_at = now + Duration::from_secs(12_096);
//! assert_eq!(denied.retry_at(), Some(retry_at));
//! ```
//!
//! | module | decides |
//! | --- | --- |
//! | [`order_queue`] | which order starts next, and why the others wait |
//! | [`budget`] | what the CA's rate limits allow |
//! | [`quota`] | whether one name or one device asks too often |
//! | [`breaker`] | whether the CA or the zone is out of order |
//! | [`pacer`] | how many requests a second the CA gets |
//! | [`clock_guard`] | whether the clock can be trusted |
//! | [`known_ca`] | which limits, rates and lifetimes a CA publishes |
//!
//! A renewal happens at a random moment of its [`Window`]. A [`RenewalPlanner`] spreads the renewals of certificates that
//! were issued on one day and leaves a [`Margin`] for an outage. A [`MassPlan`] paces the renewals after a mass revocation.
//!
//! ```
//! use fleetcert_schedule::{Window, renewal_time};
//! use std::time::{Duration, SystemTime};
//!
//! let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
//! let hour = Duration::from_secs(3600);
//! let window = Window::new(start, start + hour).expect("an hour");
//! let at = renewal_time(window, 0x8000_0000_0000_0000);
//! assert_eq!(at, start + hour / 2);
//! ```
//!
//! The guide is [docs/scheduling.md](https://github.com/fleetcert/fleetcert/blob/main/docs/scheduling.md).

pub mod breaker;
pub mod budget;
pub mod clock_guard;
pub mod known_ca;
mod moment;
pub mod order_queue;
pub mod pacer;
mod queue;
pub mod quota;
mod renewal;
mod retry;

pub use moment::Moment;
pub use queue::expected_completion;
pub use renewal::{Affected, Margin, MassPlan, RenewalPlanner, Turn, Window, WindowChange};
pub use renewal::{renewal_time, window_without_ari};
pub use retry::retry_delay;
