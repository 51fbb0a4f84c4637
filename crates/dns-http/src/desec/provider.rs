//! The provider.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use fleetcert_dns::{BackendError, Capabilities, RecordSet, RecordType, Ttl};
use fleetcert_names::DomainName;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::links;
use crate::backend::Provider;
use crate::client::{Api, Call, Repeat, Request, Token};
use crate::record_sets::{Held, Key, SetChange, Sets, Spelled, Spelling, read_each, type_name};
use crate::zones::relative;
use crate::{Endpoint, HttpBackend, HttpClient, txt};

/// Options of a [`DesecBackend`]. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct DesecOptions {
    /// Token of the account.
    pub token: SecretString,
    /// Base URL of the API. Default: `https://desec.io/api/v1`.
    pub endpoint: Endpoint,
    /// Minimum TTL that the backend reports. The minimum of the domain applies in any case. Default: 3,600 seconds,
    /// the default of deSEC.
    pub min_ttl: Ttl,
    /// Maximum changes in one call, and so in one PATCH. Default: 500.
    pub max_changes: usize,
}

impl DesecOptions {
    /// Returns the defaults, with this token.
    pub fn new(token: SecretString) -> Self {
        Self {
            token,
            endpoint: Endpoint::of_provider("https://desec.io/api/v1"),
            min_ttl: Ttl::from_secs(3600).expect("an hour is below the maximum TTL"),
            max_changes: 500,
        }
    }
}

/// Changes domains at deSEC. See the [page of the module](super) for its limits.
pub type DesecBackend = HttpBackend<Desec>;

/// The API of deSEC.
#[derive(Debug)]
pub struct Desec {
    api: Api,
    min_ttl: Ttl,
    max_changes: usize,
}

/// The part of `GET /domains/{name}/` that is used.
#[derive(Debug, Deserialize)]
struct Domain {
    minimum_ttl: u32,
}

/// A record set. Without records, it is deleted.
#[derive(Debug, Serialize, Deserialize)]
struct Rrset {
    subname: String,
    #[serde(rename = "type")]
    record_type: String,
    ttl: u32,
    records: Vec<String>,
}

const SPELLING: Spelling = Spelling { write: txt::quoted, read: txt::unquoted };
/// Maximum sets that are read in separate requests. More would exceed the reads per minute.
const MAX_SINGLE_READS: usize = 3;

type Set = (RecordSet, Spelled);

impl Desec {
    async fn read_set(&self, call: &Call<'_>, key: &Key) -> Result<Option<Set>, BackendError> {
        let subname = relative(&key.0, call.zone).unwrap_or("@");
        let request = Request::get(["domains", call.zone.as_str(), "rrsets", subname, type_name(key.1), ""]);
        let reply = call.send_allowing(&request, &[StatusCode::NOT_FOUND]).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(reply.json::<Rrset>()?.into_set(key.1)))
    }

    /// Reads all sets of a type, by name below the zone.
    async fn listed(
        &self,
        call: &Call<'_>,
        record_type: RecordType,
    ) -> Result<BTreeMap<String, Set>, BackendError> {
        let first = Request::get(["domains", call.zone.as_str(), "rrsets", ""])
            .query("type", type_name(record_type))
            .query("cursor", "");
        let sets = call.list(first, |reply| {
            let mut sets: Vec<Rrset> = reply.json()?;
            sets.retain(|set| set.record_type == type_name(record_type));
            Ok((sets, links::next(&reply.headers).map(Request::get_url)))
        });
        let by_name = |set: Rrset| (set.subname.to_ascii_lowercase(), set.into_set(record_type));
        Ok(sets.await?.into_iter().map(by_name).collect())
    }
}

impl DesecBackend {
    /// Returns a backend with these options. Sends nothing before the first call.
    pub fn new(options: DesecOptions, http: &HttpClient) -> Self {
        let DesecOptions { token, endpoint, min_ttl, max_changes } = options;
        let api = Api::new(http, endpoint, Token::new(AUTHORIZATION, "Token ", token));
        Self::over(Desec { api, min_ttl, max_changes })
    }
}

#[async_trait]
impl Provider for Desec {
    /// The minimum time to live of the domain.
    type Zone = Ttl;
    /// The set as deSEC spells it.
    type Version = Spelled;

    fn api(&self) -> &Api {
        &self.api
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { min_ttl: self.min_ttl, max_changes: self.max_changes, ..Capabilities::ALL }
    }

    fn min_ttl(&self, domain_minimum: &Ttl) -> Ttl {
        *domain_minimum
    }

    async fn zone(&self, call: &Call<'_>) -> Result<Ttl, BackendError> {
        let domain: Domain = call.send(&Request::get(["domains", call.zone.as_str(), ""])).await?.json()?;
        Ok(Ttl::from_secs(domain.minimum_ttl).unwrap_or(self.min_ttl))
    }

    async fn read(&self, call: &Call<'_>, _: &Ttl, keys: &[Key]) -> Result<Sets<Spelled>, BackendError> {
        if keys.len() <= MAX_SINGLE_READS {
            return read_each(call, keys, |key| self.read_set(call, key)).await;
        }
        let mut sets = BTreeMap::new();
        let types: BTreeSet<_> = keys.iter().map(|(_, record_type)| *record_type).collect();
        for record_type in types {
            let mut listed = self.listed(call, record_type).await?;
            for key in keys.iter().filter(|key| key.1 == record_type) {
                let subname = relative(&key.0, call.zone).unwrap_or_default();
                if let Some(set) = listed.remove(subname) {
                    sets.insert(key.clone(), set);
                }
            }
        }
        Ok(sets)
    }

    async fn write(
        &self,
        call: &Call<'_>,
        _: &Ttl,
        changes: &[SetChange<Spelled>],
    ) -> Result<Vec<(Key, Held<Spelled>)>, BackendError> {
        let sets: Vec<Rrset> = changes.iter().map(|change| Rrset::after(change, call.zone)).collect();
        let path = ["domains", call.zone.as_str(), "rrsets", ""];
        // It contains the complete sets, so sending it twice has the same effect.
        let request = Request::new(Method::PATCH, path, Repeat::Harmless).json(&sets);
        call.send(&request).await.map(|_| Vec::new())
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
