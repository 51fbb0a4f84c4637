//! The provider.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_dns::{BackendError, BackendErrorKind, Capabilities, RecordSet, RecordType};
use fleetcert_names::DomainName;
use http::Method;

use super::ServiceAccountKey;
use super::messages::{MadeChange, RrSet, RrSetPage, SentChange, ZonePage, kind_of};
use super::service_account::ServiceAccount;
use crate::backend::Provider;
use crate::client::{Api, Call, Repeat, Request};
use crate::record_sets::{Held, Key, Respelled, SetChange, Sets, Spelled, Spelling, read_each, type_name};
use crate::tokens::{Fetch, Fetched};
use crate::txt::{quoted, unquoted};
use crate::zones::{ZoneWords, account_zone};
use crate::{Endpoint, HttpBackend, HttpClient, TokenSource};

/// Options of a [`GoogleBackend`]. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct GoogleOptions {
    /// Id of the project that has the managed zones.
    pub project: String,
    /// Credentials.
    pub credentials: GoogleCredentials,
    /// Base URL of the API. Default: `https://dns.googleapis.com`.
    pub endpoint: Endpoint,
    /// Names of managed zones by their DNS names. Other zones are looked up by DNS name, which needs one more
    /// permission.
    pub managed_zones: BTreeMap<DomainName, String>,
}

/// The credentials for Google Cloud.
#[derive(Clone, Debug)]
pub enum GoogleCredentials {
    /// The key of a service account.
    Key(ServiceAccountKey),
    /// Tokens from elsewhere, for the scope `https://www.googleapis.com/auth/ndev.clouddns.readwrite`.
    Source(Arc<dyn TokenSource>),
}

impl GoogleOptions {
    /// Returns the defaults, for this project.
    pub fn new(project: impl Into<String>, credentials: GoogleCredentials) -> Self {
        Self {
            project: project.into(),
            credentials,
            endpoint: Endpoint::of_provider("https://dns.googleapis.com"),
            managed_zones: BTreeMap::new(),
        }
    }
}

/// Changes managed zones of one project. See the [page of the module](super) for what that costs.
pub type GoogleBackend = HttpBackend<Google>;

/// The API of Google Cloud DNS.
#[derive(Debug)]
pub struct Google {
    api: Api,
    project: String,
    managed_zones: BTreeMap<DomainName, String>,
}

const WORDS: ZoneWords = ZoneWords {
    none: "the project has no public managed zone of this name",
    several: "managed zones",
    option: "managed_zones",
};
const MAX_CHANGES: usize = 100;
const MAX_VALUES: usize = 100;
const SPELLING: Spelling = Spelling { write: quoted, read: unquoted };

impl Google {
    async fn look_up(&self, call: &Call<'_>) -> Result<Vec<String>, BackendError> {
        let first = Request::get(self.path(&["managedZones"])).query("dnsName", format!("{}.", call.zone));
        call.list(first.clone(), |reply| {
            let page: ZonePage = reply.json()?;
            let zones = page.managed_zones.into_iter().filter(|zone| zone.is_public_zone(call.zone.as_str()));
            let next = page.next_page_token.map(|token| first.clone().query("pageToken", token));
            Ok((zones.map(|zone| zone.name).collect(), next))
        })
        .await
    }

    /// Reads the set from the API.
    async fn listed(
        &self,
        call: &Call<'_>,
        managed_zone: &str,
        (name, record_type): &Key,
    ) -> Result<Option<(RecordSet, Spelled)>, BackendError> {
        let first = Request::get(self.path(&["managedZones", managed_zone, "rrsets"]))
            .query("name", format!("{name}."))
            .query("type", type_name(*record_type));
        let found = call.list(first.clone(), |reply| {
            let mut page: RrSetPage = reply.json()?;
            page.rrsets.retain(|set| set.is_at(name.as_str(), *record_type));
            let token = page.next_page_token.filter(|_| page.rrsets.is_empty());
            Ok((page.rrsets, token.map(|token| first.clone().query("pageToken", token))))
        });
        found.await?.pop().map(|set| plain(call, name, *record_type, set)).transpose()
    }

    /// Sends the change. If it is sent twice, the second one is refused, and the sets are read again.
    async fn send(
        &self,
        call: &Call<'_>,
        managed_zone: &str,
        change: &SentChange,
    ) -> Result<(), BackendError> {
        let path = self.path(&["managedZones", managed_zone, "changes"]);
        let request = Request::new(Method::POST, path, Repeat::Harmless).json(change);
        match call.send(&request).await {
            Ok(reply) => reply.json::<MadeChange>().map(drop),
            // The set to delete does not exist any more, or the zone does not: reading shows which.
            Err(error) if error.kind() == BackendErrorKind::NotInZone && !change.deletions.is_empty() => {
                let said = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                Err(call.error(BackendErrorKind::Conflict, said))
            }
            Err(error) => Err(error),
        }
    }

    fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["dns", "v1", "projects", &self.project], rest].concat()
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

impl GoogleBackend {
    /// Returns a backend with these options. Sends nothing before the first call.
    pub fn new(options: GoogleOptions, http: &HttpClient) -> Self {
        let GoogleOptions { project, credentials, endpoint, managed_zones } = options;
        let fetch: Box<dyn Fetch> = match credentials {
            GoogleCredentials::Key(key) => Box::new(ServiceAccount::new(key, http)),
            GoogleCredentials::Source(source) => Box::new(source),
        };
        let api = Api::new(http, endpoint, Fetched::new(fetch)).reading_kinds(kind_of);
        Self::over(Google { api, project, managed_zones })
    }
}

#[async_trait]
impl Provider for Google {
    /// The name of the managed zone.
    type Zone = String;
    /// The set as Google spells it.
    type Version = Spelled;

    const GUESSES: bool = true;

    fn api(&self) -> &Api {
        &self.api
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_values: MAX_VALUES, max_changes: MAX_CHANGES, ..Capabilities::ALL }
    }

    async fn zone(&self, call: &Call<'_>) -> Result<String, BackendError> {
        account_zone(call, &self.managed_zones, WORDS, self.look_up(call)).await
    }

    async fn read(
        &self,
        call: &Call<'_>,
        managed_zone: &String,
        keys: &[Key],
    ) -> Result<Sets<Spelled>, BackendError> {
        read_each(call, keys, |key| self.listed(call, managed_zone, key)).await
    }

    async fn write(
        &self,
        call: &Call<'_>,
        managed_zone: &String,
        changes: &[SetChange<Spelled>],
    ) -> Result<Vec<(Key, Held<Spelled>)>, BackendError> {
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
        if !respelled.is_empty() {
            self.send(call, managed_zone, &change).await?;
        }
        Ok(respelled.into_iter().map(|set| SPELLING.held(set)).collect())
    }
}
