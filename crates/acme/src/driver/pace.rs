//! Poll intervals of an order.

use std::time::Duration;

use fleetcert_ambient::Backoff;

use super::DriverOptions;
use crate::OrderStatus;

/// Poll intervals where the CA names none: a first look after milliseconds, because many CAs validate and sign at once,
/// then a back-off. A new status starts over.
#[derive(Debug)]
pub(super) struct PollPace {
    first_look: Duration,
    backoff: Backoff,
    readings: u32,
    status: Option<OrderStatus>,
}

/// Shortest first look, so that polling is never a busy loop.
const MIN_FIRST_LOOK: Duration = Duration::from_millis(1);
/// Shortest interval after it.
const MIN_POLL: Duration = Duration::from_millis(10);

impl PollPace {
    pub(super) fn new(options: &DriverOptions) -> Self {
        let first = options.first_poll.max(MIN_POLL);
        Self {
            first_look: options.first_look.max(MIN_FIRST_LOOK),
            backoff: Backoff::new(first, options.longest_poll.max(first)),
            readings: 0,
            status: None,
        }
    }

    /// Records the status that was read.
    pub(super) fn observe(&mut self, status: OrderStatus) {
        if self.status.replace(status) != Some(status) {
            self.readings = 0;
        }
    }

    /// Returns the next interval: the wait that the CA asks for, if that is not zero.
    pub(super) fn next_wait(&mut self, asked_for: Option<Duration>) -> Duration {
        self.readings = self.readings.saturating_add(1);
        asked_for.filter(|wait| !wait.is_zero()).unwrap_or_else(|| match self.readings {
            1 => self.first_look,
            reading => self.backoff.delay(reading - 1),
        })
    }

    /// Returns how many readings in a row the status has stayed the same.
    pub(super) fn readings(&self) -> u32 {
        self.readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_look_is_early_then_intervals_double_and_a_new_status_starts_over() {
        let mut pace = PollPace::new(&DriverOptions::default());
        pace.observe(OrderStatus::Pending);
        let intervals: Vec<_> = (0..9).map(|_| pace.next_wait(None).as_millis()).collect();
        assert_eq!(intervals, [5, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        pace.observe(OrderStatus::Pending);
        assert_eq!(pace.next_wait(None).as_millis(), 5000);
        pace.observe(OrderStatus::Processing);
        assert_eq!(pace.next_wait(None).as_millis(), 5);
    }

    #[test]
    fn wait_of_the_ca_is_kept() {
        let mut pace = PollPace::new(&DriverOptions::default());
        assert_eq!(pace.next_wait(Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(pace.next_wait(Some(Duration::ZERO)).as_millis(), 100);
    }

    #[test]
    fn options_without_intervals_have_the_shortest() {
        let zero = Duration::ZERO;
        let options =
            DriverOptions { first_look: zero, first_poll: zero, longest_poll: zero, ..Default::default() };
        let mut pace = PollPace::new(&options);
        let intervals: Vec<_> = (0..3).map(|_| pace.next_wait(None)).collect();
        assert_eq!(intervals, [MIN_FIRST_LOOK, MIN_POLL, MIN_POLL]);
    }
}
