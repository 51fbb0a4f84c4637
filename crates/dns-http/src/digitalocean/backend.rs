//! The backend.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_dns::{
    BackendError, Capabilities, Change, DnsBackend, Operation, RecordData, RecordSet, RecordType, Ttl,
};
use fleetcert_names::DomainName;
use futures_util::FutureExt;
use http::{Method, StatusCode};
use secrecy::SecretString;

use super::messages::{NewRecord, Page, Record};
use crate::client::{Api, Call, PageCount, Repeat, Request, Token};
use crate::dns01::require_dns01_texts;
use crate::record_sets::{Edit, Locks, begin, edits};
use crate::zones::relative;
use crate::{Endpoint, HttpClient};

/// With which token. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct DigitalOceanOptions {
    /// The token.
    pub token: SecretString,
    /// The base URL. Default: `https://api.digitalocean.com/v2`.
    pub endpoint: Endpoint,
    /// The most changes in one call. Default: 50; each takes about two requests.
    pub max_changes: usize,
}

impl DigitalOceanOptions {
    /// The defaults, with this token.
    pub fn new(token: SecretString) -> Self {
        let endpoint = Endpoint::of_provider("https://api.digitalocean.com/v2");
        Self { token, endpoint, max_changes: 50 }
    }
}

/// Changes domains of one DigitalOcean account. See the [page of the module](super) for its limits. A clone is the
/// same backend.
#[derive(Clone, Debug)]
pub struct DigitalOceanBackend {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: Api,
    max_changes: usize,
    names: Locks<DomainName>,
}

impl DigitalOceanBackend {
    /// A backend with this token. Nothing is sent before the first call.
    pub fn new(options: DigitalOceanOptions, http: &HttpClient) -> Self {
        let inner = Inner {
            api: Api::new(http, options.endpoint, Token::bearer(options.token)),
            max_changes: options.max_changes,
            names: Locks::default(),
        };
        Self { inner: Arc::new(inner) }
    }
}

/// The most that the API gives.
const PAGE: &str = "200";
const MIN_TTL: u32 = 30;

#[async_trait]
impl DnsBackend for DigitalOceanBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let inner = &*self.inner;
        let capabilities = self.capabilities();
        let begun = begin(&inner.api, zone, changes, &capabilities, &inner.names).await?;
        let Some((call, _locked)) = begun else { return Ok(()) };
        require_dns01_texts(&call, changes)?;
        let mut by_name: BTreeMap<DomainName, Vec<(RecordType, Edit)>> = BTreeMap::new();
        for ((name, record_type), edit) in edits(changes, capabilities.min_ttl) {
            by_name.entry(name).or_default().push((record_type, edit));
        }
        let work = by_name.iter().map(|(name, edits)| inner.edit(&call, name, edits).boxed()).collect();
        call.side_by_side(work).await.map(drop)
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let call = self.inner.api.call(Operation::Read, zone);
        call.require_within(name)?;
        Ok(record_set(&self.inner.records(&call, name).await?, record_type))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic: false,
            any_text: false,
            min_ttl: Ttl::from_secs(MIN_TTL).expect("half a minute is below the longest time to live"),
            max_changes: self.inner.max_changes,
            ..Capabilities::ALL
        }
    }
}

impl Inner {
    /// All records at the name, of every type.
    async fn records(&self, call: &Call<'_>, name: &DomainName) -> Result<Vec<Record>, BackendError> {
        let first = Request::get(["domains", call.zone.as_str(), "records"])
            .query("name", name.as_str())
            .query("per_page", PAGE);
        let own = relative(name, call.zone).unwrap_or("@");
        let mut pages = PageCount::new(*call);
        let mut records = Vec::new();
        let mut next = Some(first);
        while let Some(request) = next {
            pages.turn()?;
            let page: Page = call.send(&request).await?.json()?;
            next = page.next().map(Request::get_url);
            // What is not of this name is not touched, whatever the filter let through.
            records.extend(page.domain_records.into_iter().filter(|it| it.name.eq_ignore_ascii_case(own)));
        }
        Ok(records)
    }

    async fn edit(
        &self,
        call: &Call<'_>,
        name: &DomainName,
        edits: &[(RecordType, Edit)],
    ) -> Result<(), BackendError> {
        let records = self.records(call, name).await?;
        let mut come = Vec::new();
        let mut gone = Vec::new();
        for (record_type, edit) in edits {
            let before = record_set(&records, *record_type);
            let after = edit.applied_to(before.as_ref());
            let (old, new) = (values(before.as_ref()), values(after.as_ref()));
            let ttl = after.as_ref().map_or(Ttl::ZERO, |set| set.ttl);
            // Texts that stay keep their time to live; addresses get the one that was asked for.
            let has_ttl = |record: &Record| *record_type == RecordType::Txt || record.ttl == ttl.as_secs();
            let keeps = |data: &RecordData| {
                records
                    .iter()
                    .any(|record| record.data(*record_type).as_ref() == Some(data) && has_ttl(record))
            };
            come.extend(
                new.iter()
                    .filter(|data| !(old.contains(data) && keeps(data)))
                    .map(|data| (data.clone(), ttl)),
            );
            gone.extend(records.iter().filter(|record| {
                record.data(*record_type).is_some_and(|data| !new.contains(&data) || !has_ttl(record))
            }));
        }
        for (data, ttl) in come {
            self.create(call, name, &data, ttl).await?;
        }
        for record in gone {
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
        // Done twice it makes two copies.
        let request = Request::new(Method::POST, path, Repeat::Harmful);
        call.send(&request.json(&NewRecord::new(own, data, ttl.as_secs()))).await.map(drop)
    }

    async fn delete(&self, call: &Call<'_>, id: u64) -> Result<(), BackendError> {
        let id = id.to_string();
        let path = ["domains", call.zone.as_str(), "records", &id];
        let request = Request::new(Method::DELETE, path, Repeat::Harmless);
        // One that somebody else removed is removed.
        call.send_allowing(&request, &[StatusCode::NOT_FOUND]).await.map(drop)
    }
}

/// The records of one type as a set. Copies of a record are one value.
fn record_set(records: &[Record], record_type: RecordType) -> Option<RecordSet> {
    let of_type: Vec<_> = records.iter().filter(|record| record.data(record_type).is_some()).collect();
    let ttl = of_type.iter().map(|record| record.ttl).min()?;
    let values = of_type.iter().filter_map(|record| record.data(record_type)).collect();
    Some(RecordSet { ttl: Ttl::from_secs(ttl).unwrap_or(Ttl::ZERO), values })
}

fn values(set: Option<&RecordSet>) -> BTreeSet<RecordData> {
    set.map(|set| set.values.clone()).unwrap_or_default()
}
