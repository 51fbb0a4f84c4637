//! CAA records of a name.

use fleetcert_names::DomainName;

use super::Finder;
use crate::caa::CaaRecord;
use crate::{LookupError, LookupErrorKind, QueryType};

/// The CAA records that apply to a name, and their owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaSet {
    /// Owner of the records: the name itself, or one above it.
    pub at: DomainName,
    /// Records; at least one.
    pub records: Vec<CaaRecord>,
}

impl Finder {
    /// Finds the CAA records that apply to `name`: those of the nearest name, from `name` upwards, that has any (RFC 8659
    /// section 3). `None` if there are none up to the top-level domain; then every CA may issue.
    ///
    /// **Cancellation.** Nothing is changed; dropping it is safe.
    ///
    /// # Errors
    /// The errors of the resolvers. A CA does not issue then either, because there may be records that it cannot see.
    pub async fn caa(&self, name: &DomainName) -> Result<Option<CaaSet>, LookupError> {
        let mut candidate = Some(name.clone());
        while let Some(at) = candidate {
            let answer = self.ask(&at, QueryType::Caa).await?;
            // The resolver follows aliases; the search continues above the name itself.
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
