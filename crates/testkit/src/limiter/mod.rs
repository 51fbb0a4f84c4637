//! The rate limits of a public CA, as Boulder keeps them.
//!
//! A [`Limiter`] is a value: it takes orders, issuances and failed validations with the time at which they
//! happen, and says which orders a CA such as Let's Encrypt would refuse, for how long and in which words. It
//! knows no clock, does no I/O and can be used without a [`TestCa`](crate::TestCa), for instance to run a year of a
//! fleet in seconds.
//!
//! Every limit is a token bucket, kept as one timestamp by the generic cell rate algorithm: the time at which
//! the bucket is full again. A bucket that is full is forgotten.
//!
//! ```
//! use fleetcert_testkit::limiter::{CaLimits, Limit, Limiter, OrderFacts};
//! use std::time::{Duration, SystemTime};
//!
//! let mut limiter = Limiter::new(CaLimits::production());
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
//! for device in 0..51 {
//!     let identifiers = &format!("device{device}.fleet.example.com").parse()?;
//!     let account = "https://ca.test/account/1";
//!     let order = OrderFacts { account, identifiers, replaces_in_window: false };
//!     match limiter.new_order(&order, now) {
//!         Ok(()) => limiter.issued(&order, now),
//!         Err(refused) => {
//!             assert_eq!((device, refused.limit), (50, Limit::CertificatesPerDomain));
//!             assert_eq!(refused.retry_in, Some(Duration::from_secs(12_096)));
//!         }
//!     }
//! }
//! # Ok::<(), fleetcert_names::NameError>(())
//! ```

mod buckets;
mod counts;

mod key;
mod limit;
mod limits;
mod pauses;
mod rate;
mod refused;
mod rules;

pub use counts::Counts;
pub use key::Bucket;
pub use limit::Limit;
pub use limits::{CaLimits, RequestLimits};
pub use rate::Rate;
pub use refused::Refused;
pub use rules::{Limiter, OrderFacts};

#[cfg(test)]
mod tests;
