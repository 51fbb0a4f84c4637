//! The provider.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_dns::{BackendError, BackendErrorKind, Capabilities, RecordSet};
use fleetcert_names::DomainName;
use http::{HeaderValue, Method, header};

use super::AwsCredentialSource;
use super::credentials::Signer;
use super::messages::{Batch, Listed, bare_id, kind_of, listed, zone_page};
use super::xml::{Element, XmlFault};
use crate::backend::Provider;
use crate::client::{Api, Call, Repeat, Reply, Request};
use crate::record_sets::{Held, Key, Respelled, SetChange, Sets, Spelled, Spelling, read_each, type_name};
use crate::txt::{Digits, quoted_in, unquoted_in};
use crate::zones::{ZoneWords, account_zone};
use crate::{ApiFault, Endpoint, HttpBackend, HttpClient};

/// Options of a [`Route53Backend`]. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Route53Options {
    /// Source of the credentials that sign requests.
    pub credentials: Arc<dyn AwsCredentialSource>,
    /// Base URL of the API. Default: `https://route53.amazonaws.com`, for all regions but those of China and the
    /// government's.
    pub endpoint: Endpoint,
    /// Region of the signatures. Default: `us-east-1`, where Route 53 is.
    pub region: String,
    /// Ids of hosted zones, such as `Z1D633PJN98FT9`. Other zones are looked up by name, which needs one more
    /// permission.
    pub zone_ids: BTreeMap<DomainName, String>,
    /// Minimum interval between requests, with a burst of five after a pause. Default: 200 milliseconds, the limit of
    /// an account. If several control servers share an account, increase it accordingly.
    pub min_interval: Duration,
}

impl Route53Options {
    /// Returns the defaults, with these credentials.
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

/// Changes hosted zones of one AWS account. See the [page of the module](super) for what that costs.
pub type Route53Backend = HttpBackend<Route53>;

/// The API of Amazon Route 53.
#[derive(Debug)]
pub struct Route53 {
    api: Api,
    zone_ids: BTreeMap<DomainName, String>,
}

const WORDS: ZoneWords = ZoneWords {
    none: "the account has no public hosted zone of this name",
    several: "hosted zones",
    option: "zone_ids",
};
/// Maximum changes in one call. Such a batch fits if the names have few other values.
const MAX_CHANGES: usize = 100;
const VERSION: &str = "2013-04-01";
const SPELLING: Spelling = Spelling {
    write: |value| quoted_in(Digits::Octal, value),
    read: |text| unquoted_in(Digits::Octal, text),
};

impl Route53 {
    async fn read_set(
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

/// Finds the ids of the public zones with the call's name.
async fn look_up(call: &Call<'_>) -> Result<Vec<String>, BackendError> {
    let from = |name: String| get(["hostedzonesbyname"]).query("dnsname", name);
    call.list(from(format!("{}.", call.zone)), |reply| {
        let page = zone_page(&document(reply)?, call.zone.as_str())
            .ok_or_else(|| reply.unusable(ApiFault::UnexpectedXml))?;
        Ok((page.ids, page.next.map(|(name, id)| from(name).query("hostedzoneid", id))))
    })
    .await
}

impl Route53Backend {
    /// Returns a backend with these options. Sends nothing before the first call.
    pub fn new(options: Route53Options, http: &HttpClient) -> Self {
        let Route53Options { credentials, endpoint, region, zone_ids, min_interval } = options;
        let signer = Signer::new(credentials, region, min_interval);
        Self::over(Route53 { api: Api::new(http, endpoint, signer).reading_kinds(kind_of), zone_ids })
    }
}

#[async_trait]
impl Provider for Route53 {
    /// The id of the hosted zone.
    type Zone = String;
    /// The set as Route 53 spells it.
    type Version = Spelled;

    const GUESSES: bool = true;
    /// Route 53 has one code for a batch that conflicts and for one that is invalid.
    const MAX_REFUSALS: u32 = 3;

    fn api(&self) -> &Api {
        &self.api
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_values: 340, max_changes: MAX_CHANGES, ..Capabilities::ALL }
    }

    async fn zone(&self, call: &Call<'_>) -> Result<String, BackendError> {
        let id = account_zone(call, &self.zone_ids, WORDS, look_up(call)).await?;
        bare_id(&id).map(str::to_owned).ok_or_else(|| {
            call.error(BackendErrorKind::InvalidInput, format!("`{id}` is not the id of a hosted zone"))
        })
    }

    async fn read(
        &self,
        call: &Call<'_>,
        zone_id: &String,
        keys: &[Key],
    ) -> Result<Sets<Spelled>, BackendError> {
        read_each(call, keys, |key| self.read_set(call, zone_id, key)).await
    }

    async fn write(
        &self,
        call: &Call<'_>,
        zone_id: &String,
        changes: &[SetChange<Spelled>],
    ) -> Result<Vec<(Key, Held<Spelled>)>, BackendError> {
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
            return Ok(Vec::new());
        }
        if let Some(why) = batch.excess() {
            return Err(call.error(BackendErrorKind::InvalidInput, why));
        }
        // If a batch is sent twice, the second is refused, and the sets are read.
        let segments = [VERSION, "hostedzone", zone_id, "rrset", ""];
        let request = xml(Request::new(Method::POST, segments, Repeat::Harmless))
            .body("application/xml", batch.document().into());
        let reply = call.send(&request).await?;
        if document(&reply)?.name != "ChangeResourceRecordSetsResponse" {
            return Err(reply.unusable(ApiFault::UnexpectedXml));
        }
        Ok(respelled.into_iter().map(|set| SPELLING.held(set)).collect())
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
