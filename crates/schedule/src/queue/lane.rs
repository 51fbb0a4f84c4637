//! Lanes, tenants and pools.

use std::fmt;

/// A lane of the queue. Lanes share by weight; none waits until another is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Certificates that expire soon.
    Expiring,
    /// Certificates that the CA has revoked, or is about to revoke, in a mass revocation.
    Revoked,
    /// First certificates of new devices.
    New,
    /// Renewals in good time.
    Routine,
    /// Names whose last attempts failed.
    Failing,
}

impl Lane {
    /// All lanes.
    pub(crate) const ALL: [Self; 5] =
        [Self::Expiring, Self::Revoked, Self::New, Self::Routine, Self::Failing];

    /// Returns the name.
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
    /// Value of [`Lane::Expiring`].
    pub expiring: T,
    /// Value of [`Lane::Revoked`].
    pub revoked: T,
    /// Value of [`Lane::New`].
    pub new: T,
    /// Value of [`Lane::Routine`].
    pub routine: T,
    /// Value of [`Lane::Failing`].
    pub failing: T,
}

impl<T> PerLane<T> {
    /// Returns the value of one lane.
    pub(crate) fn get(&self, lane: Lane) -> &T {
        match lane {
            Lane::Expiring => &self.expiring,
            Lane::Revoked => &self.revoked,
            Lane::New => &self.new,
            Lane::Routine => &self.routine,
            Lane::Failing => &self.failing,
        }
    }

    /// Returns the value of one lane for a change.
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

/// A tenant that shares with others by weight: a customer, a site, a team. The caller assigns the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(pub u32);

/// A set of shared buckets that entries draw on. The caller assigns the number. If one of the buckets is empty, the whole
/// pool waits, and none of its entries is visited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pool(pub u32);
