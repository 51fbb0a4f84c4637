//! The backend.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet, RecordType, Ttl,
};
use fleetcert_names::DomainName;
use futures_util::FutureExt;
use http::Method;
use secrecy::SecretString;
use serde::de::IgnoredAny;

use super::messages::{Batch, Envelope, Listed, Zone, kind_of, record_set};
use crate::client::{Api, Call, PageCount, Repeat, Request, Token};
use crate::record_sets::{
    Guesses, Key, Locks, RecordSets, Remembered, SetChange, begin, edits, rewrite, shown,
};
use crate::zones::{AccountZones, ZoneWords};
use crate::{Endpoint, HttpClient};

/// How a [`CloudflareBackend`] reaches its zones. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct CloudflareOptions {
    /// The API token.
    pub token: SecretString,
    /// Where the API is. Default: `https://api.cloudflare.com/client/v4`.
    pub endpoint: Endpoint,
    /// The ids of zones. Zones that are not here are looked for by their names, which needs a right more.
    pub zone_ids: BTreeMap<DomainName, String>,
    /// The most operations of one batch. Default: 200, as on the free plan; the others have 3,500. A call takes a
    /// quarter as many changes, so that devices with two addresses before and after fit.
    pub max_operations: usize,
    /// The shortest time to live. Default: a minute; the Enterprise plan has half of it.
    pub min_ttl: Ttl,
}

impl CloudflareOptions {
    /// The defaults, with this token.
    pub fn new(token: SecretString) -> Self {
        Self {
            token,
            endpoint: Endpoint::of_provider("https://api.cloudflare.com/client/v4"),
            zone_ids: BTreeMap::new(),
            max_operations: 200,
            min_ttl: Ttl::ADDRESS,
        }
    }
}

/// Changes zones at Cloudflare. See the [page of the module](super) for what that costs. A clone is the same backend.
#[derive(Clone, Debug)]
pub struct CloudflareBackend {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: Api,
    zones: AccountZones,
    max_operations: usize,
    min_ttl: Ttl,
    locks: Locks<DomainName>,
    /// It stays empty: what is to be deleted is always read, because an id does not say that its record is as it was.
    nothing: Remembered<Vec<Listed>>,
}

const WORDS: ZoneWords =
    ZoneWords { none: "the token sees no zone of this name", several: "zones", option: "zone_ids" };
/// More challenge names than these are read by one list.
const READ_ONE_BY_ONE: usize = 4;
const CHALLENGE: &str = "_acme-challenge.";
const PER_PAGE: &str = "1000";

impl CloudflareBackend {
    /// A backend with this token. Nothing is sent before the first call.
    pub fn new(options: CloudflareOptions, http: &HttpClient) -> Self {
        let inner = Inner {
            api: Api::new(http, options.endpoint, Token::bearer(options.token)).reading_kinds(kind_of),
            zones: AccountZones::new(options.zone_ids),
            max_operations: options.max_operations,
            min_ttl: options.min_ttl,
            locks: Locks::default(),
            nothing: Remembered::default(),
        };
        Self { inner: Arc::new(inner) }
    }
}

#[async_trait]
impl DnsBackend for CloudflareBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let inner = &*self.inner;
        let begun = begin(&inner.api, zone, changes, &self.capabilities(), &inner.locks).await?;
        let Some((call, _locked)) = begun else { return Ok(()) };
        let zone_id = inner.zone_id(&call).await?;
        let edits = edits(changes, inner.min_ttl);
        let guesses = Guesses::new(&inner.nothing, zone, &edits);
        inner.zones.judged(&call, rewrite(&Sets { inner, zone_id, guesses }, &call, &edits).await)
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let inner = &*self.inner;
        let call = inner.api.call(Operation::Read, zone);
        call.require_within(name)?;
        let zone_id = inner.zone_id(&call).await?;
        let held = inner.held(&call, &zone_id, &[(name.clone(), record_type)]).await;
        Ok(shown(inner.zones.judged(&call, held)?.into_values().next()))
    }

    fn capabilities(&self) -> Capabilities {
        let Inner { max_operations, min_ttl, .. } = *self.inner;
        Capabilities { max_changes: (max_operations / 4).max(1), min_ttl, ..Capabilities::ALL }
    }
}

impl Inner {
    async fn zone_id(&self, call: &Call<'_>) -> Result<String, BackendError> {
        self.zones.id(call, WORDS, look_up(call)).await
    }

    /// The records of these names and types, in as few requests as may be.
    async fn held(
        &self,
        call: &Call<'_>,
        zone_id: &str,
        keys: &[Key],
    ) -> Result<BTreeMap<Key, (RecordSet, Vec<Listed>)>, BackendError> {
        let reads = queries(keys).into_iter().map(|query| {
            async move {
                let request = Request::get(["zones", zone_id, "dns_records"]);
                let request =
                    query.into_iter().fold(request, |request, (name, value)| request.query(name, value));
                pages::<Listed>(call, &request).await
            }
            .boxed()
        });
        let records = call.side_by_side(reads.collect()).await?.concat();
        let of_key = |key: &Key| {
            let records: Vec<_> =
                records.iter().filter(|record| record.is_at(&key.0, key.1)).cloned().collect();
            (!records.is_empty()).then(|| (key.clone(), (record_set(&records, key.1), records)))
        };
        Ok(keys.iter().filter_map(of_key).collect())
    }
}

/// The ids of the zones with the call's name.
async fn look_up(call: &Call<'_>) -> Result<Vec<String>, BackendError> {
    let request = Request::get(["zones"]).query("name", call.zone.as_str()).query("per_page", "50");
    let zones = pages::<Zone>(call, &request).await?;
    Ok(zones.into_iter().filter(|zone| zone.name == call.zone.as_str()).map(|zone| zone.id).collect())
}

type Query = Vec<(&'static str, String)>;

/// The lists that have all these records.
fn queries(keys: &[Key]) -> Vec<Query> {
    let names = |is_wanted: fn(&Key) -> bool| -> BTreeSet<&DomainName> {
        keys.iter().filter(|key| is_wanted(key)).map(|(name, _)| name).collect()
    };
    let page = ("per_page", PER_PAGE.to_owned());
    let of_type = ("type", "TXT".to_owned());
    let mut texts = names(|(_, record_type)| *record_type == RecordType::Txt);
    let mut queries = Vec::new();
    let is_challenge = |name: &&DomainName| name.as_str().starts_with(CHALLENGE);
    if texts.iter().copied().filter(is_challenge).count() > READ_ONE_BY_ONE {
        texts.retain(|name| !is_challenge(name));
        queries.push(vec![("name.startswith", CHALLENGE.to_owned()), of_type.clone(), page.clone()]);
    }
    let exactly = |name: &DomainName| ("name.exact", name.to_string());
    queries.extend(texts.into_iter().map(|name| vec![exactly(name), of_type.clone(), page.clone()]));
    let addresses = names(|(_, record_type)| *record_type != RecordType::Txt);
    queries.extend(addresses.into_iter().map(|name| vec![exactly(name), page.clone()]));
    queries
}

/// All pages of a list.
async fn pages<T: serde::de::DeserializeOwned>(
    call: &Call<'_>,
    request: &Request,
) -> Result<Vec<T>, BackendError> {
    let mut count = PageCount::new(*call);
    let mut all = Vec::new();
    let mut page = Some(1);
    while let Some(number) = page {
        count.turn()?;
        let request = request.clone().query("page", number.to_string());
        let envelope: Envelope<Vec<T>> = call.send(&request).await?.json()?;
        page = envelope.next_page();
        all.extend(envelope.result);
    }
    Ok(all)
}

/// The record sets of one call.
struct Sets<'a> {
    inner: &'a Inner,
    zone_id: String,
    guesses: Guesses<'a, Vec<Listed>>,
}

#[async_trait]
impl RecordSets for Sets<'_> {
    type Version = Vec<Listed>;

    async fn held(
        &self,
        call: &Call<'_>,
        keys: &[Key],
    ) -> Result<BTreeMap<Key, (RecordSet, Vec<Listed>)>, BackendError> {
        // A text that is added is guessed to be new. If it is not, the batch is refused.
        let (_, unknown) = self.guesses.split(keys);
        self.inner.held(call, &self.zone_id, &unknown).await
    }

    async fn write(&self, call: &Call<'_>, changes: &[SetChange<Vec<Listed>>]) -> Result<(), BackendError> {
        let mut batch = Batch::default();
        for SetChange { key: (name, record_type), before, after } in changes {
            let before = before.as_ref().map(|(_, records)| &records[..]).unwrap_or_default();
            batch.change(name, *record_type, before, after.as_ref());
        }
        let operations = batch.operations();
        if operations == 0 {
            return Ok(());
        }
        if operations > self.inner.max_operations {
            let why = format!(
                "the changes take {operations} operations, and one batch has at most {}; make fewer in one call",
                self.inner.max_operations
            );
            return Err(call.error(BackendErrorKind::InvalidInput, why));
        }
        // Sent twice, a batch is refused the second time, and the records are read.
        let segments = ["zones", &self.zone_id, "dns_records", "batch"];
        let request = Request::new(Method::POST, segments, Repeat::Harmless).json(&batch);
        let made = call.send(&request).await.and_then(|reply| reply.json::<Envelope<IgnoredAny>>());
        self.guesses.settle(made.map(|_| None))
    }
}
