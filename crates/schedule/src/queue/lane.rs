//! What an entry is counted under.

use std::fmt;

/// A lane of the queue. Lanes share by weight; none of them waits for another to be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Certificates that end soon.
    Expiring,
    /// Certificates that the CA revokes, or has revoked, in great number.
    Revoked,
    /// First certificates of new devices.
    New,
    /// Renewals in good time.
    Routine,
    /// Names of which the last attempts failed.
    Failing,
}

impl Lane {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Expiring, Self::Revoked, Self::New, Self::Routine, Self::Failing];

    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Expiring => "expiring",
            Self::Revoked => "revoked",
            Self::New => "new",
            Self::Routine => "routine",
            Self::Failing => "failing",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One value for each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerLane<T> {
    /// Of [`Lane::Expiring`].
    pub expiring: T,
    /// Of [`Lane::Revoked`].
    pub revoked: T,
    /// Of [`Lane::New`].
    pub new: T,
    /// Of [`Lane::Routine`].
    pub routine: T,
    /// Of [`Lane::Failing`].
    pub failing: T,
}

impl<T> PerLane<T> {
    /// The value of one lane.
    pub(crate) fn get(&self, lane: Lane) -> &T {
        match lane {
            Lane::Expiring => &self.expiring,
            Lane::Revoked => &self.revoked,
            Lane::New => &self.new,
            Lane::Routine => &self.routine,
            Lane::Failing => &self.failing,
        }
    }

    /// The value of one lane, to be changed.
    pub(crate) fn get_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Expiring => &mut self.expiring,
            Lane::Revoked => &mut self.revoked,
            Lane::New => &mut self.new,
            Lane::Routine => &mut self.routine,
            Lane::Failing => &mut self.failing,
        }
    }
}

/// Who shares with others by weight: a customer, a site, a team; the caller's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(pub u32);

/// A set of shared buckets that entries draw on; the caller's number. When one of these buckets is empty, the
/// whole pool waits, and no entry of it has to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pool(pub u32);
