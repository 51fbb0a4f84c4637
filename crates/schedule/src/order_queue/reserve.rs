//! The reserve: tokens of shared limits that each lane leaves to more urgent ones.

use crate::budget::Leave;
use crate::queue::{Lane, PerLane};

/// Highest part of a bucket that a lane leaves, in thousandths: a full bucket always has a token for each lane.
const MAX_RESERVE: u16 = 900;

/// The part of each shared bucket that a lane leaves to others.
///
/// Shared are the buckets of an account and of a registered domain
/// ([`LimitKind::is_shared`](crate::budget::LimitKind::is_shared)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Thousandths of the bucket's burst, rounded down to whole tokens. Values above 900 count as 900, so that a full
    /// bucket always has a token for each lane.
    pub leave: PerLane<u16>,
}

impl Reserve {
    /// No reserve: each lane may empty each bucket.
    pub const NONE: Self =
        Self { leave: PerLane { expiring: 0, revoked: 0, new: 0, routine: 0, failing: 0 } };

    /// Returns what orders of a lane leave.
    pub fn leave_of(&self, lane: Lane) -> Leave {
        Leave::PerMille((*self.leave.get(lane)).min(MAX_RESERVE))
    }
}

impl Default for Reserve {
    /// Routine and failing orders leave a fifth, new ones a tenth, the others nothing.
    fn default() -> Self {
        Self { leave: PerLane { expiring: 0, revoked: 0, new: 100, routine: 200, failing: 200 } }
    }
}
