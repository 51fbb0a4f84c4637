//! What came of it all, as text and as JSON.

use std::fmt;
use std::time::Duration;

use serde_json::json;

use crate::work::Outcome;

#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) added: Outcome,
    pub(crate) removed: Outcome,
    /// Update messages.
    pub(crate) messages: u64,
    /// Values that are in the zone afterwards.
    pub(crate) left: usize,
}

impl Figures {
    pub(crate) fn is_clean(&self) -> bool {
        self.failed() == 0 && self.left == 0
    }

    fn failed(&self) -> u32 {
        self.added.failed + self.removed.failed
    }

    /// Additions and removals in a second that were made.
    fn changes_per_second(&self) -> f64 {
        per_second(self.added.waits.len() + self.removed.waits.len(), self.added.took + self.removed.took)
    }

    #[allow(clippy::cast_precision_loss)] // far below 2^52
    fn changes_in_a_message(&self) -> f64 {
        (self.added.waits.len() + self.removed.waits.len()) as f64 / self.messages.max(1) as f64
    }

    /// How long so many of a hundred changes waited at the most, in milliseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let mut waits: Vec<Duration> =
            [&self.added, &self.removed].into_iter().flat_map(|phase| &phase.waits).copied().collect();
        waits.sort_unstable();
        let last = (waits.len() * percent).div_ceil(100).saturating_sub(1);
        waits.get(last).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1000.0)
    }

    pub(crate) fn to_json(&self) -> String {
        json!({
            "changes_per_second": round(self.changes_per_second()),
            "p50_ms": round(self.percentile(50)),
            "p99_ms": round(self.percentile(99)),
            "messages": self.messages,
            "failed": self.failed(),
            "left": self.left,
        })
        .to_string()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, outcome) in [("added", &self.added), ("removed", &self.removed)] {
            let (count, took) = (outcome.waits.len(), outcome.took);
            let rate = per_second(count, took);
            writeln!(f, "{what:8} {count:>7} values in {:.2} s: {rate:.0}/s", took.as_secs_f64())?;
        }
        writeln!(f, "messages {:>7}: {:.1} changes in each", self.messages, self.changes_in_a_message())?;
        writeln!(f, "waits    p50 {:.1} ms, p99 {:.1} ms", self.percentile(50), self.percentile(99))?;
        write!(f, "failed {}, left in the zone {}", self.failed(), self.left)
    }
}

#[allow(clippy::cast_precision_loss)] // far below 2^52
fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

/// To three digits behind the point.
fn round(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}
