//! Azure DNS.
//!
//! Use this module if your zone is a public DNS zone of Azure. The API is described at
//! <https://learn.microsoft.com/rest/api/dns/record-sets>, version 2018-05-01.
//!
//! # Access
//! An app registration (or a managed identity) with a custom role of these actions and no more, assigned at the
//! zone:
//!
//! ```json
//! {
//!   "Name": "fleetcert",
//!   "Description": "TXT, A and AAAA records of one zone",
//!   "Actions": [
//!     "Microsoft.Network/dnsZones/TXT/read",
//!     "Microsoft.Network/dnsZones/TXT/write",
//!     "Microsoft.Network/dnsZones/TXT/delete",
//!     "Microsoft.Network/dnsZones/A/read",
//!     "Microsoft.Network/dnsZones/A/write",
//!     "Microsoft.Network/dnsZones/A/delete",
//!     "Microsoft.Network/dnsZones/AAAA/read",
//!     "Microsoft.Network/dnsZones/AAAA/write",
//!     "Microsoft.Network/dnsZones/AAAA/delete"
//!   ],
//!   "AssignableScopes": ["/subscriptions/SUBSCRIPTION"]
//! }
//! ```
//!
//! ```text
//! az role definition create --role-definition role.json
//! az role assignment create --role fleetcert --assignee CLIENT_ID \
//!     --scope /subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Network/dnsZones/ZONE
//! ```
//!
//! Without addresses, the actions of `TXT` are enough. The ready-made role `DNS Zone Contributor` allows far more.
//! The app proves itself by its client secret, or by a [`TokenSource`] of your own: on Azure's machines a managed
//! identity has tokens, and no secret needs to lie anywhere.
//!
//! # What a call costs
//! The unit is the record set, one request for each, and the API has no batch: **a list of changes is not atomic**,
//! and the A and the AAAA records of a name are two requests. A set is written only while it has the ETag that was
//! read; if another process changed it in between, it is read and written again. A value at a name that is new to the
//! backend is first tried without reading (`If-None-Match: *`), and so is the removal of what it added itself.
//! Metadata of a set stays.
//!
//! # What to know
//! - The limits of a zone: 10,000 record sets, 20 records in one set, 4,096 characters in one TXT record
//!   (<https://learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits#azure-dns-limits>).
//!   Above 20 it is [`Quota`](fleetcert_dns::BackendErrorKind::Quota).
//! - Resource Manager throttles by subscription and region, some ten writes a second after a first burst of 200
//!   (<https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling>). It says
//!   `429` with `Retry-After`, which is obeyed under the deadline of the call.
//! - Texts are sent as JSON and so are not escaped. A text with other characters than printable ASCII is
//!   `InvalidInput`.
//! - A time to live is a second at least.
//! - Alias record sets are never touched: a change of one is `InvalidInput`.
//!
//! ```
//! # use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::azure::{AzureBackend, AzureCredentials, AzureOptions};
//! # use fleetcert_dns_http::{HttpClient, HttpOptions};
//!
//! # let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
//! let credentials = AzureCredentials::ClientSecret {
//!     tenant_id: "72f988bf-…".to_owned(),
//!     client_id: "4f5e6d7c-…".to_owned(),
//!     client_secret: "the client secret".into(),
//! };
//! let options = AzureOptions::new("3c2b1a09-…", "my-group", credentials);
//! let backend = AzureBackend::new(options, &http);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client_secret;
mod messages;
mod provider;

pub use provider::{AzureBackend, AzureCredentials, AzureOptions};

#[cfg(doc)]
use crate::TokenSource;
