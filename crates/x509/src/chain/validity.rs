//! The validity of a certificate.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

/// The validity of a certificate (RFC 5280 section 4.1.2.5), including both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    not_before: SystemTime,
    not_after: SystemTime,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Lifetime below which certificates are renewed at half of it, as Let's Encrypt advises.
const SHORT_LIFETIME: Duration = Duration::from_secs(10 * DAY.as_secs());

impl Validity {
    /// Returns a validity. It never holds if it ends before it begins.
    pub fn new(not_before: SystemTime, not_after: SystemTime) -> Self {
        Self { not_before, not_after }
    }

    /// Returns the start.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// Returns the last moment.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Returns the time from the start to the last moment; zero if it ends before it begins.
    pub fn lifetime(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }

    /// Returns whether `now` lies within.
    pub fn contains(&self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Returns the remaining time at `now`; zero afterwards.
    pub fn remaining(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    /// Returns the whole days that remain at `now`; negative after the end, with started days counted.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use fleetcert_x509::Validity;
    ///
    /// let hour =
    ///     |hours: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(hours * 60 * 60);
    /// let validity = Validity::new(hour(0), hour(72));
    /// let days = [0, 1, 60, 72, 73].map(|now| validity.days_left(hour(now)));
    /// assert_eq!(days, [3, 2, 0, 0, -1]);
    /// ```
    pub fn days_left(&self, now: SystemTime) -> i64 {
        let number = |days: u128| i64::try_from(days).unwrap_or(i64::MAX);
        match self.not_after.duration_since(now) {
            Ok(left) => number(left.as_nanos() / DAY.as_nanos()),
            Err(over) => -number(over.duration().as_nanos().div_ceil(DAY.as_nanos())),
        }
    }

    /// Returns the time at which this fraction of the lifetime has passed, in whole seconds, at most the last moment.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use fleetcert_x509::Validity;
    ///
    /// let start = SystemTime::UNIX_EPOCH;
    /// let validity = Validity::new(start, start + Duration::from_secs(90));
    /// let two_thirds = validity.fraction_point(2, 3.try_into()?);
    /// assert_eq!(two_thirds, start + Duration::from_secs(60));
    /// # Ok::<(), std::num::TryFromIntError>(())
    /// ```
    pub fn fraction_point(&self, numerator: u32, denominator: NonZeroU32) -> SystemTime {
        let lifetime = self.lifetime().as_secs();
        let seconds = u128::from(lifetime) * u128::from(numerator) / u128::from(denominator.get());
        let part = u64::try_from(seconds).map_or(lifetime, |seconds| seconds.min(lifetime));
        self.not_before.checked_add(Duration::from_secs(part)).unwrap_or(self.not_after)
    }

    /// Returns the time to renew if the CA gives no advice by ARI: after two thirds of the lifetime, or after half of
    /// it if the lifetime is under ten days.
    pub fn renewal_point(&self) -> SystemTime {
        let (numerator, denominator) = if self.lifetime() < SHORT_LIFETIME { (1, 2) } else { (2, 3) };
        self.fraction_point(numerator, NonZeroU32::new(denominator).expect("2 and 3 are not zero"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: u64 = 3600;

    fn of(lifetime: u64) -> Validity {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Validity::new(start, start + Duration::from_secs(lifetime))
    }

    #[test]
    fn renewal_points_match_lets_encrypts_profiles() {
        for (lifetime, point) in [(90 * 24, 60 * 24), (45 * 24, 30 * 24), (160, 80), (240, 160), (239, 119)] {
            let validity = of(lifetime * HOUR);
            let age = validity.renewal_point().duration_since(validity.not_before()).unwrap();
            assert_eq!(age.as_secs() / HOUR, point, "{lifetime} h");
        }
    }

    /// The rule is implemented twice, as neither crate may depend on the other: `fleetcert-schedule` spreads a window
    /// around this time.
    fn lies_in_the_window_of_the_schedule(validity: Validity) -> bool {
        let window =
            fleetcert_schedule::window_without_ari(validity.not_before(), validity.not_after()).unwrap();
        let point = validity.renewal_point();
        // The point is in whole seconds, the window in nanoseconds.
        window.contains(point) || window.contains(point + Duration::from_secs(1))
    }

    #[test]
    fn reversed_validity_never_holds() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
        let never = Validity::new(now, SystemTime::UNIX_EPOCH);
        assert_eq!((never.lifetime(), never.contains(now)), (Duration::ZERO, false));
        assert_eq!(never.renewal_point(), now);
    }

    #[test]
    fn extreme_times_do_not_panic() {
        let validity = of(90 * 24 * HOUR);
        let end = validity.not_after();
        let nano = Duration::from_nanos(1);
        assert_eq!(validity.days_left(validity.not_before()), 90);
        assert_eq!(validity.days_left(end - DAY), 1);
        assert_eq!(validity.days_left(end - (DAY - nano)), 0);
        assert_eq!(validity.days_left(end), 0);
        assert_eq!(validity.days_left(end + nano), -1);
        assert_eq!(validity.days_left(end + DAY), -1);
        assert_eq!(validity.days_left(end + DAY + nano), -2);
        // A device without a clock assumes 1970; no date panics.
        assert!(validity.days_left(SystemTime::UNIX_EPOCH) > 20_000);
        let far =
            Validity::new(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 62));
        assert!(far.days_left(SystemTime::UNIX_EPOCH) > 1 << 45);
    }

    proptest! {
        #[test]
        fn fraction_points_lie_within(lifetime in 0u64..=1 << 40, numerator: u32, denominator in 1u32..) {
            let validity = of(lifetime);
            prop_assert!(lifetime < 100 || lies_in_the_window_of_the_schedule(validity));
            let point = validity.fraction_point(numerator, NonZeroU32::new(denominator).unwrap());
            prop_assert!(validity.contains(point));
        }
    }
}
