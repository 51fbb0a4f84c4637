//! From when until when.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

/// The validity of a certificate (RFC 5280 section 4.1.2.5); both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    not_before: SystemTime,
    not_after: SystemTime,
}

/// Certificates of a shorter life are renewed at half of it, as Let's Encrypt advises.
const SHORT_LIFE: Duration = Duration::from_secs(10 * 24 * 60 * 60);

impl Validity {
    /// A validity. It may be one that never holds, when it ends before it begins.
    pub fn new(not_before: SystemTime, not_after: SystemTime) -> Self {
        Self { not_before, not_after }
    }

    /// The first moment.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last moment.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// From the first to the last moment; zero when it ends before it begins.
    pub fn lifetime(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }

    /// Whether `now` lies within.
    pub fn contains(&self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// What is left of it at `now`; zero afterwards.
    pub fn remaining(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    /// The moment at which so large a part of the lifetime is over, in whole seconds, at most the last one.
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

    /// When to renew if the CA gives no advice by ARI: after two thirds of the lifetime, or after half of it if
    /// that is under ten days.
    pub fn renewal_point(&self) -> SystemTime {
        let (numerator, denominator) = if self.lifetime() < SHORT_LIFE { (1, 2) } else { (2, 3) };
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
    fn renewal_points_of_lets_encrypt_s_profiles() {
        for (lifetime, point) in [(90 * 24, 60 * 24), (45 * 24, 30 * 24), (160, 80), (240, 160), (239, 119)] {
            let validity = of(lifetime * HOUR);
            let age = validity.renewal_point().duration_since(validity.not_before()).unwrap();
            assert_eq!(age.as_secs() / HOUR, point, "{lifetime} h");
        }
    }

    #[test]
    fn a_validity_that_never_holds() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
        let never = Validity::new(now, SystemTime::UNIX_EPOCH);
        assert_eq!((never.lifetime(), never.contains(now)), (Duration::ZERO, false));
        assert_eq!(never.renewal_point(), now);
    }

    proptest! {
        #[test]
        fn every_point_lies_within(lifetime in 0u64..=1 << 40, numerator: u32, denominator in 1u32..) {
            let validity = of(lifetime);
            let point = validity.fraction_point(numerator, NonZeroU32::new(denominator).unwrap());
            prop_assert!(validity.contains(point));
        }
    }
}
