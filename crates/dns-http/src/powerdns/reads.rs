//! Reads of record sets: one by one, or many challenge names by one search.

use std::collections::HashMap;

use fleetcert_dns::BackendError;

use super::api::{self, Record, SearchedRecord, ZoneReply};
use super::provider::PowerDns;
use crate::client::{Call, Request};
use crate::record_sets::{Held, Key, Sets, read_each, type_name};

type Read = Sets<Vec<Record>>;

/// Minimum names for which one search of the zone costs less than single reads: a search takes as long as some ten reads.
const MIN_NAMES_OF_SEARCH: usize = 16;
/// Maximum records that a search returns. One that returns as many may have left out others, and is not used.
const MAX_FOUND: usize = 5000;
const CHALLENGES: &str = "_acme-challenge.";

impl PowerDns {
    async fn read_set(&self, call: &Call<'_>, key: &Key) -> Result<Held<Vec<Record>>, BackendError> {
        let request = self
            .zone_request(&api::absolute(call.zone))
            .query("rrset_name", api::absolute(&key.0))
            .query("rrset_type", type_name(key.1));
        let zone: ZoneReply = call.send(&request).await?.json()?;
        Ok(zone.set(key).and_then(|set| set.into_set(key.1)))
    }

    pub(super) async fn read_sets(&self, call: &Call<'_>, keys: &[Key]) -> Result<Read, BackendError> {
        if let Some(held) = self.searched(call, keys).await? {
            return Ok(held);
        }
        read_each(call, keys, |key| self.read_set(call, key)).await
    }

    /// Reads the sets of many challenge names by one search; `None` if they are few, or other names, or the search cannot be
    /// trusted to find all.
    async fn searched(&self, call: &Call<'_>, keys: &[Key]) -> Result<Option<Read>, BackendError> {
        let challenges = keys.iter().all(|(name, _)| name.as_str().starts_with(CHALLENGES));
        if keys.len() < MIN_NAMES_OF_SEARCH || !challenges || !self.search_works(call).await? {
            return Ok(None);
        }
        let found = self.search(call, &format!("{CHALLENGES}*.{}", call.zone), MAX_FOUND).await?;
        if found.len() >= MAX_FOUND {
            return Ok(None);
        }
        let zone = api::absolute(call.zone);
        let mut by_name: HashMap<(String, String), Vec<SearchedRecord>> = HashMap::new();
        for record in found.into_iter().filter(|record| record.is_of(&zone)) {
            by_name.entry(record.key()).or_default().push(record);
        }
        let held = keys.iter().filter_map(|key| {
            let records = by_name.remove(&(api::absolute(&key.0), type_name(key.1).to_owned()))?;
            Some((key.clone(), api::searched_set(records)?.into_set(key.1)?))
        });
        Ok(Some(held.collect()))
    }

    /// Returns whether a search finds the zone's own SOA record. A storage that cannot search answers with an empty list;
    /// trusting it would delete the values of others.
    async fn search_works(&self, call: &Call<'_>) -> Result<bool, BackendError> {
        if let Some(known) = self.searches.get(call.zone, call.now()) {
            return Ok(known);
        }
        let zone = api::absolute(call.zone);
        let found = self.search(call, call.zone.as_str(), MAX_FOUND).await?;
        let works = found.iter().any(|record| record.is_soa_of(&zone));
        self.searches.put(call.zone, works, call.now());
        Ok(works)
    }

    async fn search(
        &self,
        call: &Call<'_>,
        pattern: &str,
        most: usize,
    ) -> Result<Vec<SearchedRecord>, BackendError> {
        let request = Request::get(["api", "v1", "servers", &self.server_id, "search-data"])
            .query("q", pattern)
            .query("max", most.to_string())
            .query("object_type", "record");
        call.send(&request).await?.json()
    }
}
