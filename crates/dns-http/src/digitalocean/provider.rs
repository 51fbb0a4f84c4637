//! The provider.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use fleetcert_dns::{BackendError, Capabilities, Change, RecordData, RecordSet, RecordType, Ttl};
use fleetcert_names::DomainName;
use futures_util::FutureExt;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use secrecy::SecretString;

use super::messages::{NewRecord, Page, Record};
use crate::backend::Provider;
use crate::client::{Api, Call, Repeat, Request, Token};
use crate::record_sets::{Held, Key, SetChange, Sets};
use crate::zones::relative;
use crate::{Endpoint, HttpBackend, HttpClient};

/// Options of a [`DigitalOceanBackend`]. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct DigitalOceanOptions {
    /// Token.
    pub token: SecretString,
    /// Base URL of the API. Default: `https://api.digitalocean.com/v2`.
    pub endpoint: Endpoint,
    /// Maximum changes in one call. Default: 50; each takes about two requests.
    pub max_changes: usize,
}

impl DigitalOceanOptions {
    /// Returns the defaults, with this token.
    pub fn new(token: SecretString) -> Self {
        let endpoint = Endpoint::of_provider("https://api.digitalocean.com/v2");
        Self { token, endpoint, max_changes: 50 }
    }
}

/// Changes domains of one DigitalOcean account. See the [page of the module](super) for its limits.
pub type DigitalOceanBackend = HttpBackend<DigitalOcean>;

/// The API of DigitalOcean.
#[derive(Debug)]
pub struct DigitalOcean {
    api: Api,
    max_changes: usize,
}

/// Maximum page size of the API.
const PAGE_SIZE: &str = "200";
const MIN_TTL: u32 = 30;

impl DigitalOcean {
    /// Reads all records at the name, of every type.
    async fn records(&self, call: &Call<'_>, name: &DomainName) -> Result<Vec<Record>, BackendError> {
        let first = Request::get(["domains", call.zone.as_str(), "records"])
            .query("name", name.as_str())
            .query("per_page", PAGE_SIZE);
        let own = relative(name, call.zone).unwrap_or("@");
        call.list(first, |reply| {
            let page: Page = reply.json()?;
            let next = page.next().map(Request::get_url);
            // Records of other names are not touched, even if the filter lets them through.
            let is_own = |record: &Record| record.name.eq_ignore_ascii_case(own);
            Ok((page.domain_records.into_iter().filter(is_own).collect(), next))
        })
        .await
    }

    /// Creates missing records at one name, then deletes surplus ones, so that there are never too few records.
    async fn write_name(
        &self,
        call: &Call<'_>,
        changes: &[&SetChange<Vec<Record>>],
    ) -> Result<(), BackendError> {
        let none = BTreeSet::new();
        let mut missing = Vec::new();
        let mut surplus = Vec::new();
        for SetChange { key: (name, record_type), before, after } in changes {
            let records = before.as_ref().map(|(_, records)| &records[..]).unwrap_or_default();
            let wanted = after.as_ref().map_or(&none, |set| &set.values);
            let ttl = after.as_ref().map_or(Ttl::ZERO, |set| set.ttl);
            // Texts that stay keep their TTL; addresses get the requested one.
            let has_ttl = |record: &Record| *record_type == RecordType::Txt || record.ttl == ttl.as_secs();
            let is_kept = |record: &Record, data: &RecordData| {
                record.data(*record_type).as_ref() == Some(data) && has_ttl(record)
            };
            let is_there = |data: &RecordData| records.iter().any(|record| is_kept(record, data));
            missing.extend(wanted.iter().filter(|data| !is_there(data)).map(|data| (name, data, ttl)));
            surplus.extend(records.iter().filter(|record| {
                record.data(*record_type).is_some_and(|data| !wanted.contains(&data) || !has_ttl(record))
            }));
        }
        for (name, data, ttl) in missing {
            self.create(call, name, data, ttl).await?;
        }
        for record in surplus {
            self.delete(call, record.id).await?;
        }
        Ok(())
    }

    async fn create(
        &self,
        call: &Call<'_>,
        name: &DomainName,
        data: &RecordData,
        ttl: Ttl,
    ) -> Result<(), BackendError> {
        let own = relative(name, call.zone).unwrap_or("@");
        let path = ["domains", call.zone.as_str(), "records"];
        // Sent twice, it would make two copies.
        let request = Request::new(Method::POST, path, Repeat::Harmful);
        call.send(&request.json(&NewRecord::new(own, data, ttl.as_secs()))).await.map(drop)
    }

    async fn delete(&self, call: &Call<'_>, id: u64) -> Result<(), BackendError> {
        let id = id.to_string();
        let path = ["domains", call.zone.as_str(), "records", &id];
        let request = Request::new(Method::DELETE, path, Repeat::Harmless);
        // A record that another process removed is removed.
        call.send_allowing(&request, &[StatusCode::NOT_FOUND]).await.map(drop)
    }
}

/// Returns the records of one type as a set. Copies of a record are one value.
fn record_set(records: &[Record], record_type: RecordType) -> Held<Vec<Record>> {
    let is_of_type = |record: &&Record| record.data(record_type).is_some();
    let of_type: Vec<_> = records.iter().filter(is_of_type).cloned().collect();
    let ttl = of_type.iter().map(|record| record.ttl).min()?;
    let values = of_type.iter().filter_map(|record| record.data(record_type)).collect();
    Some((RecordSet { ttl: Ttl::from_secs(ttl).unwrap_or(Ttl::ZERO), values }, of_type))
}

impl DigitalOceanBackend {
    /// Returns a backend with these options. Sends nothing before the first call.
    pub fn new(options: DigitalOceanOptions, http: &HttpClient) -> Self {
        let DigitalOceanOptions { token, endpoint, max_changes } = options;
        Self::over(DigitalOcean {
            api: Api::new(http, endpoint, Token::new(AUTHORIZATION, "Bearer ", token)),
            max_changes,
        })
    }
}

#[async_trait]
impl Provider for DigitalOcean {
    /// Each request names the domain itself.
    type Zone = ();
    /// The records of the set, by whose ids they are deleted.
    type Version = Vec<Record>;

    /// Records are created one by one and without a condition: a conflict is not one with another process.
    const MAX_ROUNDS: u32 = 1;

    fn api(&self) -> &Api {
        &self.api
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic: false,
            any_text: false,
            min_ttl: Ttl::from_secs(MIN_TTL).expect("half a minute is below the maximum TTL"),
            max_changes: self.max_changes,
            ..Capabilities::ALL
        }
    }

    fn refuses(&self, changes: &[Change]) -> Option<&'static str> {
        let is_foreign =
            |change: &Change| matches!(change, Change::RemoveTxt { value, .. } if !value.is_dns01());
        let is_refused = changes.iter().any(is_foreign);
        is_refused
            .then_some("a text is not a dns-01 value of 43 characters, and this service supports no other")
    }

    /// The records of a name can have different times to live.
    fn is_stored((stored, records): &(RecordSet, Vec<Record>), wanted: &RecordSet) -> bool {
        let is_text = |data: &RecordData| matches!(data, RecordData::Txt(_));
        let ttl = wanted.ttl.as_secs();
        stored == wanted
            && (wanted.values.iter().all(is_text) || records.iter().all(|record| record.ttl == ttl))
    }

    async fn zone(&self, _: &Call<'_>) -> Result<(), BackendError> {
        Ok(())
    }

    async fn read(&self, call: &Call<'_>, (): &(), keys: &[Key]) -> Result<Sets<Vec<Record>>, BackendError> {
        let names: BTreeSet<_> = keys.iter().map(|(name, _)| name).collect();
        let reads =
            names.into_iter().map(|name| async move { Ok((name, self.records(call, name).await?)) }.boxed());
        let records: BTreeMap<_, _> = call.side_by_side(reads.collect()).await?.into_iter().collect();
        let set = |key: &Key| Some((key.clone(), record_set(&records[&key.0], key.1)?));
        Ok(keys.iter().filter_map(set).collect())
    }

    async fn write(
        &self,
        call: &Call<'_>,
        (): &(),
        changes: &[SetChange<Vec<Record>>],
    ) -> Result<Vec<(Key, Held<Vec<Record>>)>, BackendError> {
        let mut by_name: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for change in changes {
            by_name.entry(&change.key.0).or_default().push(change);
        }
        let writes = by_name.values().map(|changes| self.write_name(call, changes).boxed());
        call.side_by_side(writes.collect()).await.map(|_| Vec::new())
    }
}
