//! When to renew a certificate, when to try again, how long a queue takes, what the CA's rate limits leave, and when
//! a whole fleet has its certificates: pure functions.
//!
//! For whoever decides about time and wants to test it. Nothing here reads a clock, draws a random number or
//! waits: `now` and the randomness are arguments, and a decision is a value. A random number is a `u64` whose
//! every value is equally likely.
//!
//! ```
//! use fleetcert_schedule::{Window, renewal_time};
//! use std::time::{Duration, SystemTime};
//!
//! let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
//! let window = Window::new(start, start + Duration::from_secs(3600)).unwrap();
//! let at = renewal_time(window, 0x8000_0000_0000_0000);
//! assert_eq!(at, start + Duration::from_secs(1800));
//! ```
//!
//! What was issued in one day need not be renewed in one day: a [`Calendar`] takes such a wave apart, and a [`Margin`]
//! leaves time for an outage. [`Polling`] says when the CA is asked for a window again, and a [`MassPlan`] what comes
//! first when all must be renewed at once.
//!
//! A [`scheduler`] says which order goes next, under all limits, shares and deadlines together; it is made of a
//! [`queue`] and [`budget`]s. [`rollout`] answers before anything is ordered: when is the fleet done, and what holds it.
//!
//! Five things say no before the CA has to: [`quota`] when a name, a device or a tenant asks too often, [`failures`]
//! when a name keeps failing, [`breaker`] when a CA or a zone does not work, [`pacer`] when there are too many requests
//! in a second, [`clock_guard`] when the clock may be wrong.
//!
//! The limits of Let's Encrypt are mirrored by [`budget`]. An order reserves before it is sent, and commits when
//! it has ended:
//!
//! ```
//! use fleetcert_schedule::budget::{Account, Budgets, Charges, Limits, NameSet, OrderKind, Outcome};
//! use std::time::{Duration, SystemTime};
//!
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let account = Account::new("https://ca.example/acct/1").expect("visible ASCII");
//! let mut budgets = Budgets::new(Limits::lets_encrypt_production(), 100_000);
//! let mut order = |name: String| {
//!     let names = NameSet::new(&[name.parse().expect("a host name")]).expect("one name");
//!     let charges = Charges::order(budgets.limits(), OrderKind::New, &account, &names);
//!     let reservation = budgets.reserve(&charges, now)?;
//!     // Here the order is sent, and the certificate comes.
//!     budgets.commit(reservation, &Outcome::Done, now);
//!     Ok::<(), fleetcert_schedule::budget::Denied>(())
//! };
//! assert!((0..50).all(|device| order(format!("d{device}.fleet.example.com")).is_ok()));
//! // Let's Encrypt issues 50 certificates for one domain at once, and then one in 12,096 seconds.
//! let denied = order("d50.fleet.example.com".into()).expect_err("the domain's bucket is empty");
//! assert_eq!(denied.retry_at(), Some(now + Duration::from_secs(12_096)));
//! ```

pub mod breaker;
pub mod budget;
pub mod clock_guard;
pub mod failures;
mod moment;
pub mod order_queue;
pub mod pacer;
pub mod queue;
pub mod quota;
mod renewal;
mod retry;
pub mod rollout;
pub mod scheduler;

pub use moment::Moment;
pub use queue::expected_completion;
pub use renewal::{Affected, Calendar, Margin, MassPlan, Poll, Polling, Turn, Window};
pub use renewal::{moment_in_window, renewal_time, smear_from, wake_at, window_without_ari};
pub use retry::retry_delay;
