//! The backend.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet, RecordType, Ttl,
};
use fleetcert_names::DomainName;
use futures_util::FutureExt;
use http::{HeaderValue, Method, StatusCode, header};
use secrecy::SecretString;

use super::client_secret::ClientSecret;
use super::messages::{RecordSetReply, SPELLING, SentRecordSet, Stored, code, is_printable};
use crate::client::{Api, Call, Repeat, Reply, Request};
use crate::record_sets::{
    Guesses, Held, Key, Locks, RecordSets, Remembered, SetChange, begin, edits, rewrite, shown, type_name,
};
use crate::tokens::{Fetch, Fetched};
use crate::zones::relative;
use crate::{Endpoint, HttpClient, TokenSource};

/// How an [`AzureBackend`] reaches its zones. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct AzureOptions {
    /// The id of the subscription.
    pub subscription_id: String,
    /// The resource group of the zones.
    pub resource_group: String,
    /// Who asks.
    pub credentials: AzureCredentials,
    /// Where the API is. Default: `https://management.azure.com`. Azure China is at
    /// `https://management.chinacloudapi.cn`, the US government's at `https://management.usgovcloudapi.net`.
    pub endpoint: Endpoint,
    /// Where tokens are given out. Default: `https://login.microsoftonline.com`; in China
    /// `https://login.chinacloudapi.cn`, for the US government `https://login.microsoftonline.us`.
    pub authority: Endpoint,
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum AzureCredentials {
    /// An app with a secret.
    ClientSecret {
        /// The id of the directory (tenant).
        tenant_id: String,
        /// The id of the app (client).
        client_id: String,
        /// The value of the secret, not its id.
        client_secret: SecretString,
    },
    /// Tokens from elsewhere, for the resource `https://management.azure.com/`.
    Source(Arc<dyn TokenSource>),
}

impl AzureOptions {
    /// The defaults, for this resource group.
    pub fn new(
        subscription_id: impl Into<String>,
        resource_group: impl Into<String>,
        credentials: AzureCredentials,
    ) -> Self {
        Self {
            subscription_id: subscription_id.into(),
            resource_group: resource_group.into(),
            credentials,
            endpoint: Endpoint::of_provider("https://management.azure.com"),
            authority: Endpoint::of_provider("https://login.microsoftonline.com"),
        }
    }
}

/// Changes zones of one resource group. See the [page of the module](super) for what that costs. A clone is the same
/// backend.
#[derive(Clone, Debug)]
pub struct AzureBackend {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: Api,
    subscription_id: String,
    resource_group: String,
    locks: Locks<DomainName>,
    remembered: Remembered<Stored>,
}

const MAX_CHANGES: usize = 100;
const MAX_VALUES: usize = 20;
/// The API takes no zero.
const MIN_TTL: Ttl = Ttl::CHALLENGE;

impl AzureBackend {
    /// A backend for this resource group. Nothing is sent before the first call.
    pub fn new(options: AzureOptions, http: &HttpClient) -> Self {
        let AzureOptions { subscription_id, resource_group, credentials, endpoint, authority } = options;
        let fetch: Box<dyn Fetch> = match credentials {
            AzureCredentials::ClientSecret { tenant_id, client_id, client_secret } => {
                Box::new(ClientSecret::new([tenant_id, client_id], client_secret, authority, &endpoint, http))
            }
            AzureCredentials::Source(source) => Box::new(source),
        };
        let inner = Inner {
            api: Api::new(http, endpoint, Fetched::new(fetch)),
            subscription_id,
            resource_group,
            locks: Locks::default(),
            remembered: Remembered::default(),
        };
        Self { inner: Arc::new(inner) }
    }
}

#[async_trait]
impl DnsBackend for AzureBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let inner = &*self.inner;
        let begun = begin(&inner.api, zone, changes, &self.capabilities(), &inner.locks).await?;
        let Some((call, _locked)) = begun else { return Ok(()) };
        if changes.iter().any(|change| matches!(change, Change::AddTxt { value, .. } if !is_printable(value)))
        {
            let why = "a text has other characters than printable ASCII, which JSON does not carry as octets";
            return Err(call.error(BackendErrorKind::InvalidInput, why));
        }
        let edits = edits(changes, MIN_TTL);
        let guesses = Guesses::new(&inner.remembered, zone, &edits);
        rewrite(&Sets { inner, guesses }, &call, &edits).await
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let call = self.inner.api.call(Operation::Read, zone);
        call.require_within(name)?;
        Ok(shown(self.inner.stored(&call, &(name.clone(), record_type)).await?))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic: false,
            max_values: MAX_VALUES,
            max_changes: MAX_CHANGES,
            min_ttl: MIN_TTL,
            ..Capabilities::ALL
        }
    }
}

impl Inner {
    fn request(&self, method: Method, call: &Call<'_>, (name, record_type): &Key) -> Request {
        let segments = [
            "subscriptions",
            &self.subscription_id,
            "resourceGroups",
            &self.resource_group,
            "providers",
            "Microsoft.Network",
            "dnsZones",
            call.zone.as_str(),
            type_name(*record_type),
            relative(name, call.zone).unwrap_or("@"),
        ];
        // A second writing finds another ETag, and the set is read.
        Request::new(method, segments, Repeat::Harmless).query("api-version", "2018-05-01")
    }

    /// The set, read from the API.
    async fn stored(&self, call: &Call<'_>, key: &Key) -> Result<Held<Stored>, BackendError> {
        let request = self.request(Method::GET, call, key);
        let reply = call.send_allowing(&request, &[StatusCode::NOT_FOUND]).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return match code(&reply.body).as_deref() {
                Some("NotFound") => Ok(None),
                code => {
                    let why = format!("Azure has no such zone there: {}", code.unwrap_or("status 404"));
                    Err(call.error(BackendErrorKind::NotInZone, why))
                }
            };
        }
        held(call, key, &reply).map(Some)
    }

    /// Writes one set on the condition that it is as it was; `None` when it would be the same.
    async fn write_one(
        &self,
        call: &Call<'_>,
        SetChange { key, before, after }: &SetChange<Stored>,
    ) -> Result<Option<(Key, Held<Stored>)>, BackendError> {
        let before = before.as_ref().map(|(_, stored)| stored);
        let spelled = before.map(|stored| &stored.spelled);
        let after = SPELLING.merged(spelled, after.as_ref(), key.1);
        if spelled == after.as_ref() {
            return Ok(None);
        }
        if after.as_ref().is_some_and(|set| set.values.len() > MAX_VALUES) {
            let why = format!("{} would have more than {MAX_VALUES} values", key.0);
            return Err(call.error(BackendErrorKind::Quota, why));
        }
        let (condition, value) = match before {
            Some(stored) => (header::IF_MATCH, etag(call, &stored.etag)?),
            None => (header::IF_NONE_MATCH, HeaderValue::from_static("*")),
        };
        let Some(set) = after else {
            let request = self.request(Method::DELETE, call, key).header(condition, value);
            call.send(&request).await?;
            return Ok(Some((key.clone(), None)));
        };
        let metadata = before.map(|stored| stored.metadata.clone()).unwrap_or_default();
        let body = SentRecordSet::new(key.1, &set, metadata)
            .expect("the values were read from a set or written by our own spelling");
        let request = self.request(Method::PUT, call, key).header(condition, value).json(&body);
        let reply = call.send(&request).await?;
        Ok(Some((key.clone(), Some(held(call, key, &reply)?))))
    }
}

fn held(call: &Call<'_>, key: &Key, reply: &Reply<'_>) -> Result<(RecordSet, Stored), BackendError> {
    let stored = reply.json::<RecordSetReply>()?.into_stored(key.1).ok_or_else(|| {
        let why = format!("{} {} is an alias, which this backend leaves alone", key.0, type_name(key.1));
        call.error(BackendErrorKind::InvalidInput, why)
    })?;
    Ok((SPELLING.record_set(&stored.spelled, key.1), stored))
}

fn etag(call: &Call<'_>, text: &str) -> Result<HeaderValue, BackendError> {
    HeaderValue::from_str(text)
        .map_err(|_| call.error(BackendErrorKind::Unavailable, "the ETag of a set has control characters"))
}

/// The record sets of one call.
struct Sets<'a> {
    inner: &'a Inner,
    guesses: Guesses<'a, Stored>,
}

#[async_trait]
impl RecordSets for Sets<'_> {
    type Version = Stored;

    async fn held(
        &self,
        call: &Call<'_>,
        keys: &[Key],
    ) -> Result<BTreeMap<Key, (RecordSet, Stored)>, BackendError> {
        let read = |key| async move { self.inner.stored(call, &key).await };
        self.guesses.held(call, keys, read).await
    }

    async fn write(&self, call: &Call<'_>, changes: &[SetChange<Stored>]) -> Result<(), BackendError> {
        let writes = changes.iter().map(|change| self.inner.write_one(call, change).boxed());
        let made = call.side_by_side(writes.collect()).await;
        self.guesses.settle(made.map(|written| written.into_iter().flatten()))
    }
}
