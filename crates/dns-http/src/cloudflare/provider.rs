//! The provider.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use fleetcert_dns::{BackendError, BackendErrorKind, Capabilities, RecordType, Ttl};
use fleetcert_names::DomainName;
use futures_util::FutureExt;
use http::Method;
use http::header::AUTHORIZATION;
use secrecy::SecretString;
use serde::de::IgnoredAny;

use super::messages::{Batch, Envelope, Listed, ListedZone, kind_of, record_set};
use crate::backend::Provider;
use crate::client::{Api, Call, Repeat, Request, Token};
use crate::record_sets::{Held, Key, SetChange, Sets};
use crate::zones::{ZoneWords, account_zone};
use crate::{Endpoint, HttpBackend, HttpClient};

/// Options of a [`CloudflareBackend`]. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct CloudflareOptions {
    /// API token.
    pub token: SecretString,
    /// Base URL of the API. Default: `https://api.cloudflare.com/client/v4`.
    pub endpoint: Endpoint,
    /// Ids of zones. Other zones are looked up by name, which needs one more permission.
    pub zone_ids: BTreeMap<DomainName, String>,
    /// Maximum operations in one batch. Default: 200, as on the free plan; the others have 3,500. A call takes a
    /// quarter as many changes, so that devices with two addresses before and after fit.
    pub max_operations: usize,
    /// Minimum TTL. Default: a minute; the Enterprise plan allows half of it.
    pub min_ttl: Ttl,
}

impl CloudflareOptions {
    /// Returns the defaults, with this token.
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

/// Changes zones at Cloudflare. See the [page of the module](super) for what that costs.
pub type CloudflareBackend = HttpBackend<Cloudflare>;

/// The API of Cloudflare.
#[derive(Debug)]
pub struct Cloudflare {
    api: Api,
    zone_ids: BTreeMap<DomainName, String>,
    max_operations: usize,
    min_ttl: Ttl,
}

const WORDS: ZoneWords =
    ZoneWords { none: "the token sees no zone of this name", several: "zones", option: "zone_ids" };
/// Maximum challenge names that are read in separate requests; more are read in one list.
const MAX_SINGLE_READS: usize = 4;
const CHALLENGE: &str = "_acme-challenge.";
const PER_PAGE: &str = "1000";

impl CloudflareBackend {
    /// Returns a backend with these options. Sends nothing before the first call.
    pub fn new(options: CloudflareOptions, http: &HttpClient) -> Self {
        let CloudflareOptions { token, endpoint, zone_ids, max_operations, min_ttl } = options;
        let api =
            Api::new(http, endpoint, Token::new(AUTHORIZATION, "Bearer ", token)).reading_kinds(kind_of);
        Self::over(Cloudflare { api, zone_ids, max_operations, min_ttl })
    }
}

#[async_trait]
impl Provider for Cloudflare {
    /// The id of the zone.
    type Zone = String;
    /// The records of the set, by whose ids they are deleted.
    type Version = Vec<Listed>;

    /// A text that is added is assumed to be new: if it is not, the batch is refused. What is to be deleted is always
    /// read, because an id does not say that its record is unchanged: so a write gives nothing to guess from.
    const GUESSES: bool = true;

    fn api(&self) -> &Api {
        &self.api
    }

    fn capabilities(&self) -> Capabilities {
        let Self { max_operations, min_ttl, .. } = *self;
        Capabilities { max_changes: (max_operations / 4).max(1), min_ttl, ..Capabilities::ALL }
    }

    async fn zone(&self, call: &Call<'_>) -> Result<String, BackendError> {
        account_zone(call, &self.zone_ids, WORDS, look_up(call)).await
    }

    /// Reads the records of these names and types in as few requests as possible.
    async fn read(
        &self,
        call: &Call<'_>,
        zone_id: &String,
        keys: &[Key],
    ) -> Result<Sets<Vec<Listed>>, BackendError> {
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

    async fn write(
        &self,
        call: &Call<'_>,
        zone_id: &String,
        changes: &[SetChange<Vec<Listed>>],
    ) -> Result<Vec<(Key, Held<Vec<Listed>>)>, BackendError> {
        let mut batch = Batch::default();
        for SetChange { key: (name, record_type), before, after } in changes {
            let before = before.as_ref().map(|(_, records)| &records[..]).unwrap_or_default();
            batch.change(name, *record_type, before, after.as_ref());
        }
        let (operations, max) = (batch.operations(), self.max_operations);
        if operations == 0 {
            return Ok(Vec::new());
        }
        if operations > max {
            let why = format!(
                "the changes take {operations} operations, and one batch has at most {max}; make fewer in one call"
            );
            return Err(call.error(BackendErrorKind::InvalidInput, why));
        }
        // If a batch is sent twice, the second is refused, and the records are read.
        let segments = ["zones", zone_id, "dns_records", "batch"];
        let request = Request::new(Method::POST, segments, Repeat::Harmless).json(&batch);
        call.send(&request).await?.json::<Envelope<IgnoredAny>>().map(|_| Vec::new())
    }
}

/// Finds the ids of the zones with the call's name.
async fn look_up(call: &Call<'_>) -> Result<Vec<String>, BackendError> {
    let request = Request::get(["zones"]).query("name", call.zone.as_str()).query("per_page", "50");
    let zones = pages::<ListedZone>(call, &request).await?;
    Ok(zones.into_iter().filter(|zone| zone.name == call.zone.as_str()).map(|zone| zone.id).collect())
}

type Query = Vec<(&'static str, String)>;

/// Returns the queries for lists that have all these records.
fn queries(keys: &[Key]) -> Vec<Query> {
    let names = |is_wanted: fn(&Key) -> bool| -> BTreeSet<&DomainName> {
        keys.iter().filter(|key| is_wanted(key)).map(|(name, _)| name).collect()
    };
    let page = ("per_page", PER_PAGE.to_owned());
    let of_type = ("type", "TXT".to_owned());
    let mut texts = names(|(_, record_type)| *record_type == RecordType::Txt);
    let mut queries = Vec::new();
    let is_challenge = |name: &&DomainName| name.as_str().starts_with(CHALLENGE);
    if texts.iter().copied().filter(is_challenge).count() > MAX_SINGLE_READS {
        texts.retain(|name| !is_challenge(name));
        queries.push(vec![("name.startswith", CHALLENGE.to_owned()), of_type.clone(), page.clone()]);
    }
    let exactly = |name: &DomainName| ("name.exact", name.to_string());
    queries.extend(texts.into_iter().map(|name| vec![exactly(name), of_type.clone(), page.clone()]));
    let addresses = names(|(_, record_type)| *record_type != RecordType::Txt);
    queries.extend(addresses.into_iter().map(|name| vec![exactly(name), page.clone()]));
    queries
}

/// Reads all pages of a list.
async fn pages<T: serde::de::DeserializeOwned>(
    call: &Call<'_>,
    request: &Request,
) -> Result<Vec<T>, BackendError> {
    let page = |number: u64| request.clone().query("page", number.to_string());
    call.list(page(1), |reply| {
        let envelope: Envelope<Vec<T>> = reply.json()?;
        let next = envelope.next_page().map(page);
        Ok((envelope.result, next))
    })
    .await
}
