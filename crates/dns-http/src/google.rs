//! Google Cloud DNS.
//!
//! Use this module if your zone is a public managed zone. The API is described at
//! <https://cloud.google.com/dns/docs/reference/rest/v1>.
//!
//! # Access
//! A service account with a custom role of these permissions and no more, granted on the one managed zone:
//!
//! ```yaml
//! title: fleetcert
//! stage: GA
//! includedPermissions:
//! - dns.changes.create
//! - dns.resourceRecordSets.create
//! - dns.resourceRecordSets.delete
//! - dns.resourceRecordSets.list
//! ```
//!
//! ```text
//! gcloud iam roles create fleetcert --project=PROJECT --file=role.yaml
//! gcloud dns managed-zones add-iam-policy-binding ZONE \
//!     --member=serviceAccount:fleetcert@PROJECT.iam.gserviceaccount.com \
//!     --role=projects/PROJECT/roles/fleetcert
//! ```
//!
//! Zones that are not named in [`GoogleOptions::managed_zones`] are looked for by their names, for which
//! `dns.managedZones.list` is granted on the project. The ready-made role `roles/dns.admin` allows far more.
//!
//! The account proves itself by its [`ServiceAccountKey`], a file that never expires, or by a [`TokenSource`] of
//! your own: on Google's machines the metadata server has tokens, and no key needs to lie anywhere.
//!
//! # What a call costs
//! The unit is the record set. One call is one `changes.create`, which is made as a whole or not at all. A set is
//! changed by a deletion of exactly what it was and an addition of what it is to be: if another process changed it in
//! between, the API refuses, the sets are read, and it is tried again. A value at a name that is new to the backend
//! is first tried without reading, and so is the removal of what it added itself. Everything else is one GET for
//! each set before. A token is fetched once an hour.
//!
//! # What to know
//! - The quotas of a project: 100 values in one set, 1,000 additions and 1,000 deletions in a change, 10,000 record
//!   sets in a zone (<https://cloud.google.com/dns/quotas>), and a quota of requests per minute. Google says `403` with
//!   a reason for some of them; that is [`Quota`](fleetcert_dns::BackendErrorKind::Quota), and is tried again under
//!   the deadline of the call.
//! - Sets with a routing policy are never touched: a change of one is `InvalidInput`.
//! - After `Ok` the managed zone has the change; the servers follow within seconds to minutes.
//! - A time to live may be zero.
//! - Private zones are not looked for: no public CA sees them.
//!
//! ```
//! # use std::sync::Arc;
//! # use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::google::{
//!     GoogleBackend, GoogleCredentials, GoogleOptions,
//! };
//! # use fleetcert_dns_http::{AccessToken, CredentialError, HttpClient, HttpOptions, TokenSource};
//! # #[derive(Debug)] struct MetadataServer;
//! # #[async_trait::async_trait]
//! # impl TokenSource for MetadataServer {
//! #     async fn token(&self) -> Result<AccessToken, CredentialError> { Err(CredentialError::refused("a test")) }
//! # }
//!
//! # let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
//! // Or GoogleCredentials::Key(ServiceAccountKey::parse(&json)?)
//! let credentials = GoogleCredentials::Source(Arc::new(MetadataServer));
//! let options = GoogleOptions::new("my-project", credentials);
//! let backend = GoogleBackend::new(options, &http);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod messages;
mod provider;
mod service_account;

pub use provider::{GoogleBackend, GoogleCredentials, GoogleOptions};
pub use service_account::{ServiceAccountKey, ServiceAccountKeyError};

#[cfg(doc)]
use crate::TokenSource;
