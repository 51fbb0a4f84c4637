//! The backend.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet, RecordType, Ttl,
};
use fleetcert_names::DomainName;
use futures_util::FutureExt;
use http::{HeaderValue, Method, header};

use super::AwsCredentialSource;
use super::credentials::Signer;
use super::messages::{Batch, Listed, bare_id, kind_of, listed, zone_page};
use super::xml::{Element, XmlFault};
use crate::client::{Api, Call, PageCount, Repeat, Reply, Request};
use crate::record_sets::{
    Guesses, Key, Locks, RecordSets, Remembered, SetChange, Spelled, Spelling, edits, lock_within, rewrite,
    type_name,
};
use crate::txt::{Digits, quoted_in, unquoted_in};
use crate::zones::ZoneIds;
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
    configured: BTreeMap<DomainName, String>,
    found: ZoneIds<String>,
    locks: Locks<DomainName>,
    remembered: Remembered<Spelled>,
}

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
            configured: options.zone_ids,
            found: ZoneIds::default(),
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
        let call = inner.api.call(Operation::Apply, zone);
        call.require_fit(changes, &self.capabilities())?;
        if changes.is_empty() {
            return Ok(());
        }
        let names = changes.iter().map(|change| change.name().clone()).collect();
        let _locked = lock_within(&call, &inner.locks, names).await?;
        let zone_id = inner.zone_id(&call).await?;
        let edits = edits(changes, Ttl::ZERO);
        let guesses = Guesses::new(&inner.remembered, zone, &edits);
        let sets = Sets { inner, zone_id, guesses, refused: Mutex::default() };
        inner.judged(&call, rewrite(&sets, &call, &edits).await)
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
        let held = inner.judged(&call, held)?;
        Ok(held.map(|(set, _)| set).filter(|set| !set.values.is_empty()))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_values: 340, max_changes: MAX_CHANGES, ..Capabilities::ALL }
    }
}

impl Inner {
    async fn zone_id(&self, call: &Call<'_>) -> Result<String, BackendError> {
        let known = self.configured.get(call.zone).cloned();
        let id = match known.or_else(|| self.found.get(call.zone, call.now())) {
            Some(id) => id,
            None => self.look_up(call).await?,
        };
        bare_id(&id).map(str::to_owned).ok_or_else(|| {
            call.error(BackendErrorKind::InvalidInput, format!("`{id}` is no id of a hosted zone"))
        })
    }

    async fn look_up(&self, call: &Call<'_>) -> Result<String, BackendError> {
        let mut pages = PageCount::new(*call);
        let mut all = Vec::new();
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
            all.extend(page.ids);
            start = page.next.map(|(name, id)| (name, Some(id)));
        }
        match &all[..] {
            [id] => {
                self.found.put(call.zone, id.clone(), call.now());
                Ok(id.clone())
            }
            [] => {
                Err(call
                    .error(BackendErrorKind::NotInZone, "the account has no public hosted zone of this name"))
            }
            several => {
                let ids = several.join(", ");
                let why = format!("several hosted zones have this name; set one of {ids} in `zone_ids`");
                Err(call.error(BackendErrorKind::InvalidInput, why))
            }
        }
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

    /// A zone that is not there any more may have been made anew under another id.
    fn judged<T>(&self, call: &Call<'_>, answer: Result<T, BackendError>) -> Result<T, BackendError> {
        if answer.as_ref().is_err_and(|error| error.kind() == BackendErrorKind::NotInZone) {
            self.found.forget(call.zone);
        }
        answer
    }
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
        let (mut held, unknown) = self.guesses.split(keys);
        let reads = unknown.into_iter().map(|key| {
            async move { Ok((key.clone(), self.inner.listed(call, &self.zone_id, &key).await?)) }.boxed()
        });
        let found = call.side_by_side(reads.collect()).await?;
        held.extend(found.into_iter().filter_map(|(key, found)| Some((key, found?))));
        Ok(held)
    }

    async fn write(&self, call: &Call<'_>, changes: &[SetChange<Spelled>]) -> Result<(), BackendError> {
        let mut batch = Batch::default();
        let mut written = Vec::new();
        for SetChange { key, before, after } in changes {
            let (name, record_type) = (key.0.as_str(), key.1);
            let before = before.as_ref().map(|(_, spelled)| spelled);
            let after = SPELLING.merged(before, after.as_ref(), record_type);
            if before == after.as_ref() {
                continue;
            }
            if let Some(set) = before {
                batch.delete(name, record_type, set);
            }
            if let Some(set) = &after {
                batch.create(name, record_type, set);
            }
            written.push((key, after.map(|spelled| (SPELLING.record_set(&spelled, record_type), spelled))));
        }
        if batch.is_empty() {
            return Ok(());
        }
        if let Some(why) = batch.excess() {
            return Err(call.error(BackendErrorKind::InvalidInput, why));
        }
        match self.send(call, batch.document()).await {
            Ok(()) => {
                written.into_iter().for_each(|(key, held)| self.guesses.learn(key, held));
                Ok(())
            }
            Err(error) => {
                self.guesses.give_up();
                Err(error)
            }
        }
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
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
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
