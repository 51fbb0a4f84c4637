//! Options of the zone writer.

use std::time::Duration;

/// Limits and times of a [`ZoneWriter`](crate::ZoneWriter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneWriterOptions {
    /// Maximum changes that wait for one zone, apart from those in flight. A single longer list is accepted if nothing
    /// waits. Default: 4,096.
    pub max_waiting: usize,
    /// Maximum octets of a batch, in the encoding of RFC 1035 without compression; a single longer list is sent alone.
    /// Default: 32 KiB, so that a batch fits into one DNS message.
    pub max_octets: usize,
    /// Maximum batches of one zone in flight. A second batch is sent only if it is full, by changes or by octets.
    /// Default: 4.
    pub batches_in_flight: usize,
    /// Wait for the callers of the last batch before the next one is sent, because a caller with many changes comes
    /// back at once. Never longer than the last batch took. Default: 2 milliseconds.
    pub gather: Duration,
    /// Maximum back-off after a failure. It starts with 10 milliseconds and doubles with each further failure.
    /// Default: 1 second.
    pub max_backoff: Duration,
}

impl Default for ZoneWriterOptions {
    fn default() -> Self {
        Self {
            max_waiting: 4096,
            max_octets: 32 * 1024,
            batches_in_flight: 4,
            gather: Duration::from_millis(2),
            max_backoff: Duration::from_secs(1),
        }
    }
}
