//! A count for each hour, and the sum over a range of hours.

use std::ops::Range;
use std::time::{Duration, SystemTime};

/// Number of hours: 341 days. Certificates are valid for at most 200 days and renewed after two thirds of them.
const HOURS: usize = 8192;

/// Hours since the epoch that are [`HOURS`] apart share a place, so that adding and removing need no clock and the size
/// is fixed.
#[derive(Clone, Debug)]
pub(super) struct Hours {
    count: Box<[u32]>,
    /// Fenwick tree over the counts: place `i` has the sum of as many counts up to `i` as the value of its lowest set bit.
    sums: Box<[u64]>,
}

impl Hours {
    pub(super) fn new() -> Self {
        Self { count: vec![0; HOURS].into_boxed_slice(), sums: vec![0; HOURS + 1].into_boxed_slice() }
    }

    pub(super) fn count(&self, hour: i64) -> u32 {
        self.count[index(hour)]
    }

    pub(super) fn add(&mut self, hour: i64) {
        let place = index(hour);
        if let Some(more) = self.count[place].checked_add(1) {
            self.count[place] = more;
            for_each_above(place, |sum| self.sums[sum] += 1);
        }
    }

    pub(super) fn remove(&mut self, hour: i64) {
        let place = index(hour);
        if let Some(less) = self.count[place].checked_sub(1) {
            self.count[place] = less;
            for_each_above(place, |sum| self.sums[sum] -= 1);
        }
    }

    pub(super) fn sum(&self, hours: Range<i64>) -> u64 {
        let hours = bounded(hours);
        let (first, last) = (index(hours.start), index(hours.end));
        match hours.end.abs_diff(hours.start) {
            0 => 0,
            _ if first < last => self.before(last) - self.before(first),
            _ => self.before(HOURS) - self.before(first) + self.before(last),
        }
    }

    fn before(&self, place: usize) -> u64 {
        let (mut place, mut sum) = (place, 0);
        while place > 0 {
            sum += self.sums[place];
            place &= place - 1;
        }
        sum
    }
}

fn for_each_above(place: usize, mut change: impl FnMut(usize)) {
    let mut place = place + 1;
    while place <= HOURS {
        change(place);
        place += place & place.wrapping_neg();
    }
}

/// Returns the last [`HOURS`] of the hours, so that none counts twice.
pub(super) fn bounded(hours: Range<i64>) -> Range<i64> {
    hours.start.clamp(hours.end.saturating_sub(HOURS as i64), hours.end)..hours.end
}

pub(super) fn hour_of(at: SystemTime) -> i64 {
    let hours = |seconds: u64| i64::try_from(seconds / 3600).unwrap_or(i64::MAX);
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => hours(after.as_secs()),
        // The last nanosecond before the epoch is in the hour -1.
        Err(before) => -1 - hours(before.duration().saturating_sub(Duration::from_nanos(1)).as_secs()),
    }
}

pub(super) fn start_of(hour: i64) -> Option<SystemTime> {
    let away = Duration::from_secs(hour.unsigned_abs().checked_mul(3600)?);
    if hour < 0 { SystemTime::UNIX_EPOCH.checked_sub(away) } else { SystemTime::UNIX_EPOCH.checked_add(away) }
}

fn index(hour: i64) -> usize {
    hour.rem_euclid(HOURS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hour_before_the_epoch_is_negative() {
        let epoch = SystemTime::UNIX_EPOCH;
        let nano = Duration::from_nanos(1);
        assert_eq!((hour_of(epoch), hour_of(epoch - nano)), (0, -1));
        let hour = Duration::from_secs(3600);
        assert_eq!((hour_of(epoch - hour), hour_of(epoch - hour - nano)), (-1, -2));
        assert_eq!((start_of(-2), start_of(2)), (Some(epoch - 2 * hour), Some(epoch + 2 * hour)));
    }

    proptest! {
        #[test]
        fn sum_of_a_range_equals_the_counts(
            changes in prop::collection::vec((-20_000i64..20_000, prop::bool::weighted(0.8)), 0..300),
            start in -20_000i64..20_000,
            length in 0i64..20_000,
        ) {
            let mut hours = Hours::new();
            for (hour, add) in changes {
                if add { hours.add(hour) } else { hours.remove(hour) }
            }
            let range = start..start + length;
            let all: u64 = bounded(range.clone()).map(|hour| u64::from(hours.count(hour))).sum();
            prop_assert_eq!(hours.sum(range), all);
        }

        #[test]
        fn time_is_in_its_hour(seconds in -100_000_000_000i64..100_000_000_000, nanos in 0u32..1_000_000_000) {
            let away = Duration::from_secs(seconds.unsigned_abs());
            let epoch = SystemTime::UNIX_EPOCH;
            let at = if seconds < 0 { epoch - away } else { epoch + away } + Duration::from_nanos(nanos.into());
            let hour = hour_of(at);
            prop_assert!(start_of(hour).unwrap() <= at && at < start_of(hour + 1).unwrap());
        }
    }
}
