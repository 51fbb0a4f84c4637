//! The provider.

use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_dns::{BackendError, BackendErrorKind, Capabilities, Change, RecordSet, Ttl};
use futures_util::FutureExt;
use http::{HeaderValue, Method, StatusCode, header};
use secrecy::SecretString;

use super::client_secret::ClientSecret;
use super::messages::{RecordSetReply, SPELLING, SentRecordSet, Stored, code, is_printable};
use crate::backend::Provider;
use crate::client::{Api, Call, Repeat, Reply, Request};
use crate::record_sets::{Held, Key, SetChange, Sets, read_each, type_name};
use crate::tokens::{Fetch, Fetched};
use crate::zones::relative;
use crate::{Endpoint, HttpBackend, HttpClient, TokenSource};

/// Options of a [`AzureBackend`]. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct AzureOptions {
    /// Id of the subscription.
    pub subscription_id: String,
    /// Resource group of the zones.
    pub resource_group: String,
    /// Credentials.
    pub credentials: AzureCredentials,
    /// Base URL of the API. Default: `https://management.azure.com`. Azure China is at
    /// `https://management.chinacloudapi.cn`, the US government's at `https://management.usgovcloudapi.net`.
    pub endpoint: Endpoint,
    /// Base URL of the token endpoint. Default: `https://login.microsoftonline.com`; in China
    /// `https://login.chinacloudapi.cn`, for the US government `https://login.microsoftonline.us`.
    pub authority: Endpoint,
}

/// The credentials for Azure.
#[derive(Clone, Debug)]
pub enum AzureCredentials {
    /// An app with a secret.
    ClientSecret {
        /// Id of the directory (tenant).
        tenant_id: String,
        /// Id of the app (client).
        client_id: String,
        /// Value of the secret, not its id.
        client_secret: SecretString,
    },
    /// Tokens from elsewhere, for the resource `https://management.azure.com/`.
    Source(Arc<dyn TokenSource>),
}

impl AzureOptions {
    /// Returns the defaults, for this resource group.
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

/// Changes zones of one resource group. See the [page of the module](super) for what that costs.
pub type AzureBackend = HttpBackend<Azure>;

/// The API of Azure DNS.
#[derive(Debug)]
pub struct Azure {
    api: Api,
    subscription_id: String,
    resource_group: String,
}

const MAX_CHANGES: usize = 100;
const MAX_VALUES: usize = 20;
/// Minimum TTL: the API does not accept zero.
const MIN_TTL: Ttl = Ttl::CHALLENGE;

impl Azure {
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
        // A repeated write finds another ETag, and the set is read again.
        Request::new(method, segments, Repeat::Harmless).query("api-version", "2018-05-01")
    }

    async fn read_set(&self, call: &Call<'_>, key: &Key) -> Result<Held<Stored>, BackendError> {
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

    /// Writes one set on the condition that it is unchanged. Returns `None` if there is nothing to write.
    async fn write_set(
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

impl AzureBackend {
    /// Returns a backend with these options. Sends nothing before the first call.
    pub fn new(options: AzureOptions, http: &HttpClient) -> Self {
        let AzureOptions { subscription_id, resource_group, credentials, endpoint, authority } = options;
        let fetch: Box<dyn Fetch> = match credentials {
            AzureCredentials::ClientSecret { tenant_id, client_id, client_secret } => {
                Box::new(ClientSecret::new([tenant_id, client_id], client_secret, authority, &endpoint, http))
            }
            AzureCredentials::Source(source) => Box::new(source),
        };
        Self::over(Azure {
            api: Api::new(http, endpoint, Fetched::new(fetch)),
            subscription_id,
            resource_group,
        })
    }
}

#[async_trait]
impl Provider for Azure {
    /// Each request names the zone itself.
    type Zone = ();
    /// The set as Azure spells it, with its ETag.
    type Version = Stored;

    const GUESSES: bool = true;

    fn api(&self) -> &Api {
        &self.api
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

    fn refuses(&self, changes: &[Change]) -> Option<&'static str> {
        let is_unprintable =
            |change: &Change| matches!(change, Change::AddTxt { value, .. } if !is_printable(value));
        changes
            .iter()
            .any(is_unprintable)
            .then_some("a text has characters other than printable ASCII, which JSON cannot carry as octets")
    }

    async fn zone(&self, _: &Call<'_>) -> Result<(), BackendError> {
        Ok(())
    }

    async fn read(&self, call: &Call<'_>, (): &(), keys: &[Key]) -> Result<Sets<Stored>, BackendError> {
        read_each(call, keys, |key| self.read_set(call, key)).await
    }

    async fn write(
        &self,
        call: &Call<'_>,
        (): &(),
        changes: &[SetChange<Stored>],
    ) -> Result<Vec<(Key, Held<Stored>)>, BackendError> {
        let writes = changes.iter().map(|change| self.write_set(call, change).boxed());
        let written = call.side_by_side(writes.collect()).await?;
        Ok(written.into_iter().flatten().collect())
    }
}
