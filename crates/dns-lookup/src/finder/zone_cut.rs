//! The zone of a name.

use fleetcert_names::DomainName;

use super::Finder;
use crate::{AnswerData, LookupError, LookupErrorKind, QueryType};

impl Finder {
    /// Finds the zone that holds `name`: the nearest name, from `name` upwards, that has an SOA record. Sends one query for
    /// each label that is not cached.
    ///
    /// **Cancellation.** Nothing is changed; dropping it is safe.
    ///
    /// # Errors
    /// [`NoZone`](LookupErrorKind::NoZone) if not even the top-level domain has one; else the errors of the resolvers.
    pub async fn zone_cut(&self, name: &DomainName) -> Result<DomainName, LookupError> {
        let mut candidate = Some(name.clone());
        while let Some(zone) = candidate {
            if self.is_cut(&zone).await? {
                return Ok(zone);
            }
            candidate = zone.parent();
        }
        Err(LookupError::new(LookupErrorKind::NoZone, &self.resolvers, name))
    }

    async fn is_cut(&self, name: &DomainName) -> Result<bool, LookupError> {
        if let Some(known) = self.found.cuts.get(name, self.asker.now()) {
            return Ok(known);
        }
        let answer = self.ask(name, QueryType::Soa).await?;
        // The SOA record of an alias's target has another owner.
        let is_soa = |data: &AnswerData| matches!(data, AnswerData::Soa(_));
        let soa = answer.records.iter().find(|record| record.name == *name && is_soa(&record.data));
        let ttl = soa.map(|record| record.ttl).or_else(|| answer.negative_ttl()).unwrap_or_default();
        self.found.cuts.put(name, soa.is_some(), self.asker.now(), ttl);
        Ok(soa.is_some())
    }
}
