//! Bounds and times of the zone writer.

use std::time::Duration;

/// How a [`ZoneWriter`](crate::ZoneWriter) gathers and paces itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneWriterOptions {
    /// The most changes that wait for one zone, apart from those under way. A list that is longer by itself is taken
    /// when nothing waits. Default: 4,096.
    pub max_waiting: usize,
    /// The most octets of one batch, as RFC 1035 writes its records without compression; a list that is longer by
    /// itself goes alone. Default: 32 KiB, so that a batch fits into one DNS message.
    pub max_octets: usize,
    /// How many batches of one zone may be under way at the same time. A second one goes only when it is full,
    /// by its changes or its octets. Default: 4.
    pub batches_in_flight: usize,
    /// How long the callers of a batch that has ended are waited for before the next one goes, because who changes
    /// much comes back at once. Never longer than the batch took. Default: 2 milliseconds.
    pub gather: Duration,
    /// The longest rest after a failure; the first is 10 milliseconds and each further one twice as long. Default:
    /// 1 second.
    pub longest_rest: Duration,
}

impl Default for ZoneWriterOptions {
    fn default() -> Self {
        Self {
            max_waiting: 4096,
            max_octets: 32 * 1024,
            batches_in_flight: 4,
            gather: Duration::from_millis(2),
            longest_rest: Duration::from_secs(1),
        }
    }
}
