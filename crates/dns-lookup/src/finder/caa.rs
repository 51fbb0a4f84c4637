//! Which CAs may issue for a name.

use fleetcert_names::DomainName;

use super::Finder;
use crate::caa::CaaRecord;
use crate::{LookupError, LookupErrorKind, QueryType};

/// The CAA records that count for a name, and the name at which they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaSet {
    /// The name, or the one above it, that has them.
    pub at: DomainName,
    /// The records; at least one.
    pub records: Vec<CaaRecord>,
}

impl Finder {
    /// The CAA records that count for `name`: those of the nearest name, from `name` upwards, that has any (RFC 8659
    /// section 3). `None` when there are none up to the top-level domain; then every CA may issue.
    ///
    /// **Cancellation.** Nothing is changed; dropping it is safe.
    ///
    /// # Errors
    /// What the resolvers failed with. A CA then does not issue either, since records may be hidden there.
    pub async fn caa(&self, name: &DomainName) -> Result<Option<CaaSet>, LookupError> {
        let mut candidate = Some(name.clone());
        while let Some(at) = candidate {
            let answer = self.ask(&at, QueryType::Caa).await?;
            // The resolver follows aliases; the climb goes on from the name itself.
            let owner = answer.end_of_aliases(&at);
            if answer.truncated {
                return Err(LookupError::new(LookupErrorKind::BadAnswer, &self.resolvers, &at));
            }
            let records = answer.caa(owner);
            if !records.is_empty() {
                return Ok(Some(CaaSet { at, records }));
            }
            candidate = at.parent();
        }
        Ok(None)
    }
}
