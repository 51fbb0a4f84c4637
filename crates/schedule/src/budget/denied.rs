//! Why an order must wait.

use std::fmt;
use std::time::SystemTime;

use fleetcert_names::HostName;

use super::key::{Account, BucketKey};

/// Why nothing was reserved, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    by: DeniedBy,
    retry_at: Option<SystemTime>,
}

/// What holds an order back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeniedBy {
    /// A limit of the CA.
    Limit {
        /// The bucket; of several the one that clears last.
        key: BucketKey,
        /// How many tokens are not spent.
        remaining: u32,
        /// How many of these are held for orders under way.
        held: u32,
    },
    /// The CA has paused the name for the account, until an operator lifts it there.
    Paused {
        /// The account.
        account: Account,
        /// The name.
        name: HostName,
    },
    /// As many buckets are in use as may be kept.
    Capacity,
}

impl Denied {
    pub(super) fn new(by: DeniedBy, retry_at: Option<SystemTime>) -> Self {
        Self { by, retry_at }
    }

    /// What holds it back.
    pub fn by(&self) -> &DeniedBy {
        &self.by
    }

    /// The first time at which it can be had, if no other reservation comes before and none is released. `None`
    /// when time alone does not help: an order under way must end, an operator must act.
    pub fn retry_at(&self) -> Option<SystemTime> {
        self.retry_at
    }

    /// Of two, the one that clears last.
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
                write!(f, "{key} has {remaining} left, {held} of them held for orders under way")
            }
            DeniedBy::Paused { account, name } => {
                write!(f, "the CA has paused {} for {account}", name.as_str())
            }
            DeniedBy::Capacity => f.write_str("too many budgets are in use"),
        }
    }
}

impl std::error::Error for Denied {}
