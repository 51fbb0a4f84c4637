//! Real time: other people's processes do not follow a clock that is passed in.

use std::time::{Duration, Instant};

/// A moment after which a wait ends.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    began: Stopwatch,
    limit: Duration,
}

impl Deadline {
    /// The moment `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Self { began: Stopwatch::start(), limit }
    }

    /// What is left; zero when the deadline has passed.
    pub fn remaining(&self) -> Duration {
        self.limit.saturating_sub(self.began.elapsed())
    }

    /// Whether the moment has come.
    pub fn has_passed(&self) -> bool {
        self.remaining().is_zero()
    }

    /// The whole length that was given to [`Deadline::after`].
    pub fn limit(&self) -> Duration {
        self.limit
    }
}

/// Measures how long something took.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[expect(clippy::disallowed_methods, reason = "real processes are measured in real time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
