//! Pauses between readings of an order.

use std::time::Duration;

use super::DriverOptions;
use crate::OrderStatus;

/// The pauses where the CA names none: short at first, because a CA that validates at once is the common case, and
/// twice as long each time. A new status begins anew.
#[derive(Debug)]
pub(super) struct Pace {
    first: Duration,
    longest: Duration,
    next: Duration,
    status: Option<OrderStatus>,
}

/// A pause of nothing would be a busy loop.
const SHORTEST: Duration = Duration::from_millis(10);

impl Pace {
    pub(super) fn new(options: &DriverOptions) -> Self {
        let first = options.first_poll.max(SHORTEST);
        Self { first, longest: options.longest_poll.max(first), next: first, status: None }
    }

    pub(super) fn saw(&mut self, status: OrderStatus) {
        if self.status.replace(status) != Some(status) {
            self.next = self.first;
        }
    }

    /// The next pause; never shorter than the CA asks.
    pub(super) fn pause(&mut self, asked_for: Option<Duration>) -> Duration {
        let own = self.next;
        self.next = own.saturating_mul(2).min(self.longest);
        match asked_for {
            // A CA that says "at once" is still not asked in a busy loop.
            Some(wait) if wait.is_zero() => own,
            Some(wait) => wait,
            None => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_longest_and_begins_anew() {
        let mut pace = Pace::new(&DriverOptions::default());
        pace.saw(OrderStatus::Pending);
        let pauses: Vec<_> = (0..9).map(|_| pace.pause(None).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        pace.saw(OrderStatus::Pending);
        assert_eq!(pace.pause(None).as_millis(), 5000);
        pace.saw(OrderStatus::Processing);
        assert_eq!(pace.pause(None).as_millis(), 50);
    }

    #[test]
    fn the_ca_is_obeyed() {
        let mut pace = Pace::new(&DriverOptions::default());
        assert_eq!(pace.pause(Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(pace.pause(Some(Duration::ZERO)).as_millis(), 100);
    }
}
