//! The backend.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_dns::{BackendError, Capabilities, Change, DnsBackend, Operation, RecordSet, RecordType, Ttl};
use fleetcert_names::DomainName;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::links;
use crate::client::{Api, Call, PageCount, Repeat, Request, Token};
use crate::record_sets::{
    Key, Locks, RecordSets, SetChange, Spelled, Spelling, begin, edits, read_each, rewrite, shown, type_name,
};
use crate::zones::{ZoneIds, relative};
use crate::{Endpoint, HttpClient, txt};

/// With which token. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct DesecOptions {
    /// The token of the account.
    pub token: SecretString,
    /// The base URL. Default: `https://desec.io/api/v1`.
    pub endpoint: Endpoint,
    /// What the backend calls its shortest time to live. What the domain has as its shortest is kept in any case.
    /// Default: 3,600 seconds, which is that of domains that deSEC was not asked about.
    pub min_ttl: Ttl,
    /// The most changes in one call, and with it in one PATCH. Default: 500.
    pub max_changes: usize,
}

impl DesecOptions {
    /// The defaults, with this token.
    pub fn new(token: SecretString) -> Self {
        Self {
            token,
            endpoint: Endpoint::of_provider("https://desec.io/api/v1"),
            min_ttl: Ttl::from_secs(3600).expect("an hour is below the longest time to live"),
            max_changes: 500,
        }
    }
}

/// Changes domains at deSEC. See the [page of the module](super) for its limits. A clone is the same backend.
#[derive(Clone, Debug)]
pub struct DesecBackend {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: Api,
    min_ttl: Ttl,
    max_changes: usize,
    names: Locks<DomainName>,
    /// The shortest time to live of each domain.
    domains: ZoneIds<Ttl>,
}

impl DesecBackend {
    /// A backend with this token. Nothing is sent before the first call.
    pub fn new(options: DesecOptions, http: &HttpClient) -> Self {
        let inner = Inner {
            api: Api::new(http, options.endpoint, Token::with_scheme("Token ", options.token)),
            min_ttl: options.min_ttl,
            max_changes: options.max_changes,
            names: Locks::default(),
            domains: ZoneIds::default(),
        };
        Self { inner: Arc::new(inner) }
    }
}

#[async_trait]
impl DnsBackend for DesecBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let inner = &*self.inner;
        let begun = begin(&inner.api, zone, changes, &self.capabilities(), &inner.names).await?;
        let Some((call, _locked)) = begun else { return Ok(()) };
        let shortest_ttl = inner.shortest_ttl(&call).await?;
        rewrite(inner, &call, &edits(changes, shortest_ttl)).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let call = self.inner.api.call(Operation::Read, zone);
        call.require_within(name)?;
        self.inner.shortest_ttl(&call).await?;
        Ok(shown(self.inner.held_set(&call, &(name.clone(), record_type)).await?))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { min_ttl: self.inner.min_ttl, max_changes: self.inner.max_changes, ..Capabilities::ALL }
    }
}

/// `GET /domains/{name}/`, of which we need this.
#[derive(Debug, Deserialize)]
struct Domain {
    minimum_ttl: u32,
}

/// A record set. Without records it is to be deleted.
#[derive(Debug, Serialize, Deserialize)]
struct Rrset {
    subname: String,
    #[serde(rename = "type")]
    record_type: String,
    ttl: u32,
    records: Vec<String>,
}

const SPELLING: Spelling = Spelling { write: txt::quoted, read: txt::unquoted };
/// Up to so many sets are read by a request each. More would use up the reads of a minute.
const READ_ONE_BY_ONE: usize = 3;

type Set = (RecordSet, Spelled);

impl Inner {
    /// What the domain has as its shortest time to live; and that the account has the domain.
    async fn shortest_ttl(&self, call: &Call<'_>) -> Result<Ttl, BackendError> {
        if let Some(ttl) = self.domains.get(call.zone, call.now()) {
            return Ok(ttl);
        }
        let domain: Domain = call.send(&Request::get(["domains", call.zone.as_str(), ""])).await?.json()?;
        let ttl = Ttl::from_secs(domain.minimum_ttl).unwrap_or(self.min_ttl);
        self.domains.put(call.zone, ttl, call.now());
        Ok(ttl)
    }

    async fn held_set(&self, call: &Call<'_>, key: &Key) -> Result<Option<Set>, BackendError> {
        let subname = relative(&key.0, call.zone).unwrap_or("@");
        let request = Request::get(["domains", call.zone.as_str(), "rrsets", subname, type_name(key.1), ""]);
        let reply = call.send_allowing(&request, &[StatusCode::NOT_FOUND]).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(reply.json::<Rrset>()?.into_set(key.1)))
    }

    /// All sets of a type, by name below the zone.
    async fn listed(
        &self,
        call: &Call<'_>,
        record_type: RecordType,
    ) -> Result<BTreeMap<String, Set>, BackendError> {
        let first = Request::get(["domains", call.zone.as_str(), "rrsets", ""])
            .query("type", type_name(record_type))
            .query("cursor", "");
        let mut pages = PageCount::new(*call);
        let mut sets = BTreeMap::new();
        let mut next = Some(first);
        while let Some(request) = next {
            pages.turn()?;
            let reply = call.send(&request).await?;
            for set in reply.json::<Vec<Rrset>>()? {
                if set.record_type == type_name(record_type) {
                    sets.insert(set.subname.to_ascii_lowercase(), set.into_set(record_type));
                }
            }
            next = links::next(&reply.headers).map(Request::get_url);
        }
        Ok(sets)
    }
}

#[async_trait]
impl RecordSets for Inner {
    /// The set as deSEC spells it.
    type Version = Spelled;

    async fn held(&self, call: &Call<'_>, keys: &[Key]) -> Result<BTreeMap<Key, Set>, BackendError> {
        if keys.len() <= READ_ONE_BY_ONE {
            let read = |key| async move { self.held_set(call, &key).await };
            return read_each(call, keys.iter().cloned(), read).await;
        }
        let mut held = BTreeMap::new();
        let types: BTreeSet<_> = keys.iter().map(|(_, record_type)| *record_type).collect();
        for record_type in types {
            let mut listed = self.listed(call, record_type).await?;
            for key in keys.iter().filter(|key| key.1 == record_type) {
                let subname = relative(&key.0, call.zone).unwrap_or_default();
                if let Some(set) = listed.remove(subname) {
                    held.insert(key.clone(), set);
                }
            }
        }
        Ok(held)
    }

    async fn write(&self, call: &Call<'_>, changes: &[SetChange<Spelled>]) -> Result<(), BackendError> {
        let sets: Vec<Rrset> = changes.iter().map(|change| Rrset::after(change, call.zone)).collect();
        let path = ["domains", call.zone.as_str(), "rrsets", ""];
        // It says what the sets are afterwards, so twice is as once.
        let request = Request::new(Method::PATCH, path, Repeat::Harmless).json(&sets);
        call.send(&request).await.map(drop)
    }
}

impl Rrset {
    fn into_set(self, record_type: RecordType) -> Set {
        let spelled = Spelled { ttl: self.ttl, values: self.records };
        (SPELLING.record_set(&spelled, record_type), spelled)
    }

    fn after(change: &SetChange<Spelled>, zone: &DomainName) -> Self {
        let (name, record_type) = &change.key;
        let before = change.before.as_ref().map(|(_, spelled)| spelled);
        let after = SPELLING.merged(before, change.after.as_ref(), *record_type);
        let Spelled { ttl, values } =
            after.unwrap_or_else(|| Spelled { ttl: before.map_or(3600, |set| set.ttl), values: Vec::new() });
        Self {
            subname: relative(name, zone).unwrap_or_default().to_owned(),
            record_type: type_name(*record_type).to_owned(),
            ttl,
            records: values,
        }
    }
}
