//! The arithmetic of one bucket: the generic cell rate algorithm in whole nanoseconds.

use std::time::{Duration, SystemTime};

/// The measure of one limit: `burst` at once, and `count` more in every `period`.
///
/// Two of the three are not enough, as an override may have a burst that its refill does not suggest. A count or
/// a burst of zero counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Requests at once, from a full bucket.
    pub burst: u64,
    /// Tokens that come back in every `period`.
    pub count: u64,
    /// Time in which `count` tokens come back.
    pub period: Duration,
}

/// Nanoseconds since 1970. A time before counts as 1970; the last one is in the year 2554.
pub(super) type Nanos = u64;

pub(super) fn nanos(time: SystemTime) -> Nanos {
    length(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

pub(super) fn time(nanos: Nanos) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
}

fn length(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What a bucket says to one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// There is a token. Spent, the bucket is full again at `full_at`.
    Allowed { full_at: Nanos },
    /// There is none for another `retry_in` nanoseconds.
    Denied { retry_in: u64 },
}

impl Rate {
    /// As many in a period as at once.
    pub const fn of(burst: u64, period: Duration) -> Self {
        Self { burst, count: burst, period }
    }

    /// The time in which one comes back.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval_nanos())
    }

    fn interval_nanos(&self) -> u64 {
        length(self.period) / self.count.max(1)
    }

    /// The time in which an empty bucket fills.
    fn depth(&self) -> u64 {
        self.interval_nanos().saturating_mul(self.burst.max(1))
    }

    /// Whether a bucket that is full at `full_at` has a token now. A bucket that was never used is full now.
    pub(super) fn decide(&self, full_at: Option<Nanos>, now: Nanos) -> Decision {
        let base = full_at.map_or(now, |full_at| full_at.max(now));
        let full_at = base.saturating_add(self.interval_nanos());
        match (full_at - now).checked_sub(self.depth()) {
            None | Some(0) => Decision::Allowed { full_at },
            Some(retry_in) => Decision::Denied { retry_in },
        }
    }

    /// How many tokens such a bucket has.
    pub(super) fn remaining(&self, full_at: Option<Nanos>, now: Nanos) -> u64 {
        let used = full_at.map_or(0, |full_at| full_at.saturating_sub(now));
        self.depth().saturating_sub(used).checked_div(self.interval_nanos()).unwrap_or(u64::MAX)
    }

    /// When the bucket is full after one token came back. `None` when it is full now.
    pub(super) fn refunded(&self, full_at: Nanos, now: Nanos) -> Option<Nanos> {
        Some(full_at.saturating_sub(self.interval_nanos())).filter(|full_at| *full_at > now)
    }
}

/// A duration as Go prints it, which is how Boulder's texts have it: `168h0m0s`, `1.5s`, `20ms`.
pub(super) fn go_duration(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 {
        return match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => decimal(u64::from(nanos), 1_000, "µs"),
            _ => decimal(u64::from(nanos), 1_000_000, "ms"),
        };
    }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = decimal(seconds % 60 * 1_000_000_000 + u64::from(nanos), 1_000_000_000, "s");
    match (hours, minutes) {
        (0, 0) => rest,
        (0, _) => format!("{minutes}m{rest}"),
        _ => format!("{hours}h{minutes}m{rest}"),
    }
}

/// `value / unit` without zeros at the end.
fn decimal(value: u64, unit: u64, name: &str) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return format!("{whole}{name}");
    }
    let digits = unit.ilog10() as usize;
    let fraction = format!("{rest:0digits$}");
    format!("{whole}.{}{name}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn intervals_are_whole_nanoseconds() {
        let interval = |rate: Rate| rate.interval();
        assert_eq!(interval(Rate::of(300, 3 * HOUR)), Duration::from_secs(36));
        assert_eq!(interval(Rate::of(500, 3 * HOUR)), Duration::from_millis(21_600));
        // 10^9 / 30,000 = 33,333.3
        assert_eq!(interval(Rate::of(30_000, Duration::from_secs(1))), Duration::from_nanos(33_333));
        assert_eq!(interval(Rate { burst: 0, count: 0, period: HOUR }), HOUR);
    }

    #[test]
    fn the_edges_of_a_bucket() {
        let rate = Rate::of(5, Duration::from_nanos(50));
        assert_eq!(rate.decide(None, 1000), Decision::Allowed { full_at: 1010 });
        assert_eq!(rate.decide(Some(7), 1000), Decision::Allowed { full_at: 1010 });
        assert_eq!(rate.decide(Some(1040), 1000), Decision::Allowed { full_at: 1050 });
        assert_eq!(rate.decide(Some(1041), 1000), Decision::Denied { retry_in: 1 });
        assert_eq!((rate.remaining(Some(1040), 1000), rate.remaining(Some(1041), 1000)), (1, 0));
        assert_eq!((rate.refunded(1030, 1000), rate.refunded(1010, 1000)), (Some(1020), None));
    }

    #[test]
    fn no_measure_is_too_large() {
        let endless = Rate { burst: u64::MAX, count: 1, period: Duration::MAX };
        assert!(matches!(endless.decide(None, u64::MAX), Decision::Allowed { .. }));
        let nothing = Rate { burst: 1, count: 1, period: Duration::ZERO };
        assert_eq!(nothing.decide(Some(5), 5), Decision::Allowed { full_at: 5 });
        assert_eq!(nothing.remaining(None, 5), u64::MAX);
    }

    #[test]
    fn durations_as_go_prints_them() {
        let text = |nanos| go_duration(Duration::from_nanos(nanos));
        let second = 1_000_000_000;
        assert_eq!(text(604_800 * second), "168h0m0s");
        assert_eq!(text(10_800 * second), "3h0m0s");
        assert_eq!(text(61 * second), "1m1s");
        assert_eq!(text(second), "1s");
        assert_eq!(text(3_661 * second + second / 2), "1h1m1.5s");
        assert_eq!(text(1_050_000), "1.05ms");
        assert_eq!((text(0), text(7), text(7_000)), ("0s".to_owned(), "7ns".to_owned(), "7µs".to_owned()));
    }

    proptest! {
        /// A request is allowed after the stated wait, and not a nanosecond sooner.
        #[test]
        fn the_wait_is_exact(
            burst in 1u64..1000, count in 1u64..1000, period in 1u64..1 << 50, spent in 0u64..1 << 52,
        ) {
            let rate = Rate { burst, count, period: Duration::from_nanos(period) };
            let now = 1 << 60;
            let full_at = Some(now + spent);
            if let Decision::Denied { retry_in } = rate.decide(full_at, now) {
                let at = |time| matches!(rate.decide(full_at, time), Decision::Allowed { .. });
                prop_assert!(at(now + retry_in));
                prop_assert!(!at(now + retry_in - 1));
                prop_assert_eq!(rate.remaining(full_at, now), 0);
            }
        }

        /// From a full bucket exactly the burst goes out at once.
        #[test]
        fn a_full_bucket_has_its_burst(burst in 1u64..200, count in 1u64..200, period in 200u64..1 << 50) {
            let rate = Rate { burst, count, period: Duration::from_nanos(period) };
            let (mut full_at, mut out) = (None, 0);
            while let Decision::Allowed { full_at: next } = rate.decide(full_at, 9) {
                prop_assert_eq!(rate.remaining(full_at, 9), burst - out);
                (full_at, out) = (Some(next), out + 1);
            }
            prop_assert_eq!(out, burst);
        }
    }
}
