//! The reason why an order must wait.

use std::fmt;
use std::time::SystemTime;

use fleetcert_names::HostName;

use super::key::{Account, BucketKey};

/// The reason why nothing was reserved, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    by: DeniedBy,
    retry_at: Option<SystemTime>,
}

/// The cause of a denial.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeniedBy {
    /// A limit of the CA.
    Limit {
        /// Bucket; of several the one that clears last.
        key: BucketKey,
        /// Number of tokens that are not spent.
        remaining: u32,
        /// Number of these that are held for orders in flight.
        held: u32,
    },
    /// The CA has paused the name for the account, until an operator lifts it there.
    Paused {
        /// The account.
        account: Account,
        /// The name.
        name: HostName,
    },
    /// The number of buckets has reached the capacity.
    Capacity,
}

impl Denied {
    pub(super) fn new(by: DeniedBy, retry_at: Option<SystemTime>) -> Self {
        Self { by, retry_at }
    }

    /// Returns the cause.
    pub fn by(&self) -> &DeniedBy {
        &self.by
    }

    /// Returns the first time at which a token is available, if no other reservation comes before and none is released.
    /// `None` if time alone does not help: an order in flight must end, or an operator must act.
    pub fn retry_at(&self) -> Option<SystemTime> {
        self.retry_at
    }

    /// Returns the denial of two that clears last.
    pub(super) fn stricter(self, other: Self) -> Self {
        match (self.retry_at, other.retry_at) {
            (Some(mine), Some(its)) if its > mine => other,
            (Some(_), None) => other,
            _ => self,
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            DeniedBy::Limit { key, remaining, held } => {
                write!(f, "{key} has {remaining} tokens left, {held} of them held for orders in flight")
            }
            DeniedBy::Paused { account, name } => {
                write!(f, "the CA has paused {} for {account}", name.as_str())
            }
            DeniedBy::Capacity => f.write_str("the maximum number of budgets is in use"),
        }
    }
}

impl std::error::Error for Denied {}
