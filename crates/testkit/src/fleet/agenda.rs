//! What happens when: the agenda of a simulation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::SystemTime;

/// Something that happens at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A day begins: chance is asked what happens on it, and the day before is written down.
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
    /// A device that begins anew for ever does it once more.
    Reinstall(u32),
    /// A hostile device sends so many requests in this second.
    Storm(u32, u32),
    /// An incident of the scenario.
    Incident(u32),
    /// The control server hears that a certificate was revoked.
    Revoked(u32, u32),
    /// An order that was placed can be completed.
    Complete(u32),
    /// The scheduler is asked again.
    Look,
}

/// The agenda: what comes next, and of what comes at the same time what was entered first.
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
    fn earlier_comes_earlier_and_the_same_time_in_order() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut agenda = Agenda::default();
        agenda.enter(at(2), Event::Born(1));
        agenda.enter(at(1), Event::Wake(9));
        agenda.enter(at(1), Event::Born(2));
        let order: Vec<_> = std::iter::from_fn(|| agenda.next()).map(|(_, event)| event).collect();
        assert_eq!(order, [Event::Wake(9), Event::Born(2), Event::Born(1)]);
    }
}
