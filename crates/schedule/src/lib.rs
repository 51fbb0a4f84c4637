//! When to renew a certificate, when to try again, how long a queue takes, and what the CA's rate limits leave:
//! pure functions.
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
//! [`pacer`] keeps to the requests in a second that the CA's load balancer lets through. The limits of Let's Encrypt
//! on orders and certificates are mirrored by [`budget`]. An order reserves before it is sent, and commits when
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

pub mod budget;
pub mod pacer;
pub mod queue;
mod renewal;
mod retry;
pub mod scheduler;

pub use queue::expected_completion;
pub use renewal::{Window, renewal_time, window_without_ari};
pub use retry::retry_delay;
