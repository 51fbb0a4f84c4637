//! Names that the CA has paused.

use std::fmt;

use fleetcert_names::HostName;
use secrecy::{ExposeSecret, SecretString};

use super::super::key::NameSet;

/// That the CA has paused names of the account, after many failed validations in a row.
///
/// An operator visits the address that comes with it, and one visit lifts the pause of up to 50,000 names of the
/// account. Until then [`Budgets::pause`](super::super::Budgets::pause) parks the [names](Self::names).
#[derive(Clone)]
pub struct Pause {
    names: Vec<HostName>,
    url: Option<SecretString>,
}

const OPENING: &str = "temporarily prevented from requesting certificates for ";
const ENDING: &str = " and possibly others";
const VISIT: &str = "Please visit: ";
/// A token for an account and its names.
const MAX_URL: usize = 32 * 1024;

impl Pause {
    /// Reads the sentence of Boulder.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(OPENING)?;
        let (names, rest) = rest.split_once(ENDING).unwrap_or((rest, rest));
        let names = names.split(", ").take(NameSet::MAX_NAMES).filter_map(|name| name.parse().ok()).collect();
        let url = rest.split_once(VISIT).and_then(|(_, url)| url.split_ascii_whitespace().next());
        let fits = |url: &&str| {
            url.starts_with("https://")
                && url.len() <= MAX_URL
                && url.bytes().all(|byte| byte.is_ascii_graphic())
        };
        Some(Self { names, url: url.filter(fits).map(SecretString::from) })
    }

    /// The names of the order that are paused: those that the CA names, and all when it names none of them.
    pub fn names(&self, order: &NameSet) -> Vec<HostName> {
        let named = |name: &&HostName| self.names.contains(name);
        let paused: Vec<_> = order.names().iter().filter(named).cloned().collect();
        if paused.is_empty() { order.names().to_vec() } else { paused }
    }

    /// The address at which an operator lifts the pause, if the CA gave a proper one.
    ///
    /// Who has it can lift the pause for the whole account: show it to an operator who has signed in, and write it
    /// into no log.
    pub fn unpause_url(&self) -> Option<&str> {
        self.url.as_ref().map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = if self.url.is_some() { "[REDACTED]" } else { "none" };
        f.debug_struct("Pause").field("names", &self.names).field("url", &format_args!("{url}")).finish()
    }
}
