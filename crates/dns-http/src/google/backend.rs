//! The backend.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet, RecordType, Ttl,
};
use fleetcert_names::DomainName;
use http::Method;

use super::ServiceAccountKey;
use super::messages::{MadeChange, RrSet, RrSetPage, SentChange, ZonePage, kind_of};
use super::service_account::ServiceAccount;
use crate::client::{Api, Call, PageCount, Repeat, Request};
use crate::record_sets::{
    Guesses, Key, Locks, RecordSets, Remembered, Respelled, SetChange, Spelled, Spelling, begin, edits,
    rewrite, shown, type_name,
};
use crate::tokens::{Fetch, Fetched};
use crate::txt::{quoted, unquoted};
use crate::zones::{AccountZones, ZoneWords};
use crate::{Endpoint, HttpClient, TokenSource};

/// How a [`GoogleBackend`] reaches its project. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct GoogleOptions {
    /// The id of the project that has the managed zones.
    pub project: String,
    /// Who asks.
    pub credentials: GoogleCredentials,
    /// Where the API is. Default: `https://dns.googleapis.com`.
    pub endpoint: Endpoint,
    /// The names of managed zones by their DNS names. Zones that are not here are looked for, which needs a right more.
    pub managed_zones: BTreeMap<DomainName, String>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum GoogleCredentials {
    /// The key of a service account.
    Key(ServiceAccountKey),
    /// Tokens from elsewhere, for the scope `https://www.googleapis.com/auth/ndev.clouddns.readwrite`.
    Source(Arc<dyn TokenSource>),
}

impl GoogleOptions {
    /// The defaults, for this project.
    pub fn new(project: impl Into<String>, credentials: GoogleCredentials) -> Self {
        Self {
            project: project.into(),
            credentials,
            endpoint: Endpoint::of_provider("https://dns.googleapis.com"),
            managed_zones: BTreeMap::new(),
        }
    }
}

/// Changes managed zones of one project. See the [page of the module](super) for what that costs. A clone is the same
/// backend.
#[derive(Clone, Debug)]
pub struct GoogleBackend {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: Api,
    project: String,
    zones: AccountZones,
    locks: Locks<DomainName>,
    remembered: Remembered<Spelled>,
}

const WORDS: ZoneWords = ZoneWords {
    none: "the project has no public managed zone of this name",
    several: "managed zones",
    option: "managed_zones",
};
const MAX_CHANGES: usize = 100;
const MAX_VALUES: usize = 100;
const SPELLING: Spelling = Spelling { write: quoted, read: unquoted };

impl GoogleBackend {
    /// A backend for this project. Nothing is sent before the first call.
    pub fn new(options: GoogleOptions, http: &HttpClient) -> Self {
        let fetch: Box<dyn Fetch> = match options.credentials {
            GoogleCredentials::Key(key) => Box::new(ServiceAccount::new(key, http)),
            GoogleCredentials::Source(source) => Box::new(source),
        };
        let inner = Inner {
            api: Api::new(http, options.endpoint, Fetched::new(fetch)).reading_kinds(kind_of),
            project: options.project,
            zones: AccountZones::new(options.managed_zones),
            locks: Locks::default(),
            remembered: Remembered::default(),
        };
        Self { inner: Arc::new(inner) }
    }
}

#[async_trait]
impl DnsBackend for GoogleBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let inner = &*self.inner;
        let begun = begin(&inner.api, zone, changes, &self.capabilities(), &inner.locks).await?;
        let Some((call, _locked)) = begun else { return Ok(()) };
        let managed_zone = inner.managed_zone(&call).await?;
        let edits = edits(changes, Ttl::ZERO);
        let guesses = Guesses::new(&inner.remembered, zone, &edits);
        let made = rewrite(&Sets { inner, managed_zone, guesses }, &call, &edits).await;
        inner.zones.judged(&call, made)
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
        let managed_zone = inner.managed_zone(&call).await?;
        let held = inner.listed(&call, &managed_zone, &(name.clone(), record_type)).await;
        Ok(shown(inner.zones.judged(&call, held)?))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_values: MAX_VALUES, max_changes: MAX_CHANGES, ..Capabilities::ALL }
    }
}

impl Inner {
    /// What the project calls the zone.
    async fn managed_zone(&self, call: &Call<'_>) -> Result<String, BackendError> {
        self.zones.id(call, WORDS, self.look_up(call)).await
    }

    async fn look_up(&self, call: &Call<'_>) -> Result<Vec<String>, BackendError> {
        let mut pages = PageCount::new(*call);
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        loop {
            pages.turn()?;
            let request =
                Request::get(self.path(&["managedZones"])).query("dnsName", format!("{}.", call.zone));
            let page: ZonePage = call.send(&on_page(request, token)).await?.json()?;
            let zones = page.managed_zones.into_iter().filter(|zone| zone.is_public_zone(call.zone.as_str()));
            names.extend(zones.map(|zone| zone.name));
            token = page.next_page_token;
            if token.is_none() {
                return Ok(names);
            }
        }
    }

    /// The set, read from the API.
    async fn listed(
        &self,
        call: &Call<'_>,
        managed_zone: &str,
        (name, record_type): &Key,
    ) -> Result<Option<(RecordSet, Spelled)>, BackendError> {
        let mut pages = PageCount::new(*call);
        let mut token = None;
        loop {
            pages.turn()?;
            let request = Request::get(self.path(&["managedZones", managed_zone, "rrsets"]))
                .query("name", format!("{name}."))
                .query("type", type_name(*record_type));
            let page: RrSetPage = call.send(&on_page(request, token)).await?.json()?;
            if let Some(set) = page.rrsets.into_iter().find(|set| set.is_at(name.as_str(), *record_type)) {
                return plain(call, name, *record_type, set).map(Some);
            }
            match page.next_page_token {
                None => return Ok(None),
                next => token = next,
            }
        }
    }

    fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["dns", "v1", "projects", &self.project], rest].concat()
    }
}

fn on_page(request: Request, token: Option<String>) -> Request {
    match token {
        Some(token) => request.query("pageToken", token),
        None => request,
    }
}

fn plain(
    call: &Call<'_>,
    name: &DomainName,
    record_type: RecordType,
    set: RrSet,
) -> Result<(RecordSet, Spelled), BackendError> {
    if set.has_routing_policy() {
        let why = format!(
            "{name} {} has a routing policy, which this backend leaves alone",
            type_name(record_type)
        );
        return Err(call.error(BackendErrorKind::InvalidInput, why));
    }
    let spelled = set.into_spelled();
    Ok((SPELLING.record_set(&spelled, record_type), spelled))
}

/// The record sets of one call.
struct Sets<'a> {
    inner: &'a Inner,
    managed_zone: String,
    guesses: Guesses<'a, Spelled>,
}

#[async_trait]
impl RecordSets for Sets<'_> {
    type Version = Spelled;

    async fn held(
        &self,
        call: &Call<'_>,
        keys: &[Key],
    ) -> Result<BTreeMap<Key, (RecordSet, Spelled)>, BackendError> {
        let read = |key| async move { self.inner.listed(call, &self.managed_zone, &key).await };
        self.guesses.held(call, keys, read).await
    }

    async fn write(&self, call: &Call<'_>, changes: &[SetChange<Spelled>]) -> Result<(), BackendError> {
        let respelled = SPELLING.respelled(changes);
        let mut change = SentChange::default();
        for Respelled { key: (name, record_type), before, after } in &respelled {
            if after.as_ref().is_some_and(|set| set.values.len() > MAX_VALUES) {
                let why = format!("{name} would have more than {MAX_VALUES} values");
                return Err(call.error(BackendErrorKind::Quota, why));
            }
            change.deletions.extend(before.map(|set| RrSet::new(name.as_str(), *record_type, set)));
            change.additions.extend(after.as_ref().map(|set| RrSet::new(name.as_str(), *record_type, set)));
        }
        if respelled.is_empty() {
            return Ok(());
        }
        let made = self.send(call, &change).await;
        self.guesses.settle(made.map(|()| respelled.into_iter().map(|set| SPELLING.held(set))))
    }
}

impl Sets<'_> {
    /// Sent twice, a change is refused the second time, and the sets are read.
    async fn send(&self, call: &Call<'_>, change: &SentChange) -> Result<(), BackendError> {
        let path = self.inner.path(&["managedZones", &self.managed_zone, "changes"]);
        let request = Request::new(Method::POST, path, Repeat::Harmless).json(change);
        match call.send(&request).await {
            Ok(reply) => reply.json::<MadeChange>().map(drop),
            // The set that was to be deleted is gone, or the zone is: reading tells.
            Err(error) if error.kind() == BackendErrorKind::NotInZone && !change.deletions.is_empty() => {
                let said = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                Err(call.error(BackendErrorKind::Conflict, said))
            }
            Err(error) => Err(error),
        }
    }
}
