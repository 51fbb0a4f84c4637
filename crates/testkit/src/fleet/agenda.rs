//! The agenda of a simulation: its future events.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::SystemTime;

/// An event of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A day begins: its random events are drawn, and the day before is recorded.
    Day(u32),
    /// A device is switched on for the first time.
    Born(u32),
    /// The certificate of this generation is due.
    Due(u32, u32),
    /// A device is switched off.
    Sleep(u32),
    /// A device is switched on again.
    Wake(u32),
    /// A device has lost its disk.
    Lose(u32),
    /// A device that reinstalls in a loop does so again.
    Reinstall(u32),
    /// A hostile device sends requests; the number is the second since the storm began.
    Storm(u32, u32),
    /// An incident of the scenario.
    Incident(u32),
    /// The control server learns that a certificate was revoked.
    Revoked(u32, u32),
    /// An order that was placed can be completed.
    Complete(u32),
    /// The queue is polled again.
    Look,
}

/// The agenda: events by time, and at equal times in the order in which they were entered.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(SystemTime, u64, Event)>>,
    entered: u64,
}

impl Agenda {
    pub(super) fn enter(&mut self, at: SystemTime, event: Event) {
        self.heap.push(Reverse((at, self.entered, event)));
        self.entered += 1;
    }

    pub(super) fn next(&mut self) -> Option<(SystemTime, Event)> {
        self.heap.pop().map(|Reverse((at, _, event))| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn events_come_by_time_and_then_in_order() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut agenda = Agenda::default();
        agenda.enter(at(2), Event::Born(1));
        agenda.enter(at(1), Event::Wake(9));
        agenda.enter(at(1), Event::Born(2));
        let order: Vec<_> = std::iter::from_fn(|| agenda.next()).map(|(_, event)| event).collect();
        assert_eq!(order, [Event::Wake(9), Event::Born(2), Event::Born(1)]);
    }
}
