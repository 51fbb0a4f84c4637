//! The backend.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet, RecordType, Ttl,
};
use fleetcert_names::DomainName;
use http::{HeaderValue, Method, header};

use super::AwsCredentialSource;
use super::credentials::Signer;
use super::messages::{Batch, Listed, bare_id, kind_of, listed, zone_page};
use super::xml::{Element, XmlFault};
use crate::client::{Api, Call, PageCount, Repeat, Reply, Request};
use crate::record_sets::{
    Guesses, Key, Locks, RecordSets, Remembered, Respelled, SetChange, Spelled, Spelling, begin, edits,
    rewrite, shown, type_name,
};
use crate::txt::{Digits, quoted_in, unquoted_in};
use crate::zones::{AccountZones, ZoneWords};
use crate::{ApiFault, Endpoint, HttpClient};

/// How a [`Route53Backend`] reaches its account. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Route53Options {
    /// Who signs the requests.
    pub credentials: Arc<dyn AwsCredentialSource>,
    /// Where the API is. Default: `https://route53.amazonaws.com`, for all regions but those of China and the
    /// government's.
    pub endpoint: Endpoint,
    /// The region that signatures are for. Default: `us-east-1`, where Route 53 is.
    pub region: String,
    /// The ids of hosted zones, such as `Z1D633PJN98FT9`. Zones that are not here are looked for by their names, which
    /// needs a right more.
    pub zone_ids: BTreeMap<DomainName, String>,
    /// The time between two requests; five may be made at once after a pause. Default: 200 milliseconds, which is all
    /// that the account may do. Several control servers of one account divide it among them.
    pub min_interval: Duration,
}

impl Route53Options {
    /// The defaults, with these credentials.
    pub fn new(credentials: impl AwsCredentialSource + 'static) -> Self {
        Self {
            credentials: Arc::new(credentials),
            endpoint: Endpoint::of_provider("https://route53.amazonaws.com"),
            region: "us-east-1".to_owned(),
            zone_ids: BTreeMap::new(),
            min_interval: Duration::from_millis(200),
        }
    }
}

/// Changes hosted zones of one AWS account. See the [page of the module](super) for what that costs. A clone is the
/// same backend.
#[derive(Clone, Debug)]
pub struct Route53Backend {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: Api,
    zones: AccountZones,
    locks: Locks<DomainName>,
    remembered: Remembered<Spelled>,
}

const WORDS: ZoneWords = ZoneWords {
    none: "the account has no public hosted zone of this name",
    several: "hosted zones",
    option: "zone_ids",
};
/// A batch of these fits when the names have few other values.
const MAX_CHANGES: usize = 100;
/// A batch that is refused so often although its sets are as they were read is wrong in itself.
const REFUSALS: u32 = 3;
const VERSION: &str = "2013-04-01";
const SPELLING: Spelling = Spelling {
    write: |value| quoted_in(Digits::Octal, value),
    read: |text| unquoted_in(Digits::Octal, text),
};

impl Route53Backend {
    /// A backend for the account of these credentials. Nothing is sent before the first call.
    pub fn new(options: Route53Options, http: &HttpClient) -> Self {
        let signer = Signer::new(options.credentials, options.region, options.min_interval);
        let inner = Inner {
            api: Api::new(http, options.endpoint, signer).reading_kinds(kind_of),
            zones: AccountZones::new(options.zone_ids),
            locks: Locks::default(),
            remembered: Remembered::default(),
        };
        Self { inner: Arc::new(inner) }
    }
}

#[async_trait]
impl DnsBackend for Route53Backend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let inner = &*self.inner;
        let begun = begin(&inner.api, zone, changes, &self.capabilities(), &inner.locks).await?;
        let Some((call, _locked)) = begun else { return Ok(()) };
        let zone_id = inner.zone_id(&call).await?;
        let edits = edits(changes, Ttl::ZERO);
        let guesses = Guesses::new(&inner.remembered, zone, &edits);
        let sets = Sets { inner, zone_id, guesses, refused: Mutex::default() };
        inner.zones.judged(&call, rewrite(&sets, &call, &edits).await)
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
        let held = inner.listed(&call, &zone_id, &(name.clone(), record_type)).await;
        Ok(shown(inner.zones.judged(&call, held)?))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_values: 340, max_changes: MAX_CHANGES, ..Capabilities::ALL }
    }
}

impl Inner {
    async fn zone_id(&self, call: &Call<'_>) -> Result<String, BackendError> {
        let id = self.zones.id(call, WORDS, look_up(call)).await?;
        bare_id(&id).map(str::to_owned).ok_or_else(|| {
            call.error(BackendErrorKind::InvalidInput, format!("`{id}` is no id of a hosted zone"))
        })
    }

    /// The set, read from the API.
    async fn listed(
        &self,
        call: &Call<'_>,
        zone_id: &str,
        (name, record_type): &Key,
    ) -> Result<Option<(RecordSet, Spelled)>, BackendError> {
        let request = get(["hostedzone", zone_id, "rrset"])
            .query("name", format!("{name}."))
            .query("type", type_name(*record_type))
            .query("maxitems", "1");
        let reply = call.send(&request).await?;
        let listed = listed(&document(&reply)?, name.as_str(), *record_type);
        match listed.ok_or_else(|| reply.unusable(ApiFault::UnexpectedXml))? {
            Listed::Nothing => Ok(None),
            Listed::Plain(spelled) => Ok(Some((SPELLING.record_set(&spelled, *record_type), spelled))),
            Listed::Special => {
                let why = format!(
                    "{name} {} is an alias or has a routing policy, which this backend leaves alone",
                    type_name(*record_type)
                );
                Err(call.error(BackendErrorKind::InvalidInput, why))
            }
        }
    }
}

/// The ids of the public zones with the call's name.
async fn look_up(call: &Call<'_>) -> Result<Vec<String>, BackendError> {
    let mut pages = PageCount::new(*call);
    let mut ids = Vec::new();
    let mut start = Some((format!("{}.", call.zone), None));
    while let Some((name, id)) = start {
        pages.turn()?;
        let mut request = get(["hostedzonesbyname"]).query("dnsname", name);
        if let Some(id) = id {
            request = request.query("hostedzoneid", id);
        }
        let reply = call.send(&request).await?;
        let page = zone_page(&document(&reply)?, call.zone.as_str())
            .ok_or_else(|| reply.unusable(ApiFault::UnexpectedXml))?;
        ids.extend(page.ids);
        start = page.next.map(|(name, id)| (name, Some(id)));
    }
    Ok(ids)
}

/// The record sets of one call.
struct Sets<'a> {
    inner: &'a Inner,
    zone_id: String,
    guesses: Guesses<'a, Spelled>,
    /// The batch that was refused last although its sets had been read, and how often.
    refused: Mutex<(String, u32)>,
}

#[async_trait]
impl RecordSets for Sets<'_> {
    type Version = Spelled;

    async fn held(
        &self,
        call: &Call<'_>,
        keys: &[Key],
    ) -> Result<BTreeMap<Key, (RecordSet, Spelled)>, BackendError> {
        let read = |key| async move { self.inner.listed(call, &self.zone_id, &key).await };
        self.guesses.held(call, keys, read).await
    }

    async fn write(&self, call: &Call<'_>, changes: &[SetChange<Spelled>]) -> Result<(), BackendError> {
        let respelled = SPELLING.respelled(changes);
        let mut batch = Batch::default();
        for Respelled { key: (name, record_type), before, after } in &respelled {
            if let Some(set) = before {
                batch.delete(name.as_str(), *record_type, set);
            }
            if let Some(set) = after {
                batch.create(name.as_str(), *record_type, set);
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        if let Some(why) = batch.excess() {
            return Err(call.error(BackendErrorKind::InvalidInput, why));
        }
        let made = self.send(call, batch.document()).await;
        self.guesses.settle(made.map(|()| respelled.into_iter().map(|set| SPELLING.held(set))))
    }
}

impl Sets<'_> {
    /// Sent twice, a batch is refused the second time, and the sets are read.
    async fn send(&self, call: &Call<'_>, document: String) -> Result<(), BackendError> {
        let segments = [VERSION, "hostedzone", &self.zone_id, "rrset", ""];
        let request = xml(Request::new(Method::POST, segments, Repeat::Harmless))
            .body("application/xml", document.clone().into());
        match call.send(&request).await {
            Ok(reply) => {
                let answer = self::document(&reply)?;
                let made = answer.name == "ChangeResourceRecordSetsResponse";
                if made { Ok(()) } else { Err(reply.unusable(ApiFault::UnexpectedXml)) }
            }
            Err(error) if error.kind() == BackendErrorKind::Conflict && self.is_wrong(document) => {
                let said = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                let why = format!("refused {REFUSALS} times although no set changed in between: {said}");
                Err(call.error(BackendErrorKind::InvalidInput, why))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a batch that was refused is wrong in itself.
    fn is_wrong(&self, document: String) -> bool {
        if self.guesses.are_allowed() {
            return false;
        }
        let mut refused = self.refused.lock();
        let times = if refused.0 == document { refused.1 + 1 } else { 1 };
        *refused = (document, times);
        times >= REFUSALS
    }
}

fn get<'a>(segments: impl IntoIterator<Item = &'a str>) -> Request {
    xml(Request::get([VERSION].into_iter().chain(segments)))
}

fn xml(request: Request) -> Request {
    request.header(header::ACCEPT, HeaderValue::from_static("application/xml"))
}

fn document(reply: &Reply<'_>) -> Result<Element, BackendError> {
    Element::parse(&reply.body).map_err(|fault| {
        reply.unusable(match fault {
            _ if reply.is_html() => ApiFault::Html,
            XmlFault::Truncated => ApiFault::TruncatedXml,
            XmlFault::NotXml => ApiFault::NotXml,
        })
    })
}
