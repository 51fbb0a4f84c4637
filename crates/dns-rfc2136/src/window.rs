//! The window of updates in flight, which adapts to the server.

/// A window of updates in flight, like TCP's congestion window (RFC 5681): it grows by one for each answered window,
/// and is halved on overload. Knot answers bursts with SERVFAIL, other servers stop answering.
#[derive(Debug)]
pub(crate) struct Window {
    size: f64,
    max: f64,
    /// Number of halvings. An update sent before one says nothing about the time after it.
    epoch: u64,
}

/// Initial window of an unknown server.
const INITIAL_SIZE: usize = 16;

impl Window {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(1);
        Self { size: float(max.min(INITIAL_SIZE)), max: float(max), epoch: 0 }
    }

    /// Returns the maximum updates in flight.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 1 and `max`, which came from a usize
    pub(crate) fn size(&self) -> usize {
        self.size as usize
    }

    /// Returns the epoch of an update that is sent now.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Notes an answer with `in_flight` updates in flight. A window that is not full does not grow.
    pub(crate) fn answered(&mut self, in_flight: usize) {
        if in_flight * 2 >= self.size() {
            self.size = (self.size + 1.0 / self.size).min(self.max);
        }
    }

    /// Notes an overload for an update that was sent at `epoch`. A burst that fails together halves the window once.
    pub(crate) fn overloaded(&mut self, epoch: u64) {
        if epoch == self.epoch {
            self.size = (self.size / 2.0).max(1.0);
            self.epoch += 1;
        }
    }
}

fn float(count: usize) -> f64 {
    // Higher counts do not occur, and this one is exact.
    f64::from(u16::try_from(count).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_grows_by_one_per_answered_window_up_to_the_maximum() {
        let mut window = Window::new(18);
        assert_eq!(window.size(), 16);
        for _ in 0..17 {
            window.answered(16);
        }
        assert_eq!(window.size(), 17);
        for _ in 0..1000 {
            window.answered(16);
        }
        assert_eq!(window.size(), 18);
        assert_eq!(
            (Window::new(0).size(), Window::new(3).size(), Window::new(usize::MAX).size()),
            (1, 3, 16)
        );
    }

    #[test]
    fn burst_halves_the_window_once_down_to_one() {
        let mut window = Window::new(64);
        let epoch = window.epoch();
        for _ in 0..16 {
            window.overloaded(epoch);
        }
        assert_eq!(window.size(), 8);
        for _ in 0..10 {
            window.overloaded(window.epoch());
        }
        assert_eq!(window.size(), 1);
        window.answered(1);
        assert_eq!(window.size(), 2);
    }

    #[test]
    fn unfilled_window_does_not_grow() {
        let mut window = Window::new(64);
        for _ in 0..1000 {
            window.answered(7);
        }
        assert_eq!(window.size(), 16);
    }

    /// A server that handles 23 updates at a time: the window finds this and stays near it.
    #[test]
    fn window_settles_at_the_capacity_of_the_server() {
        let mut window = Window::new(1000);
        let (mut refused, mut made) = (0, 0);
        for _ in 0..500 {
            let (size, epoch) = (window.size(), window.epoch());
            for number in 0..size {
                if number < 23 {
                    made += 1;
                    window.answered(size);
                } else {
                    refused += 1;
                    window.overloaded(epoch);
                }
            }
            assert!(window.size() <= 24);
        }
        assert!(made > 500 * 15, "{made} made");
        assert!(refused * 50 < made, "{refused} of {made} were refused");
    }
}
