//! Waiting for a slot in a server's window.

use parking_lot::{Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::window::Window;

/// The window of one server, and the callers that wait for a slot.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<PaceState>,
    freed: Notify,
}

#[derive(Debug)]
struct PaceState {
    window: Window,
    under_way: usize,
}

/// A slot in the window. Dropping it frees it for the next caller.
#[derive(Debug)]
pub(crate) struct WindowSlot<'a> {
    pace: &'a Pace,
    epoch: u64,
}

impl Pace {
    pub(crate) fn new(max: usize) -> Self {
        Self { state: Mutex::new(PaceState { window: Window::new(max), under_way: 0 }), freed: Notify::new() }
    }

    /// Waits for a slot. **Cancellation.** Dropping the future ends the wait.
    pub(crate) async fn slot(&self) -> WindowSlot<'_> {
        loop {
            let freed = self.freed.notified();
            if let Some(slot) = self.try_slot() {
                return slot;
            }
            freed.await;
        }
    }

    fn try_slot(&self) -> Option<WindowSlot<'_>> {
        let mut state = self.lock();
        if state.under_way >= state.window.size() {
            return None;
        }
        state.under_way += 1;
        let slot = WindowSlot { pace: self, epoch: state.window.epoch() };
        self.wake_if_free(state);
        Some(slot)
    }

    /// Wakes one caller, which wakes the next if there is another free slot.
    fn wake_if_free(&self, state: MutexGuard<'_, PaceState>) {
        let is_free = state.under_way < state.window.size();
        // Wake no task while the lock is held: a waker may run arbitrary code.
        drop(state);
        if is_free {
            self.freed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, PaceState> {
        self.state.lock()
    }
}

impl WindowSlot<'_> {
    /// Notes that the server has handled the update.
    pub(crate) fn answered(&self) {
        let mut state = self.pace.lock();
        let under_way = state.under_way;
        state.window.answered(under_way);
    }

    /// Notes that the server failed, or did not answer.
    pub(crate) fn overloaded(&self) {
        self.pace.lock().window.overloaded(self.epoch);
    }
}

impl Drop for WindowSlot<'_> {
    fn drop(&mut self) {
        let mut state = self.pace.lock();
        state.under_way = state.under_way.saturating_sub(1);
        self.pace.wake_if_free(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[tokio::test]
    async fn window_limits_the_slots_and_wakes_every_caller() {
        let (pace, now, most) = (Pace::new(5), AtomicUsize::new(0), AtomicUsize::new(0));
        let work = async |number: usize| {
            let slot = pace.slot().await;
            most.fetch_max(1 + now.fetch_add(1, SeqCst), SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, SeqCst);
            if number.is_multiple_of(7) { slot.overloaded() } else { slot.answered() }
        };
        join_all((0..500).map(work)).await;
        assert!((2..=5).contains(&most.load(SeqCst)));
        assert_eq!(pace.lock().under_way, 0);
    }

    #[tokio::test]
    async fn dropped_caller_passes_its_turn_to_the_next() {
        let pace = Pace::new(1);
        let held = pace.slot().await;
        let (mut first, mut second) = (Box::pin(pace.slot()), Box::pin(pace.slot()));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(held);
        drop(first);
        second.await;
    }
}
