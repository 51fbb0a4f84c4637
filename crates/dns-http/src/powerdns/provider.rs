//! The provider.

use std::collections::BTreeMap;

use async_trait::async_trait;
use fleetcert_dns::{Advice, BackendError, BackendErrorKind, Capabilities};
use http::{HeaderName, Method};
use secrecy::SecretString;

use super::advice;
use super::api::{self, Patch, Record, Server, ZoneReply};
use super::version::has_single_record_changes;
use crate::backend::Provider;
use crate::client::{Api, Call, Repeat, Request, Token};
use crate::record_sets::{Edit, Held, Key, SetChange, Sets};
use crate::zones::ZoneCache;
use crate::{Endpoint, HttpBackend, HttpClient};

/// Options of a [`PowerDnsBackend`]. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct PowerDnsOptions {
    /// The base URL of the webserver, without `/api/v1`: `http://127.0.0.1:8081`.
    pub endpoint: Endpoint,
    /// The server's `api-key`.
    pub api_key: SecretString,
    /// The id of the server in the API. Default: `localhost`, which is the only one that a server of its own has.
    pub server_id: String,
    /// Maximum changes in one call, and so in one PATCH. Default: 500, which stays below the server's
    /// `webserver-max-bodysize` of 2 MB.
    pub max_changes: usize,
}

impl PowerDnsOptions {
    /// Returns the defaults, for this server and key.
    pub fn new(endpoint: Endpoint, api_key: SecretString) -> Self {
        Self { endpoint, api_key, server_id: "localhost".to_owned(), max_changes: 500 }
    }
}

/// Changes the zones of one PowerDNS server. See the [page of the module](super) for what that costs.
pub type PowerDnsBackend = HttpBackend<PowerDns>;

/// The HTTP API of a PowerDNS server.
#[derive(Debug)]
pub struct PowerDns {
    api: Api,
    pub(super) server_id: String,
    max_changes: usize,
    /// Whether the server changes single records. It may be upgraded while we run.
    single_records: ZoneCache<bool>,
    /// Whether a search finds the records of the zone.
    pub(super) searches: ZoneCache<bool>,
}

impl PowerDns {
    pub(super) fn zone_request(&self, zone: &str) -> Request {
        Request::get(["api", "v1", "servers", &self.server_id, "zones", zone])
    }

    async fn changes_single_records(&self, call: &Call<'_>) -> Result<bool, BackendError> {
        if let Some(known) = self.single_records.get(call.zone, call.now()) {
            return Ok(known);
        }
        let request = Request::get(["api", "v1", "servers", &self.server_id]);
        let server: Server = call.send(&request).await?.json()?;
        let answer = has_single_record_changes(&server.version);
        tracing::debug!(version = server.version, single_records = answer, "PowerDNS");
        self.single_records.put(call.zone, answer, call.now());
        Ok(answer)
    }

    /// Changes record by record, without reading. The server refuses a record whose time to live is not that of its
    /// set; then the sets are read, and the records get theirs.
    async fn change_records(&self, call: &Call<'_>, edits: &BTreeMap<Key, Edit>) -> Result<(), BackendError> {
        let rrsets = edits.iter().flat_map(|(key, edit)| api::single_records(key, edit, None)).collect();
        match self.patch(call, &Patch { rrsets }).await {
            Err(error) if error.kind() == BackendErrorKind::InvalidInput => {
                tracing::debug!(%error, "the records are sent again with the time to live of their sets");
            }
            done => return done,
        }
        let texts = edits.iter().filter(|(_, edit)| matches!(edit, Edit::Values { .. }));
        let keys: Vec<Key> = texts.map(|(key, _)| key.clone()).collect();
        let held = self.read_sets(call, &keys).await?;
        let ttl = |key| held.get(key).map(|(set, _)| set.ttl);
        let rrsets = edits.iter().flat_map(|(key, edit)| api::single_records(key, edit, ttl(key))).collect();
        self.patch(call, &Patch { rrsets }).await
    }

    async fn patch(&self, call: &Call<'_>, patch: &Patch) -> Result<(), BackendError> {
        let zone = api::absolute(call.zone);
        let path = ["api", "v1", "servers", &self.server_id, "zones", &zone];
        // Each change states the result, so that sending it twice has the same effect.
        let request = Request::new(Method::PATCH, path, Repeat::Harmless).json(patch);
        call.send(&request).await.map(drop)
    }
}

impl PowerDnsBackend {
    /// Returns a backend with these options. Sends nothing before the first call.
    pub fn new(options: PowerDnsOptions, http: &HttpClient) -> Self {
        let PowerDnsOptions { endpoint, api_key, server_id, max_changes } = options;
        let api = Api::new(http, endpoint, Token::new(HeaderName::from_static("x-api-key"), "", api_key));
        let (single_records, searches) = (ZoneCache::default(), ZoneCache::default());
        Self::over(PowerDns { api, server_id, max_changes, single_records, searches })
    }
}

#[async_trait]
impl Provider for PowerDns {
    /// Each request names the zone itself.
    type Zone = ();
    /// The records as they are spelt.
    type Version = Vec<Record>;

    const READS_BEFORE_REPLACING: bool = false;
    /// The API has no condition on a write.
    const LOCKS_ZONE: bool = true;

    fn api(&self) -> &Api {
        &self.api
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_changes: self.max_changes, ..Capabilities::ALL }
    }

    async fn zone(&self, _: &Call<'_>) -> Result<(), BackendError> {
        Ok(())
    }

    async fn read(&self, call: &Call<'_>, (): &(), keys: &[Key]) -> Result<Sets<Vec<Record>>, BackendError> {
        self.read_sets(call, keys).await
    }

    async fn write(
        &self,
        call: &Call<'_>,
        (): &(),
        changes: &[SetChange<Vec<Record>>],
    ) -> Result<Vec<(Key, Held<Vec<Record>>)>, BackendError> {
        self.patch(call, &Patch { rrsets: changes.iter().map(api::replaced).collect() }).await?;
        Ok(Vec::new())
    }

    async fn edit(
        &self,
        call: &Call<'_>,
        (): &(),
        edits: &BTreeMap<Key, Edit>,
    ) -> Result<bool, BackendError> {
        let changes_texts = edits.values().any(|edit| matches!(edit, Edit::Values { .. }));
        if !changes_texts || !self.changes_single_records(call).await? {
            return Ok(false);
        }
        self.change_records(call, edits).await.map(|()| true)
    }

    async fn advice(&self, call: &Call<'_>) -> Result<Vec<Advice>, BackendError> {
        let (server, name) = (&self.server_id, api::absolute(call.zone));
        let request = self.zone_request(&name).query("rrsets", "false");
        let zone: ZoneReply = call.send(&request).await?.json()?;
        let metadata = Request::get(["api", "v1", "servers", server, "zones", &name, "metadata"]);
        let metadata: Vec<api::Metadata> = call.send(&metadata).await?.json()?;
        let settings = Request::get(["api", "v1", "servers", server, "config"]);
        let settings: Vec<api::Setting> = call.send(&settings).await?.json()?;
        Ok(advice::of(&name, &zone, &metadata, &settings))
    }
}
