//! Waiting until the server bears one update more.

use parking_lot::{Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::window::Window;

/// The window of one server, and who waits for a place in it.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    window: Window,
    under_way: usize,
}

/// A place in the window. Dropped, it is free for the next.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pace: &'a Pace,
    epoch: u64,
}

impl Pace {
    pub(crate) fn new(max: usize) -> Self {
        Self { state: Mutex::new(State { window: Window::new(max), under_way: 0 }), freed: Notify::new() }
    }

    /// Waits for a place. Dropping the future gives up the wait.
    pub(crate) async fn place(&self) -> Place<'_> {
        loop {
            let freed = self.freed.notified();
            if let Some(place) = self.try_place() {
                return place;
            }
            freed.await;
        }
    }

    fn try_place(&self) -> Option<Place<'_>> {
        let mut state = self.lock();
        if state.under_way >= state.window.size() {
            return None;
        }
        state.under_way += 1;
        let place = Place { pace: self, epoch: state.window.epoch() };
        self.wake_if_free(state);
        Some(place)
    }

    /// One is woken, and wakes the next if there is room for that one too.
    fn wake_if_free(&self, state: MutexGuard<'_, State>) {
        let is_free = state.under_way < state.window.size();
        // Nobody is woken while the lock is held: what that does is not known here.
        drop(state);
        if is_free {
            self.freed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Place<'_> {
    /// The server has dealt with the update.
    pub(crate) fn answered(&self) {
        let mut state = self.pace.lock();
        let under_way = state.under_way;
        state.window.answered(under_way);
    }

    /// The server could not, or said nothing.
    pub(crate) fn too_much(&self) {
        self.pace.lock().window.too_much(self.epoch);
    }
}

impl Drop for Place<'_> {
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
    async fn no_more_than_the_window_and_nobody_is_forgotten() {
        let (pace, now, most) = (Pace::new(5), AtomicUsize::new(0), AtomicUsize::new(0));
        let work = async |number: usize| {
            let place = pace.place().await;
            most.fetch_max(1 + now.fetch_add(1, SeqCst), SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, SeqCst);
            if number.is_multiple_of(7) { place.too_much() } else { place.answered() }
        };
        join_all((0..500).map(work)).await;
        assert!((2..=5).contains(&most.load(SeqCst)));
        assert_eq!(pace.lock().under_way, 0);
    }

    #[tokio::test]
    async fn who_stops_waiting_gives_his_turn_to_the_next() {
        let pace = Pace::new(1);
        let held = pace.place().await;
        let (mut first, mut second) = (Box::pin(pace.place()), Box::pin(pace.place()));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(held);
        drop(first);
        second.await;
    }
}
