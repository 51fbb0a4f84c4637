//! When the CA is asked again for a renewal window.

use std::time::{Duration, SystemTime};

use super::window::{Window, fraction, renewal_time};

/// What came of asking for the renewal window of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Poll {
    /// A window, with its `Retry-After`. `None` stands for a header that is missing or cannot be read.
    Answered(Option<Duration>),
    /// It may soon work: a timeout, an error of the server (5xx). With its `Retry-After`, where there was one.
    Temporary(Option<Duration>),
    /// It will not soon work: no such name, a refused connection, an error of the client (4xx), a body that is no
    /// renewal information.
    LongTerm,
}

/// How many times in a row asking failed for a while; all that must be kept between two questions.
///
/// ```
/// use fleetcert_schedule::{Poll, Polling};
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH;
/// let not_after = now + Duration::from_secs(45 * 86_400);
/// let six_hours = Duration::from_secs(6 * 3600);
/// let answer = Poll::Answered(Some(six_hours));
/// let (polling, next) = Polling::default().after(answer, now, not_after, 0);
/// assert_eq!(next, Some(now + six_hours));
/// // The first failure: a minute, and up to a tenth more as the random number picks.
/// let (_, next) = polling.after(Poll::Temporary(None), now, not_after, 0);
/// assert_eq!(next, Some(now + Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polling {
    failures: u8,
}

impl Polling {
    /// As it was kept.
    pub fn with_failures(failures: u8) -> Self {
        Self { failures }
    }

    /// How many temporary errors there were in a row.
    pub fn failures(self) -> u8 {
        self.failures
    }

    /// What to keep, and when to ask next: not before and not after (RFC 9773 section 4.3.2). `None` once the
    /// certificate has expired; do not ask either once it was replaced (section 4.3).
    ///
    /// A `Retry-After` counts within a minute and a day. After a temporary error it is 1, 2, 4, 8 and 16 minutes and
    /// up to a tenth more as `random` picks, or what the server says if that is longer; after the fifth in a row, as
    /// after a long-term error and an answer without `Retry-After`, it is six hours (section 4.3.3).
    pub fn after(
        self,
        poll: Poll,
        now: SystemTime,
        not_after: SystemTime,
        random: u64,
    ) -> (Self, Option<SystemTime>) {
        let (failures, wait) = match poll {
            Poll::Answered(Some(retry_after)) => (0, within_bounds(retry_after)),
            Poll::Answered(None) | Poll::LongTerm => (0, LONG_TERM),
            Poll::Temporary(retry_after) if self.failures < TRIES => {
                let backoff = SHORTEST * (1 << self.failures);
                let backoff = backoff + fraction(backoff / 10, random);
                (self.failures + 1, retry_after.map_or(backoff, |asked| within_bounds(asked).max(backoff)))
            }
            Poll::Temporary(retry_after) => (0, retry_after.map_or(LONG_TERM, within_bounds).max(LONG_TERM)),
        };
        let next = now.checked_add(wait).filter(|next| *next < not_after);
        (Self { failures }, next)
    }
}

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(86_400);
const LONG_TERM: Duration = Duration::from_secs(6 * 3600);
const TRIES: u8 = 5;

fn within_bounds(retry_after: Duration) -> Duration {
    retry_after.clamp(SHORTEST, LONGEST)
}

/// The moment to renew at, when the CA has named `window` and `kept` was the window and the moment until now.
///
/// The moment is kept while the window is the same, and while it lies in the new one; else `random` picks one in what
/// is left of the window. A window that is over means now (RFC 9773 section 4.2): Let's Encrypt names such a one for a
/// certificate that was revoked, or soon will be.
///
/// A moment that a [`Calendar`](crate::Calendar) gave may lie before its window; it stays while the window does. One
/// that is not kept is to be removed there, and the new one to be placed.
pub fn moment_in_window(
    window: Window,
    kept: Option<(Window, SystemTime)>,
    now: SystemTime,
    random: u64,
) -> SystemTime {
    match kept {
        Some((before, moment)) if before == window || window.contains(moment) => moment,
        _ => {
            Window::new(window.start().max(now), window.end()).map_or(now, |open| renewal_time(open, random))
        }
    }
}

/// When to wake for a certificate: at the moment of its renewal to the second, or at the next question if that comes
/// first.
///
/// Who wakes only to ask can miss a window whole: that of a certificate for 160 hours is 3.2 hours long, and Let's
/// Encrypt wants to be asked every six.
pub fn wake_at(renew_at: SystemTime, next_poll: Option<SystemTime>) -> SystemTime {
    next_poll.map_or(renew_at, |poll| poll.min(renew_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + HOUR * 400_000
    }

    fn window(from: u32, to: u32) -> Window {
        Window::new(now() + HOUR * from, now() + HOUR * to).unwrap()
    }

    #[test]
    fn five_tries_and_then_six_hours() {
        let mut polling = Polling::default();
        let mut minutes = Vec::new();
        for _ in 0..7 {
            let (after, next) = polling.after(Poll::Temporary(None), now(), now() + HOUR * 1000, 0);
            polling = Polling::with_failures(after.failures());
            minutes.push(next.unwrap().duration_since(now()).unwrap().as_secs() / 60);
        }
        assert_eq!(minutes, [1, 2, 4, 8, 16, 360, 1]);
    }

    #[test]
    fn what_the_server_says_has_bounds() {
        let wait = |poll| {
            let (polling, next) = Polling::with_failures(2).after(poll, now(), now() + HOUR * 1000, 0);
            (polling.failures(), next.unwrap().duration_since(now()).unwrap())
        };
        assert_eq!(wait(Poll::Answered(Some(Duration::ZERO))), (0, SHORTEST));
        assert_eq!(wait(Poll::Answered(Some(Duration::MAX))), (0, LONGEST));
        assert_eq!(wait(Poll::Answered(Some(HOUR))), (0, HOUR));
        assert_eq!(wait(Poll::Answered(None)), (0, LONG_TERM));
        assert_eq!(wait(Poll::LongTerm), (0, LONG_TERM));
        assert_eq!(wait(Poll::Temporary(Some(HOUR))), (3, HOUR));
        assert_eq!(wait(Poll::Temporary(Some(Duration::ZERO))), (3, SHORTEST * 4));
    }

    #[test]
    fn a_moment_is_drawn_once() {
        let first = moment_in_window(window(10, 20), None, now(), 1 << 63);
        assert_eq!(first, now() + HOUR * 15);
        // The same window, whatever the number; also for a moment that was smeared to before it.
        let kept = Some((window(10, 20), first));
        assert_eq!(moment_in_window(window(10, 20), kept, now() + HOUR * 16, 7), first);
        let early = Some((window(10, 20), now() + HOUR * 2));
        assert_eq!(moment_in_window(window(10, 20), early, now(), 7), now() + HOUR * 2);
        // Another window that has the moment in it; and one that has not.
        assert_eq!(moment_in_window(window(14, 24), kept, now(), 7), first);
        assert_eq!(moment_in_window(window(30, 40), kept, now(), 1 << 63), now() + HOUR * 35);
        // Half over: the rest of it.
        assert_eq!(moment_in_window(window(1, 3), kept, now() + HOUR * 2, 0), now() + HOUR * 2);
    }

    #[test]
    fn a_window_that_moved_into_the_past_means_now() {
        let kept = Some((window(100, 110), now() + HOUR * 105));
        let revoked = Window::new(now() - HOUR, now() - HOUR / 2).unwrap();
        assert_eq!(moment_in_window(revoked, kept, now(), 7), now());
    }

    #[test]
    fn the_moment_is_not_slept_through() {
        assert_eq!(wake_at(now() + HOUR, Some(now() + HOUR * 6)), now() + HOUR);
        assert_eq!(wake_at(now() + HOUR * 9, Some(now() + HOUR * 6)), now() + HOUR * 6);
        assert_eq!(wake_at(now() + HOUR, None), now() + HOUR);
    }

    fn any_poll() -> impl Strategy<Value = Poll> {
        let after = prop::option::of(any::<u64>().prop_map(Duration::from_secs));
        prop_oneof![
            after.clone().prop_map(Poll::Answered),
            after.prop_map(Poll::Temporary),
            Just(Poll::LongTerm)
        ]
    }

    proptest! {
        #[test]
        fn never_sooner_than_a_minute_nor_after_expiry(poll in any_poll(), failures: u8, left in 0u32..3000, random: u64) {
            let not_after = now() + HOUR * left;
            let (_, next) = Polling::with_failures(failures).after(poll, now(), not_after, random);
            if let Some(next) = next {
                prop_assert!(now() + SHORTEST <= next && next < not_after);
                prop_assert!(next <= now() + LONGEST);
            } else {
                prop_assert!(left <= 24);
            }
        }

        #[test]
        fn the_moment_is_kept_or_lies_ahead(
            from in 0u32..100, length in 1u32..100, kept in prop::option::of((0u32..100, 1u32..100, 0u32..200)),
            at in 0u32..300, random: u64,
        ) {
            let kept = kept.map(|(from, length, moment)| (window(from, from + length), now() + HOUR * moment));
            let (window, at) = (window(from, from + length), now() + HOUR * at);
            let moment = moment_in_window(window, kept, at, random);
            let is_kept = kept.is_some_and(|(_, before)| before == moment);
            prop_assert!(is_kept || moment == at || (moment >= at && window.contains(moment)));
        }
    }
}
