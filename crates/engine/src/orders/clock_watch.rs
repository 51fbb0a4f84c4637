//! Clock guard: starts no new order while the clock may be wrong.
//!
//! It measures time by waits, because nobody can set the clock that they follow; in virtual time the waits are virtual
//! too, and agree. Orders in flight continue whatever it finds.

use parking_lot::Mutex;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::Ambient;
use fleetcert_schedule::clock_guard::{ClockGuard, ClockRule, Doubt, Start};

/// The clock guard of a process; `None` to trust the clock.
#[derive(Debug)]
pub(crate) struct ClockWatch(Option<(ClockRule, Mutex<WatchedClock>)>);

#[derive(Debug)]
struct WatchedClock {
    guard: ClockGuard,
    /// What was waited for since the start.
    waited: Duration,
    /// The clock at the end of the last wait.
    last: SystemTime,
    doubts: bool,
}

/// A stop of new orders because of the clock, or because too many have started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) until: SystemTime,
    pub(super) doubt: Option<Doubt>,
}

/// The longest wait between two looks.
const LOOK: Duration = Duration::from_secs(30);

impl ClockWatch {
    pub(crate) fn new(rule: Option<ClockRule>, now: SystemTime) -> Self {
        Self(rule.map(|rule| {
            let guard = ClockGuard::new(rule, now, Duration::ZERO, None);
            (rule, Mutex::new(WatchedClock { guard, waited: Duration::ZERO, last: now, doubts: false }))
        }))
    }

    fn with<R>(&self, f: impl FnOnce(&mut WatchedClock) -> R) -> Option<R> {
        let (_, watched) = self.0.as_ref()?;
        Some(f(&mut watched.lock()))
    }

    /// How long it waits between two looks: well within what the rule tells apart.
    fn step(&self) -> Option<Duration> {
        let (rule, _) = self.0.as_ref()?;
        let finest = rule.tolerance.min(rule.agreement) / 8;
        Some(LOOK.min(finest).max(Duration::from_millis(1)))
    }

    /// Before a run. Nobody has looked at the clock since the last one, or since the engine was made: what it went on
    /// meanwhile is taken for time that passed. One that was set back is seen all the same.
    pub(crate) fn begin(&self, now: SystemTime) {
        self.with(|watched| {
            watched.waited += now.duration_since(watched.last).unwrap_or_default();
            watched.last = now;
            watched.guard.observe(now, watched.waited);
        });
    }

    /// Looks at the clock at short intervals. Never returns.
    pub(super) async fn run(&self, ambient: &Ambient) {
        let Some(step) = self.step() else { return std::future::pending().await };
        loop {
            ambient.sleep(step).await;
            let now = ambient.now();
            self.with(|watched| watched.waited(step, now));
        }
    }

    /// Counts a start.
    pub(super) fn started(&self) {
        self.with(|watched| watched.guard.started(watched.waited));
    }

    /// Returns what keeps a new order from starting now, and whether a doubt has just begun (`true`) or ended (`false`).
    pub(super) fn decide(&self, now: SystemTime) -> (Option<Stop>, Option<bool>) {
        let decided = self.with(|watched| {
            watched.guard.observe(now, watched.waited);
            let stop = watched.stop(now);
            let doubts = stop.is_some_and(|stop| stop.doubt.is_some());
            let was = std::mem::replace(&mut watched.doubts, doubts);
            (stop, (was != doubts).then_some(doubts))
        });
        decided.unwrap_or_default()
    }
}

impl WatchedClock {
    /// A wait of this length has ended. One that ended late was as long as the clock says, within reason: so nothing adds
    /// up over months that no jump was.
    fn waited(&mut self, step: Duration, now: SystemTime) {
        let by_the_clock = now.duration_since(self.last).unwrap_or_default();
        self.waited += by_the_clock.clamp(step, step + step / 4);
        self.last = now;
        self.guard.observe(now, self.waited);
    }

    fn stop(&self, now: SystemTime) -> Option<Stop> {
        let (at, doubt) = match self.guard.decide(self.waited) {
            Start::Go => return None,
            Start::Pace { at } => (Some(at), None),
            Start::Unsure { doubt, believed_at } => (believed_at, Some(doubt)),
        };
        let wait = at.map_or(LOOK, |at| at.saturating_sub(self.waited)).max(Duration::from_millis(1));
        Some(Stop { until: now.checked_add(wait).unwrap_or(now), doubt })
    }
}

#[cfg(test)]
mod tests {
    use fleetcert_schedule::budget::Limit;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * 20_000
    }

    fn watch(burst: u32) -> ClockWatch {
        ClockWatch::new(Some(ClockRule::new(Limit::new(burst, 60, MINUTE * 60).unwrap())), start())
    }

    /// Waits so long, each wait this much late, with the clock shifted by what `shift` says. Returns the clock.
    fn wait(watch: &ClockWatch, from: SystemTime, long: Duration, late: Duration) -> SystemTime {
        let step = watch.step().unwrap();
        let mut now = from;
        for _ in 0..long.as_secs() / step.as_secs() {
            now += step + late;
            watch.with(|watched| watched.waited(step, now));
        }
        now
    }

    #[test]
    fn without_a_rule_nothing_stops() {
        let watch = ClockWatch::new(None, start());
        assert_eq!(watch.decide(start() + DAY), (None, None));
        assert_eq!(watch.step(), None);
    }

    #[test]
    fn waits_that_end_late_are_no_jump() {
        let watch = watch(10);
        // A second late each, for a hundred days: more than a day and a half in all.
        let now = wait(&watch, start(), DAY * 50, Duration::from_secs(1));
        assert_eq!(watch.decide(now), (None, None));
    }

    #[test]
    fn jump_of_the_clock_stops_orders_until_it_runs_evenly() {
        for (jump, back) in [(DAY, false), (DAY, true), (MINUTE * 11, false)] {
            let watch = watch(10);
            let now = wait(&watch, start(), MINUTE * 5, Duration::ZERO);
            let now = if back { now - jump } else { now + jump };
            // Seen at once, between two looks.
            let (stop, news) = watch.decide(now);
            assert_eq!((stop.unwrap().doubt, news), (Some(Doubt::Jumped), Some(true)));
            let now = wait(&watch, now, MINUTE * 9, Duration::ZERO);
            assert_eq!(watch.decide(now).1, None, "no news");
            let now = wait(&watch, now, MINUTE * 2, Duration::ZERO);
            assert_eq!(watch.decide(now), (None, Some(false)));
        }
    }

    #[test]
    fn time_between_two_runs_is_no_jump() {
        let watch = watch(10);
        let mut now = start();
        for pause in [MINUTE * 60, DAY * 365] {
            watch.begin(now + pause);
            assert_eq!(watch.decide(now + pause), (None, None));
            now = wait(&watch, now + pause, MINUTE * 30, Duration::ZERO);
            assert_eq!(watch.decide(now), (None, None));
        }
        watch.begin(now - DAY);
        assert_eq!(watch.decide(now - DAY).0.unwrap().doubt, Some(Doubt::Jumped));
    }

    #[test]
    fn starts_per_hour_are_bounded_whatever_the_clock_says() {
        let watch = watch(3);
        (0..3).for_each(|_| watch.started());
        let (stop, news) = watch.decide(start());
        assert_eq!((stop, news), (Some(Stop { until: start() + MINUTE, doubt: None }), None));
        let now = wait(&watch, start(), MINUTE, Duration::ZERO);
        assert_eq!(watch.decide(now), (None, None));
    }
}
