//! What is remembered of a name whose validations failed.
//!
//! Let's Encrypt lets a name fail five times in an hour for one account, and pauses it when 1,152 failures came faster
//! than one a day without a success between them; only the operator can lift that. So a name that fails waits: as
//! [`retry_delay`] says, and longer when its failures came faster than that.

use std::time::{Duration, SystemTime};

use crate::retry_delay;

/// The failures of one name: 24 bytes, however many there were.
///
/// Keep it beside the name, and forget it when it is [clean](Self::is_clean). It counts failed *validations*; a refusal
/// of the CA for another reason is none.
///
/// | what | rule |
/// | --- | --- |
/// | after the 1st, 2nd, 3rd failure in a row | 1, 10, 100 minutes |
/// | after each further one | a day |
/// | after the fourth and each further one in an hour | 12 hours, then a day, two, four, and a week |
/// | after [`MOST_IN_A_ROW`](Self::MOST_IN_A_ROW) | never, until somebody has looked |
///
/// A tenth more, at most, as the random number picks. Who keeps to the times has three failures in the first hour;
/// the fourth in an hour comes only from tries that did not ask, and the CA would refuse after the fifth.
///
/// ```
/// use fleetcert_schedule::failures::{FailureLedger, NextTry, Health};
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let mut ledger = FailureLedger::default();
/// assert_eq!(ledger.next_try(now), NextTry::Now);
/// ledger.failed(now, 0);
/// assert_eq!(ledger.next_try(now), NextTry::At(now + Duration::from_secs(60)));
/// assert_eq!(ledger.next_try(now + Duration::from_secs(60)), NextTry::Now);
/// ledger.succeeded();
/// assert_eq!(ledger.health(), Health::Healthy);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureLedger {
    /// The last failure, in seconds from the epoch.
    last: i64,
    /// How many seconds after it the name may be tried.
    wait: u32,
    in_a_row: u16,
    /// How many seconds the three failures before the last were before it; `u16::MAX` for those that were not, or
    /// longer ago.
    before: [u16; 3],
    /// How many times in a row the failures came too fast.
    cool_downs: u8,
}

/// When a name may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a time that is not kept protects from nothing"]
pub enum NextTry {
    /// Now.
    Now,
    /// Not before then.
    At(SystemTime),
    /// Not before somebody has looked, and [cleared](FailureLedger::clear) it: one more failure, and the CA may pause
    /// the name.
    Operator,
}

/// Among whom a name waits, so that those that fail cannot keep others waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// It did not fail since its last success, or once.
    Healthy,
    /// It failed twice or more since then.
    Failing,
}

impl FailureLedger {
    /// One less than Let's Encrypt allows before it pauses a name.
    pub const MOST_IN_A_ROW: u16 = 1151;

    /// Notes a failed validation.
    pub fn failed(&mut self, now: SystemTime, random: u64) {
        let now = unix_seconds(now);
        let since = now.saturating_sub(self.last);
        self.before = if self.in_a_row == 0 || since < 0 {
            // Nothing is known of how fast they came, or the clock was set back.
            [u16::MAX; 3]
        } else {
            let since = u16::try_from(since).unwrap_or(u16::MAX);
            let [first, second, _] = self.before.map(|before| before.saturating_add(since));
            [since, first, second]
        };
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.last = now;
        let too_fast = self.in_the_hour(now) > MOST_IN_AN_HOUR;
        let wait = retry_delay(self.in_a_row.into(), random);
        let wait = if too_fast {
            self.cool_downs = self.cool_downs.saturating_add(1);
            let doublings = u32::from(self.cool_downs - 1).min(MOST_DOUBLINGS);
            let cool_down = (SHORTEST_COOL_DOWN * (1 << doublings)).min(LONGEST_COOL_DOWN);
            cool_down + crate::renewal::fraction(cool_down / 10, random)
        } else {
            wait
        };
        // At most a week and a tenth of one. Rounded up: not before, to the second.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.wait = u32::try_from(seconds).unwrap_or(u32::MAX);
    }

    /// Notes a validation that succeeded: all is forgotten, as the CA does.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Lets the name be tried again at once, after somebody has looked. The failures in a row stay counted up to
    /// where they end, because the CA still counts them; one more try is free.
    pub fn clear(&mut self) {
        self.in_a_row = self.in_a_row.min(Self::MOST_IN_A_ROW - 1);
        self.wait = 0;
        self.cool_downs = 0;
    }

    /// When the name may be tried.
    pub fn next_try(&self, now: SystemTime) -> NextTry {
        if self.in_a_row >= Self::MOST_IN_A_ROW {
            return NextTry::Operator;
        }
        let now = unix_seconds(now);
        let until = self.last.saturating_add(self.wait.into());
        // Set back by more than the wait: nothing says when the failure was. So no clock adds more than a wait.
        let unknown = self.last.saturating_sub(now) > self.wait.into();
        match (until > now && !unknown, from_unix_seconds(until)) {
            (true, Some(at)) => NextTry::At(at),
            _ => NextTry::Now,
        }
    }

    /// How many failures there were since the last success.
    pub fn in_a_row(&self) -> u16 {
        self.in_a_row
    }

    /// How many failures there were in the last hour; four stands for four or more.
    pub fn in_the_last_hour(&self, now: SystemTime) -> u32 {
        self.in_the_hour(unix_seconds(now))
    }

    fn in_the_hour(&self, now: i64) -> u32 {
        if self.in_a_row == 0 {
            return 0;
        }
        let since = now.saturating_sub(self.last).max(0);
        let ago = |before: u16| since.saturating_add(before.into());
        let known = self.before.into_iter().filter(|before| *before != u16::MAX).map(ago);
        let recent = std::iter::once(since).chain(known).filter(|ago| *ago < HOUR);
        recent.map(|_| 1).sum()
    }

    /// Among whom the name waits.
    pub fn health(&self) -> Health {
        if self.in_a_row >= 2 { Health::Failing } else { Health::Healthy }
    }

    /// Whether there is nothing to remember.
    pub fn is_clean(&self) -> bool {
        self.in_a_row == 0
    }

    /// All of it as plain numbers, for a store.
    pub fn to_numbers(self) -> [i64; 7] {
        let [first, second, third] = self.before.map(i64::from);
        [self.last, self.wait.into(), self.in_a_row.into(), first, second, third, self.cool_downs.into()]
    }

    /// What [`to_numbers`](Self::to_numbers) gave. Numbers that no ledger has are taken for the nearest.
    pub fn from_numbers(numbers: [i64; 7]) -> Self {
        let [last, wait, in_a_row, first, second, third, cool_downs] = numbers;
        let small = |number: i64| u16::try_from(number.max(0)).unwrap_or(u16::MAX);
        Self {
            last,
            wait: u32::try_from(wait.max(0)).unwrap_or(u32::MAX).min(LONGEST_WAIT),
            in_a_row: small(in_a_row),
            before: [first, second, third].map(small),
            cool_downs: u8::try_from(cool_downs.max(0)).unwrap_or(u8::MAX),
        }
    }
}

const HOUR: i64 = 3600;
const MOST_IN_AN_HOUR: u32 = 3;
const SHORTEST_COOL_DOWN: Duration = Duration::from_secs(12 * 3600);
const LONGEST_COOL_DOWN: Duration = Duration::from_secs(7 * 86_400);
/// 12 hours, doubled four times, are eight days.
const MOST_DOUBLINGS: u32 = 4;
/// A week and a tenth.
const LONGEST_WAIT: u32 = 7 * 86_400 / 10 * 11;
const _: () = assert!(size_of::<FailureLedger>() <= 24);

fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}

fn from_unix_seconds(seconds: i64) -> Option<SystemTime> {
    let away = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(away)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(away)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Bucket, Limit};
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * 20_000
    }

    fn wait(ledger: &FailureLedger, now: SystemTime) -> Duration {
        match ledger.next_try(now) {
            NextTry::Now => Duration::ZERO,
            NextTry::At(at) => at.duration_since(now).unwrap(),
            NextTry::Operator => Duration::MAX,
        }
    }

    #[test]
    fn the_steps() {
        let (mut ledger, mut now) = (FailureLedger::default(), start());
        let mut minutes = Vec::new();
        for _ in 0..6 {
            ledger.failed(now, 0);
            minutes.push(wait(&ledger, now).as_secs() / 60);
            now += wait(&ledger, now);
        }
        assert_eq!(minutes, [1, 10, 100, 1440, 1440, 1440]);
        assert_eq!((ledger.in_a_row(), ledger.health()), (6, Health::Failing));
        ledger.succeeded();
        assert!(ledger.is_clean());
        assert_eq!(ledger.next_try(now), NextTry::Now);
    }

    #[test]
    fn one_failure_is_no_failing_name() {
        let mut ledger = FailureLedger::default();
        ledger.failed(start(), 0);
        assert_eq!(ledger.health(), Health::Healthy);
        ledger.failed(start(), 0);
        assert_eq!(ledger.health(), Health::Failing);
    }

    #[test]
    fn too_many_in_an_hour_cool_down() {
        let mut ledger = FailureLedger::default();
        let mut hours = Vec::new();
        let mut now = start();
        for i in 0..12 {
            ledger.failed(now, 0);
            if i >= 3 {
                hours.push(wait(&ledger, now).as_secs() / 3600);
            }
            now += MINUTE * 10;
        }
        assert_eq!(hours, [12, 24, 48, 96, 168, 168, 168, 168, 168]);
        assert_eq!(ledger.in_the_last_hour(now - MINUTE * 10), 4);
        assert_eq!(ledger.in_the_last_hour(now + MINUTE * 49), 1);
        assert_eq!(ledger.in_the_last_hour(now + MINUTE * 50), 0);
    }

    #[test]
    fn the_last_one_is_the_operators() {
        let (mut ledger, mut now) = (FailureLedger::default(), start());
        for _ in 0..FailureLedger::MOST_IN_A_ROW {
            assert_eq!(ledger.next_try(now), NextTry::Now);
            ledger.failed(now, 0);
            now += DAY * 2;
        }
        assert_eq!(ledger.next_try(now), NextTry::Operator);
        ledger.clear();
        assert_eq!(ledger.next_try(now), NextTry::Now);
        ledger.failed(now, 0);
        assert_eq!(ledger.next_try(now), NextTry::Operator);
    }

    #[test]
    fn a_clock_that_was_set_back_doubles_a_wait_at_most() {
        let mut ledger = FailureLedger::default();
        ledger.failed(start() + MINUTE, 0);
        assert_eq!(ledger.next_try(start()), NextTry::At(start() + MINUTE * 2));
        ledger = FailureLedger::default();
        ledger.failed(start() + DAY * 365, 0);
        assert_eq!(ledger.next_try(start()), NextTry::Now);
        ledger.failed(start(), 0);
        assert_eq!(ledger.in_the_last_hour(start()), 1);
        assert_eq!(wait(&ledger, start()), MINUTE * 10);
    }

    proptest! {
        /// Who keeps to the times is neither refused nor paused by the CA, however long it goes on.
        #[test]
        fn the_ca_never_pauses(pauses in prop::collection::vec((0u64..100_000, any::<u64>()), 1..300)) {
            let an_hour = Limit::new(5, 5, Duration::from_secs(3600)).unwrap();
            let pausing = Limit::new(1152, 1, DAY).unwrap();
            let (mut hourly, mut in_a_row) = (Bucket::FULL, Bucket::FULL);
            let (mut ledger, mut now) = (FailureLedger::default(), start());
            for (pause, random) in pauses {
                now += wait(&ledger, now) + Duration::from_secs(pause);
                ledger.failed(now, random);
                let decisions = (hourly.spend(&an_hour, now, 1), in_a_row.spend(&pausing, now, 1));
                prop_assert!(decisions.0.allowed && decisions.0.remaining() >= 1);
                prop_assert!(decisions.1.allowed && decisions.1.remaining() >= 1000);
                (hourly, in_a_row) = (decisions.0.bucket, decisions.1.bucket);
            }
        }

        #[test]
        fn no_number_breaks_it(numbers: [i64; 7], seconds in -1i64 << 40..1 << 40, random: u64) {
            let mut ledger = FailureLedger::from_numbers(numbers);
            let now = from_unix_seconds(seconds).unwrap();
            prop_assert!(wait(&ledger, now) <= DAY * 16 || ledger.next_try(now) == NextTry::Operator);
            if let NextTry::At(at) = ledger.next_try(now) {
                prop_assert_eq!(ledger.next_try(at), NextTry::Now);
            }
            prop_assert_eq!(FailureLedger::from_numbers(ledger.to_numbers()), ledger);
            ledger.failed(now, random);
            let waits = wait(&ledger, now);
            prop_assert!(waits >= MINUTE && (waits <= DAY * 8 || ledger.next_try(now) == NextTry::Operator));
        }

        #[test]
        fn the_hour_is_counted(seconds in prop::collection::vec(0u32..2000, 1..20), later in 0u32..5000) {
            let (mut ledger, mut now) = (FailureLedger::default(), start());
            let mut failed = Vec::new();
            for pause in seconds {
                now += Duration::from_secs(pause.into());
                ledger.failed(now, 0);
                failed.push(now);
            }
            now += Duration::from_secs(later.into());
            let truth = failed.iter().filter(|at| now.duration_since(**at).unwrap() < MINUTE * 60).count();
            prop_assert_eq!(ledger.in_the_last_hour(now) as usize, truth.min(4));
        }
    }
}
