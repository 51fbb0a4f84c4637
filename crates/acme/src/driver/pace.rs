//! Waits between readings of an order.

use std::time::Duration;

use fleetcert_ambient::Backoff;

use super::DriverOptions;
use crate::OrderStatus;

/// Waits where the CA names none: short at first, because most CAs validate at once, then twice as long each time. A
/// new status starts over.
#[derive(Debug)]
pub(super) struct PollPace {
    backoff: Backoff,
    readings: u32,
    status: Option<OrderStatus>,
}

/// Shortest wait, so that polling is never a busy loop.
const MIN_POLL: Duration = Duration::from_millis(10);

impl PollPace {
    pub(super) fn new(options: &DriverOptions) -> Self {
        let first = options.first_poll.max(MIN_POLL);
        Self { backoff: Backoff::new(first, options.longest_poll.max(first)), readings: 0, status: None }
    }

    /// Takes the status that was read.
    pub(super) fn observe(&mut self, status: OrderStatus) {
        if self.status.replace(status) != Some(status) {
            self.readings = 0;
        }
    }

    /// Returns the next wait: what the CA asks for, if it asks for more than none.
    pub(super) fn next_wait(&mut self, asked_for: Option<Duration>) -> Duration {
        self.readings = self.readings.saturating_add(1);
        asked_for.filter(|wait| !wait.is_zero()).unwrap_or_else(|| self.backoff.delay(self.readings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_a_new_status_starts_over() {
        let mut pace = PollPace::new(&DriverOptions::default());
        pace.observe(OrderStatus::Pending);
        let pauses: Vec<_> = (0..9).map(|_| pace.next_wait(None).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        pace.observe(OrderStatus::Pending);
        assert_eq!(pace.next_wait(None).as_millis(), 5000);
        pace.observe(OrderStatus::Processing);
        assert_eq!(pace.next_wait(None).as_millis(), 50);
    }

    #[test]
    fn wait_of_the_ca_is_kept() {
        let mut pace = PollPace::new(&DriverOptions::default());
        assert_eq!(pace.next_wait(Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(pace.next_wait(Some(Duration::ZERO)).as_millis(), 100);
    }
}
