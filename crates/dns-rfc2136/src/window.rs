//! How many updates a server bears at the same time, found by trying.

/// A window of updates under way, as TCP has one of octets (RFC 5681): one more for each window that was answered,
/// half as many when the server says that it was too much. Knot answers SERVFAIL to bursts, others fall silent.
#[derive(Debug)]
pub(crate) struct Window {
    size: f64,
    max: f64,
    /// Counts the halvings. What was sent before one says nothing about what came after.
    epoch: u64,
}

/// So many are sent to a server of which nothing is known.
const START: usize = 16;

impl Window {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(1);
        Self { size: float(max.min(START)), max: float(max), epoch: 0 }
    }

    /// How many may be under way.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 1 and `max`, which came from a usize
    pub(crate) fn size(&self) -> usize {
        self.size as usize
    }

    /// To be kept with an update that is sent now.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The server has answered while `under_way` were. A window that nobody fills does not grow.
    pub(crate) fn answered(&mut self, under_way: usize) {
        if under_way * 2 >= self.size() {
            self.size = (self.size + 1.0 / self.size).min(self.max);
        }
    }

    /// It was too much, for an update that was sent at `epoch`. A burst that fails together halves once.
    pub(crate) fn too_much(&mut self, epoch: u64) {
        if epoch == self.epoch {
            self.size = (self.size / 2.0).max(1.0);
            self.epoch += 1;
        }
    }
}

fn float(count: usize) -> f64 {
    // More than this is never wanted, and it is exact.
    f64::from(u16::try_from(count).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_by_one_for_each_window_and_ends_at_the_most() {
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
    fn a_burst_halves_once_and_one_is_the_least() {
        let mut window = Window::new(64);
        let epoch = window.epoch();
        for _ in 0..16 {
            window.too_much(epoch);
        }
        assert_eq!(window.size(), 8);
        for _ in 0..10 {
            window.too_much(window.epoch());
        }
        assert_eq!(window.size(), 1);
        window.answered(1);
        assert_eq!(window.size(), 2);
    }

    #[test]
    fn what_nobody_fills_does_not_grow() {
        let mut window = Window::new(64);
        for _ in 0..1000 {
            window.answered(7);
        }
        assert_eq!(window.size(), 16);
    }

    /// A server that bears 23 at a time: the window finds that and stays near.
    #[test]
    fn it_settles_at_what_the_server_bears() {
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
                    window.too_much(epoch);
                }
            }
            assert!(window.size() <= 24);
        }
        assert!(made > 500 * 15, "{made} made");
        assert!(refused * 50 < made, "{refused} of {made} refused");
    }
}
