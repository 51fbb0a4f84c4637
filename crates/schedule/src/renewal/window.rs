//! The window in which a certificate is renewed, and the moment in it.

use std::time::{Duration, SystemTime};

/// The time in which a certificate should be renewed: from `start` on, and before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: SystemTime,
    end: SystemTime,
}

impl Window {
    /// The window from `start` to `end`; `None` when it does not end after it starts, which RFC 9773 section 4.2
    /// says to take as no answer.
    pub fn new(start: SystemTime, end: SystemTime) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// When it opens.
    pub fn start(&self) -> SystemTime {
        self.start
    }

    /// When it closes.
    pub fn end(&self) -> SystemTime {
        self.end
    }

    /// Whether `time` lies inside.
    pub fn contains(&self, time: SystemTime) -> bool {
        self.start <= time && time < self.end
    }

    /// Returns the window that counts for a certificate: this one, if it opens after the certificate was `issued`.
    ///
    /// A window that was open before the certificate existed is a fault of the CA: with it, each renewal would be due as
    /// soon as it is issued. Such a window counts from a third of the certificate's life on. A CA that revokes the
    /// certificate names a window that opens after its issuance, at the latest when it is polled again.
    ///
    /// ```
    /// use fleetcert_schedule::Window;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let day = Duration::from_secs(86_400);
    /// let issued = SystemTime::UNIX_EPOCH + 20_000 * day;
    /// let stuck = Window::new(issued - 3 * day, issued - 2 * day).expect("a day");
    /// let counts = stuck.for_certificate(issued, issued + 90 * day);
    /// assert_eq!(counts.start(), issued + 30 * day);
    /// let revoked = Window::new(issued + day, issued + 2 * day).expect("a day");
    /// assert_eq!(revoked.for_certificate(issued, issued + 90 * day), revoked);
    /// ```
    #[must_use]
    pub fn for_certificate(self, issued: SystemTime, not_after: SystemTime) -> Self {
        if self.start > issued {
            return self;
        }
        let life = not_after.duration_since(issued).unwrap_or_default();
        let start = issued + life / 3;
        // As wide as a window that is computed from the life.
        let end = self.end.max(start + (life / 50).max(Duration::from_secs(1)));
        Self { start, end }
    }
}

/// The moment in the window that `random` picks, all being equally likely (RFC 9773 section 4.2).
///
/// Draw once and keep the moment: who draws again at every look renews too early.
pub fn renewal_time(window: Window, random: u64) -> SystemTime {
    let length = window.end.duration_since(window.start).unwrap_or_default();
    window.start + fraction(length, random)
}

/// The window of a certificate whose CA names none: 2 % of its life around two thirds of it, or around half of
/// it where the life is under ten days. It is the window that Let's Encrypt's servers compute.
///
/// `None` when the life does not end after it starts.
pub fn window_without_ari(not_before: SystemTime, not_after: SystemTime) -> Option<Window> {
    let life = not_after.duration_since(not_before).ok()?;
    let centre = if life < SHORT_LIFE { life / 2 } else { life / 3 * 2 };
    let half_width = life / 100;
    Window::new(not_before + (centre - half_width), not_before + (centre + half_width))
}

const SHORT_LIFE: Duration = Duration::from_secs(10 * 86_400);

/// The part of `whole` that `random` is of all numbers: less than the whole, without overflow.
pub(crate) fn fraction(whole: Duration, random: u64) -> Duration {
    let nanos = whole.as_nanos().min(u128::from(u64::MAX));
    // Both factors are below 2^64, so the product fits; the result is below the first factor, so it fits too.
    let part = (nanos * u128::from(random)) >> 64;
    Duration::from_nanos(part as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(days: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * days
    }

    #[test]
    fn the_windows_of_lets_encrypt() {
        // Let's Encrypt: 90 days are renewed around day 60 within 43.2 hours, 160 hours around hour 80.
        let window = window_without_ari(at(0), at(90)).unwrap();
        assert_eq!(
            window.end().duration_since(window.start()).unwrap(),
            Duration::from_secs(43 * 3600 + 720)
        );
        assert!(window.contains(at(60)));
        let hours = |hours: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(hours * 3600);
        let short = window_without_ari(hours(0), hours(160)).unwrap();
        assert!(short.contains(hours(80)));
        assert_eq!(short.end().duration_since(short.start()).unwrap(), Duration::from_secs(11_520));
    }

    #[test]
    fn a_window_that_ends_before_it_starts_is_none() {
        assert_eq!(Window::new(at(2), at(2)), None);
        assert_eq!(window_without_ari(at(2), at(1)), None);
    }

    proptest! {
        #[test]
        fn the_moment_lies_in_the_window(start in 0u32..40_000, seconds in 1u64..100_000_000, random: u64) {
            let window = Window::new(at(start), at(start) + Duration::from_secs(seconds)).unwrap();
            prop_assert!(window.contains(renewal_time(window, random)));
        }
    }
}
