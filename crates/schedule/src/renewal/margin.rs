//! Time kept for an outage.

use std::time::{Duration, SystemTime};

use super::window::Window;

/// What a renewal must leave room for: the CA, or the zone, may be away for `outage` when a certificate is due, and
/// the certificate is still to have `left` when it is renewed after that.
///
/// The CA's window knows nothing of its own outages. It leaves a third of the life: 30 days of 90 and 15 of 45. After
/// an outage of a week, 15 days are less than eight. A margin of seven days and ten brings the window of a
/// certificate for 45 days forward by two days, at the cost of one certificate more in fourteen; windows that leave
/// enough stay as they are, and so do those of certificates that live too short for it.
///
/// RFC 9773 section 4.2 lets the client choose a time based on the window; an order before it is accepted, and is a
/// renewal of the same set for Let's Encrypt, so it counts against neither new orders nor certificates of the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margin {
    /// The longest outage that is to be survived.
    pub outage: Duration,
    /// What a certificate is to have left after it.
    pub left: Duration,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Margin {
    /// An outage of seven days, and ten days left.
    fn default() -> Self {
        Self { outage: 7 * DAY, left: 10 * DAY }
    }
}

impl Margin {
    /// No margin: the CA's window as it is.
    pub const NONE: Self = Self { outage: Duration::ZERO, left: Duration::ZERO };

    /// The window, brought forward as far as the margin asks for; as long as before, and unchanged when that is not
    /// in the second half of the life, or when it has begun at `now` already: what the CA wants at once, it gets.
    ///
    /// ```
    /// use fleetcert_schedule::{Margin, window_without_ari};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let day = Duration::from_secs(86_400);
    /// let issued = SystemTime::UNIX_EPOCH + 20_000 * day;
    /// let window = window_without_ari(issued, issued + 45 * day).expect("a life of 45 days");
    /// let earlier = Margin::default().apply(window, issued, issued + 45 * day, issued);
    /// // From day 30 to day 28 minus the time to work the outage off: six hours.
    /// assert_eq!(earlier.end(), issued + 27 * day + 18 * day / 24);
    /// ```
    #[must_use]
    pub fn apply(
        &self,
        window: Window,
        not_before: SystemTime,
        not_after: SystemTime,
        now: SystemTime,
    ) -> Window {
        let keep = self.outage.saturating_add(self.left).saturating_add(if self == &Self::NONE {
            Duration::ZERO
        } else {
            WORK_OFF
        });
        let length = window.end().duration_since(window.start()).unwrap_or_default();
        let half_life = not_after.duration_since(not_before).unwrap_or_default() / 2;
        let earlier = not_after
            .checked_sub(keep)
            .and_then(|end| Window::new(end.checked_sub(length)?, end))
            .filter(|earlier| earlier.end() < window.end() && earlier.start() >= not_before + half_life);
        match earlier {
            Some(earlier) if window.start() > now => earlier,
            _ => window,
        }
    }
}

/// What waited through an outage is worked off in this time.
const WORK_OFF: Duration = Duration::from_secs(6 * 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window_without_ari;

    fn moved(days: u32) -> Option<Duration> {
        let issued = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let end = issued + days * DAY;
        let window = window_without_ari(issued, end).unwrap();
        let earlier = Margin::default().apply(window, issued, end, issued);
        assert_eq!(Margin::NONE.apply(window, issued, end, issued), window);
        (earlier != window).then(|| window.start().duration_since(earlier.start()).unwrap())
    }

    #[test]
    fn only_lives_of_about_45_days_are_brought_forward() {
        // 90 and 64 days leave 30 and 21 by themselves; 7 days have no room for a week's outage.
        assert_eq!([90, 64, 7, 30].map(moved), [None; 4]);
        let forward = moved(45).unwrap();
        assert!(forward > 2 * DAY && forward < 3 * DAY, "{forward:?}");
    }

    #[test]
    fn an_open_window_stays() {
        let issued = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let at_once = Window::new(issued - DAY, issued).unwrap();
        assert_eq!(Margin::default().apply(at_once, issued, issued + 45 * DAY, issued + DAY), at_once);
    }
}
