//! Names that are paused for an account.

use std::collections::BTreeMap;

use fleetcert_names::{HostName, IdentifierSet};

use super::key::{Key, account_key};
use super::rate::Nanos;

/// Which names of which accounts are paused, or were.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// Sorted, so that unpausing a part of them is the same at every run.
    names: BTreeMap<(Key, HostName), Pause>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    Paused,
    /// Not paused again before.
    UnpausedUntil(Nanos),
}

/// After unpausing, a name is not paused again for this time (two weeks at Boulder).
const GRACE: Nanos = 14 * 86_400 * 1_000_000_000;
/// Names of an account that one visit to the portal unpauses.
const MOST_AT_ONCE: usize = 50_000;
/// Maximum paused names of all accounts.
const MOST: usize = 1 << 20;

impl Pauses {
    /// `true` when it was not paused before and is now.
    pub(super) fn pause(&mut self, account: &str, name: &HostName, now: Nanos) -> bool {
        let key = (account_key(account), name.clone());
        match self.names.get(&key) {
            Some(Pause::Paused) => return false,
            Some(Pause::UnpausedUntil(end)) if now < *end => return false,
            Some(Pause::UnpausedUntil(_)) => {}
            None if self.names.len() >= MOST => return false,
            None => {}
        }
        self.names.insert(key, Pause::Paused);
        true
    }

    /// Those of the names that are paused.
    pub(super) fn paused<'a>(&self, account: &str, identifiers: &'a IdentifierSet) -> Vec<&'a HostName> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let account = account_key(account);
        let is_paused =
            |name: &&HostName| self.names.get(&(account, (*name).clone())) == Some(&Pause::Paused);
        identifiers.bases().filter(is_paused).collect()
    }

    /// How many were unpaused.
    pub(super) fn unpause(&mut self, account: &str, now: Nanos) -> usize {
        let account = account_key(account);
        // An entry whose grace is over says the same as none.
        self.names.retain(|_, pause| match pause {
            Pause::Paused => true,
            Pause::UnpausedUntil(end) => now < *end,
        });
        let mut unpaused = 0;
        for ((owner, _), pause) in &mut self.names {
            if *owner == account && *pause == Pause::Paused && unpaused < MOST_AT_ONCE {
                *pause = Pause::UnpausedUntil(now.saturating_add(GRACE));
                unpaused += 1;
            }
        }
        unpaused
    }
}
