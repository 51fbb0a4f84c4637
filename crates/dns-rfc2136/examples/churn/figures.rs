//! The results of a run, as text and as JSON.

use std::fmt;
use std::time::Duration;

use serde_json::json;

use crate::work::Outcome;

#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) outcome: Outcome,
    /// Update messages.
    pub(crate) messages: u64,
    /// Values that remain in the zone.
    pub(crate) left: usize,
}

impl Figures {
    pub(crate) fn is_clean(&self) -> bool {
        self.outcome.failed == 0 && self.left == 0
    }

    /// Returns the successful additions and removals per second.
    fn changes_per_second(&self) -> f64 {
        f64::from(self.outcome.made) / self.outcome.took.as_secs_f64().max(1e-9)
    }

    #[allow(clippy::cast_precision_loss)] // far below 2^52
    fn changes_in_a_message(&self) -> f64 {
        f64::from(self.outcome.made) / self.messages.max(1) as f64
    }

    /// Returns the wait that `percent` of a hundred calls did not exceed, in milliseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let mut waits: Vec<Duration> = self.outcome.waits.clone();
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
            "failed": self.outcome.failed,
            "left": self.left,
        })
        .to_string()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { took, made, failed, .. } = &self.outcome;
        let (rate, took) = (self.changes_per_second(), took.as_secs_f64());
        writeln!(f, "changes   {made} in {took:.2} s: {rate:.0}/s")?;
        writeln!(f, "messages  {}: {:.1} changes in each", self.messages, self.changes_in_a_message())?;
        writeln!(f, "waits     p50 {:.1} ms, p99 {:.1} ms", self.percentile(50), self.percentile(99))?;
        write!(f, "failed    {failed}\nleft      {}", self.left)
    }
}

/// Rounds to three decimal places.
fn round(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}
