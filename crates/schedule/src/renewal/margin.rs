//! The margin of a renewal for an outage.

use std::time::{Duration, SystemTime};

use super::window::Window;

/// The time that a renewal leaves for an outage: the CA or the zone may be unavailable for `outage` when a certificate is
/// due, and the certificate still has `left` when it is renewed after that.
///
/// The CA's window leaves a third of the lifetime: 30 days of 90, and 15 of 45. After an outage of a week, less than
/// eight of 15 days are left. A margin of seven and ten days moves the window of a certificate of 45 days forward by two
/// days, at the cost of one more certificate in fourteen. Windows that leave enough are not changed, nor are those of
/// certificates with too short a lifetime.
///
/// RFC 9773 section 4.2 lets the client choose a time based on the window. An order before the window is accepted. For
/// Let's Encrypt it is a renewal of the same set, so it counts against neither new orders nor certificates of the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margin {
    /// Longest outage. Default: seven days.
    pub outage: Duration,
    /// Time that a certificate has left after the outage. Default: ten days.
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
    /// No margin: the CA's window is not changed.
    pub const NONE: Self = Self { outage: Duration::ZERO, left: Duration::ZERO };

    /// Returns the window, moved forward by the margin, of the same length. It is unchanged if the moved window would not
    /// be in the second half of the lifetime, or if the window has begun at `now`.
    #[must_use]
    pub(crate) fn apply(
        &self,
        window: Window,
        not_before: SystemTime,
        not_after: SystemTime,
        now: SystemTime,
    ) -> Window {
        let keep = self.outage.saturating_add(self.left).saturating_add(if self == &Self::NONE {
            Duration::ZERO
        } else {
            BACKLOG_TIME
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

/// Time to work through the backlog of an outage.
const BACKLOG_TIME: Duration = Duration::from_secs(6 * 3600);

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
    fn only_lifetimes_of_about_45_days_are_moved_forward() {
        // 90 and 64 days leave 30 and 21 by themselves; 7 days have no room for a week's outage.
        assert_eq!([90, 64, 7, 30].map(moved), [None; 4]);
        let forward = moved(45).unwrap();
        assert!(forward > 2 * DAY && forward < 3 * DAY, "{forward:?}");
        // From day 30 to day 28, minus six hours to work through the backlog.
        let issued = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let window = window_without_ari(issued, issued + 45 * DAY).unwrap();
        let earlier = Margin::default().apply(window, issued, issued + 45 * DAY, issued);
        assert_eq!(earlier.end(), issued + 27 * DAY + 18 * DAY / 24);
    }

    #[test]
    fn open_window_is_not_moved() {
        let issued = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let at_once = Window::new(issued - DAY, issued).unwrap();
        assert_eq!(Margin::default().apply(at_once, issued, issued + 45 * DAY, issued + DAY), at_once);
    }
}
