//! The target of a challenge.

use std::fmt;

use fleetcert_names::DomainName;

use super::Finder;
use crate::answer::MAX_ALIASES;
use crate::{LookupError, LookupErrorKind, QueryType};

/// Where the TXT record of a challenge must be written, so that a CA finds it.
///
/// Use it if you publish challenges in another zone than that of the names: `_acme-challenge.x` is an alias (CNAME) of a
/// name there, or a zone of its own (NS).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChallengeTarget {
    /// Owner name of the TXT record: the end of the aliases.
    pub name: DomainName,
    /// Zone that holds it.
    pub zone: DomainName,
    /// Names that were followed, from the name of the query to `name`; that one alone without aliases.
    pub path: Vec<DomainName>,
}

impl Finder {
    /// Follows `name`, which is `_acme-challenge.` and the name to validate, as a CA's resolver does: through aliases, to
    /// the zone that holds their target.
    ///
    /// **Effect.** A resolver that is asked for a name that does not exist yet caches that for the zone's
    /// [negative time to live](crate::Answer::negative_ttl). CAs use other resolvers.
    ///
    /// **Cancellation.** Nothing is changed; dropping it is safe.
    ///
    /// # Errors
    /// [`AliasLoop`](LookupErrorKind::AliasLoop), [`TooManyAliases`](LookupErrorKind::TooManyAliases) and
    /// [`ForeignAlias`](LookupErrorKind::ForeignAlias), with the [path](LookupError::path); those of
    /// [`zone_cut`](Self::zone_cut).
    pub async fn challenge_target(&self, name: &DomainName) -> Result<ChallengeTarget, LookupError> {
        let mut path = vec![name.clone()];
        let mut end = name.clone();
        loop {
            let refused = |kind, path| Err(LookupError::new(kind, &self.resolvers, name).on_path(path));
            let answer =
                self.ask(&end, QueryType::Cname).await.map_err(|error| error.on_path(path.clone()))?;
            if answer.has_foreign(&end, QueryType::Cname) {
                return refused(LookupErrorKind::ForeignAlias, path);
            }
            let Some(target) = answer.alias(&end) else { break };
            let again = path.contains(target);
            path.push(target.clone());
            if again {
                return refused(LookupErrorKind::AliasLoop, path);
            }
            if path.len() > MAX_ALIASES + 1 {
                return refused(LookupErrorKind::TooManyAliases, path);
            }
            end = target.clone();
        }
        let zone = self.zone_cut(&end).await.map_err(|error| error.on_path(path.clone()))?;
        Ok(ChallengeTarget { name: end, zone, path })
    }
}

impl fmt::Display for ChallengeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, followed)) = self.path.split_last() {
            followed.iter().try_for_each(|name| write!(f, "{name} → "))?;
        }
        write!(f, "{} in the zone {}", self.name, self.zone)
    }
}
