//! The provider.

use async_trait::async_trait;
use fleetcert_dns::{BackendError, BackendErrorKind, Capabilities, RecordType, Ttl};
use futures_util::FutureExt;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde::Serialize;

use super::actions;
use super::messages::{ActionReply, ChangeTtl, Record, Records, Rrset, RrsetReply, ZoneReply, read_kind};
use crate::backend::Provider;
use crate::client::{Api, Call, Repeat, Request, Token};
use crate::record_sets::{Held, Key, SetChange, Sets, Spelled, Spelling, read_each, type_name};
use crate::zones::relative;
use crate::{Endpoint, HttpBackend, HttpClient, txt};

/// Options of a [`HetznerBackend`]. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct HetznerOptions {
    /// Token of the project.
    pub token: SecretString,
    /// Base URL of the API. Default: `https://api.hetzner.cloud/v1`.
    pub endpoint: Endpoint,
    /// Maximum changes in one call. Default: 50; each takes three or four requests.
    pub max_changes: usize,
}

impl HetznerOptions {
    /// Returns the defaults, with this token.
    pub fn new(token: SecretString) -> Self {
        let endpoint = Endpoint::of_provider("https://api.hetzner.cloud/v1");
        Self { token, endpoint, max_changes: 50 }
    }
}

/// Changes zones of one Hetzner project. See the [page of the module](super) for its limits.
pub type HetznerBackend = HttpBackend<Hetzner>;

/// The Hetzner Cloud API.
#[derive(Debug)]
pub struct Hetzner {
    api: Api,
    max_changes: usize,
}

const MIN_TTL: u32 = 60;
const SPELLING: Spelling = Spelling { write: txt::quoted, read: txt::unquoted };

impl Hetzner {
    async fn read_set(
        &self,
        call: &Call<'_>,
        zone_ttl: u32,
        key: &Key,
    ) -> Result<Held<Spelled>, BackendError> {
        let reply = call.send_allowing(&Request::get(path(call, key, &[])), &[StatusCode::NOT_FOUND]).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let Rrset { ttl, records } = reply.json::<RrsetReply>()?.rrset;
        let values = records.into_iter().map(|record| record.value).collect();
        let spelled = Spelled { ttl: ttl.unwrap_or(zone_ttl), values };
        Ok(Some((SPELLING.record_set(&spelled, key.1), spelled)))
    }

    async fn write_set(&self, call: &Call<'_>, change: &SetChange<Spelled>) -> Result<(), BackendError> {
        let (key, before) = (&change.key, change.before.as_ref().map(|(_, spelled)| spelled));
        let after = SPELLING.merged(before, change.after.as_ref(), key.1);
        let none = Vec::new();
        let old = before.map_or(&none, |set| &set.values);
        let new = after.as_ref().map_or(&none, |set| &set.values);
        let come: Vec<_> = new.iter().filter(|value| !old.contains(value)).cloned().collect();
        let gone: Vec<_> = old.iter().filter(|value| !new.contains(value)).cloned().collect();
        let addresses = key.1 != RecordType::Txt;

        if addresses && !old.is_empty() && !come.is_empty() {
            // The whole set at once, so that there are never too many or too few addresses.
            self.act(call, key, "set_records", &Records { records: records(new.clone()), ttl: None }).await?;
        } else {
            if !come.is_empty() {
                // An existing set has a TTL and refuses another.
                let ttl = after.as_ref().map(|set| set.ttl).filter(|_| old.is_empty());
                self.act(call, key, "add_records", &Records { records: records(come), ttl }).await?;
            }
            if !gone.is_empty() {
                self.act(call, key, "remove_records", &Records { records: records(gone), ttl: None }).await?;
            }
        }
        match (before, after) {
            (Some(before), Some(after)) if addresses && before.ttl != after.ttl => {
                self.act(call, key, "change_ttl", &ChangeTtl { ttl: after.ttl }).await
            }
            _ => Ok(()),
        }
    }

    /// Runs one action on one set, and waits for its end. `Conflict` if the set was removed since it was read.
    async fn act(
        &self,
        call: &Call<'_>,
        key: &Key,
        action: &str,
        body: &impl Serialize,
    ) -> Result<(), BackendError> {
        // Sent twice, it is at worst refused as a conflict, and then the set is read again.
        let path = path(call, key, &["actions", action]);
        let request = Request::new(Method::POST, path, Repeat::Harmless).json(body);
        let reply = call.send_allowing(&request, &[StatusCode::NOT_FOUND]).await?;
        if reply.status == StatusCode::NOT_FOUND {
            let why = format!("there are no longer any {} records of {}", type_name(key.1), key.0);
            return Err(call.error(BackendErrorKind::Conflict, why));
        }
        actions::done(call, reply.json::<ActionReply>()?.action).await
    }
}

/// Returns the path of a record set, followed by `rest`.
fn path<'a>(call: &Call<'a>, key: &'a Key, rest: &[&'a str]) -> Vec<&'a str> {
    let name = relative(&key.0, call.zone).unwrap_or("@");
    [&["zones", call.zone.as_str(), "rrsets", name, type_name(key.1)], rest].concat()
}

fn records(values: Vec<String>) -> Vec<Record> {
    values.into_iter().map(|value| Record { value }).collect()
}

impl HetznerBackend {
    /// Returns a backend with these options. Sends nothing before the first call.
    pub fn new(options: HetznerOptions, http: &HttpClient) -> Self {
        let HetznerOptions { token, endpoint, max_changes } = options;
        Self::over(Hetzner {
            api: Api::new(http, endpoint, Token::new(AUTHORIZATION, "Bearer ", token))
                .reading_kinds(read_kind),
            max_changes,
        })
    }
}

#[async_trait]
impl Provider for Hetzner {
    /// The time to live of sets that have none of their own.
    type Zone = u32;
    /// The set as Hetzner spells it.
    type Version = Spelled;

    fn api(&self) -> &Api {
        &self.api
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic: false,
            min_ttl: Ttl::from_secs(MIN_TTL).expect("a minute is below the maximum TTL"),
            max_changes: self.max_changes,
            ..Capabilities::ALL
        }
    }

    async fn zone(&self, call: &Call<'_>) -> Result<u32, BackendError> {
        let request = Request::get(["zones", call.zone.as_str()]);
        let zone = call.send(&request).await?.json::<ZoneReply>()?.zone;
        if zone.mode != "primary" {
            let why = "the zone is in secondary mode: its primary server is elsewhere";
            return Err(call.error(BackendErrorKind::Refused, why));
        }
        Ok(zone.ttl)
    }

    async fn read(
        &self,
        call: &Call<'_>,
        zone_ttl: &u32,
        keys: &[Key],
    ) -> Result<Sets<Spelled>, BackendError> {
        read_each(call, keys, |key| self.read_set(call, *zone_ttl, key)).await
    }

    async fn write(
        &self,
        call: &Call<'_>,
        _: &u32,
        changes: &[SetChange<Spelled>],
    ) -> Result<Vec<(Key, Held<Spelled>)>, BackendError> {
        let writes = changes.iter().map(|change| self.write_set(call, change).boxed()).collect();
        call.side_by_side(writes).await.map(|_| Vec::new())
    }
}
