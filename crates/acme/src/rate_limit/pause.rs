//! Names that the CA has paused for an account.

use std::fmt;

use fleetcert_names::{HostName, IdentifierSet};
use secrecy::{ExposeSecret, SecretString};

/// Names that the CA has paused for the account, after many failed validations in a row.
///
/// An operator visits the [URL](Self::unpause_url) that comes with it; one visit lifts the pause of up to 50,000 names
/// of the account. Until then [`Budgets::pause`](fleetcert_schedule::budget::Budgets::pause) parks the
/// [names](Self::names).
#[derive(Clone)]
pub struct NamePause {
    names: Vec<HostName>,
    url: Option<SecretString>,
}

const OPENING: &str = "temporarily prevented from requesting certificates for ";
const ENDING: &str = " and possibly others";
const VISIT: &str = "Please visit: ";
/// Names of one order.
const MAX_NAMES: usize = 100;
/// Longest URL; it carries a token for an account and its names.
const MAX_URL: usize = 32 * 1024;

impl NamePause {
    /// Reads the sentence of Boulder.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(OPENING)?;
        let (names, rest) = rest.split_once(ENDING).unwrap_or((rest, rest));
        let names = names.split(", ").take(MAX_NAMES).filter_map(|name| name.parse().ok()).collect();
        let url = rest.split_once(VISIT).and_then(|(_, url)| url.split_ascii_whitespace().next());
        let fits = |url: &&str| {
            url.starts_with("https://")
                && url.len() <= MAX_URL
                && url.bytes().all(|byte| byte.is_ascii_graphic())
        };
        Some(Self { names, url: url.filter(fits).map(SecretString::from) })
    }

    /// Returns the paused names of the order: those that the CA names, or all if it names none of them.
    pub fn names(&self, order: &IdentifierSet) -> Vec<HostName> {
        let paused: Vec<_> = order.bases().filter(|name| self.names.contains(name)).cloned().collect();
        if paused.is_empty() { order.bases().cloned().collect() } else { paused }
    }

    /// Returns the URL at which an operator lifts the pause, if the CA gave an HTTPS URL.
    ///
    /// It is a secret: anyone who has it can lift the pause for the whole account. Show it to an operator who has
    /// signed in, and never log it.
    pub fn unpause_url(&self) -> Option<&str> {
        self.url.as_ref().map(ExposeSecret::expose_secret)
    }
}

/// Returns a text of a CA without the secret URL of a pause.
pub(crate) fn without_url(detail: &str) -> &str {
    match detail.split_once(OPENING) {
        Some(_) => detail.split_once(VISIT).map_or(detail, |(before, _)| before.trim_end()),
        None => detail,
    }
}

impl PartialEq for NamePause {
    fn eq(&self, other: &Self) -> bool {
        (&self.names, self.unpause_url()) == (&other.names, other.unpause_url())
    }
}

impl Eq for NamePause {}

impl fmt::Debug for NamePause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = if self.url.is_some() { "[REDACTED]" } else { "none" };
        f.debug_struct("NamePause").field("names", &self.names).field("url", &format_args!("{url}")).finish()
    }
}
