//! Amazon Route 53.
//!
//! Use this module if your zone is a public hosted zone. The API is described at
//! <https://docs.aws.amazon.com/Route53/latest/APIReference/>, version 2013-04-01.
//!
//! # Access
//! An IAM user or role with no more than this policy; put the id of the hosted zone in place of `Z…`, and leave out
//! `A` and `AAAA` where no addresses are published:
//!
//! ```json
//! {
//!   "Version": "2012-10-17",
//!   "Statement": [
//!     {
//!       "Effect": "Allow",
//!       "Action": "route53:ListResourceRecordSets",
//!       "Resource": "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"
//!     },
//!     {
//!       "Effect": "Allow",
//!       "Action": "route53:ChangeResourceRecordSets",
//!       "Resource": "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ",
//!       "Condition": {
//!         "ForAllValues:StringEquals": {
//!           "route53:ChangeResourceRecordSetsRecordTypes": ["TXT", "A", "AAAA"],
//!           "route53:ChangeResourceRecordSetsActions": ["CREATE", "DELETE"]
//!         }
//!       }
//!     },
//!     { "Effect": "Allow", "Action": "route53:ListHostedZonesByName", "Resource": "*" }
//!   ]
//! }
//! ```
//!
//! The last statement is needed only for zones that are not named in [`Route53Options::zone_ids`]. A condition on
//! `route53:ChangeResourceRecordSetsNormalizedRecordNames` with `StringLike` `_acme-challenge.*` narrows it to
//! challenge names. Credentials that change, as those of a role do, come from an [`AwsCredentialSource`] of your
//! own.
//!
//! # What a call costs
//! The unit is the record set. One call is one `ChangeResourceRecordSets`, which is made as a whole or not at all.
//! A set is changed by a DELETE of exactly what it was and a CREATE of what it is to be: if another process changed
//! it in between, the batch fails, the sets are read, and it is tried again. A value at a name that is new to the
//! backend is first tried without reading, and so is the removal of what it added itself. Everything else is one
//! GET for each set before.
//!
//! # What to know
//! - **Five requests a second** for the whole AWS account, over all its users. The backend paces itself by
//!   [`Route53Options::min_interval`]; give it more when others use the account, too. What is throttled all the
//!   same is sent again under the deadline of the call.
//! - A batch has at most 1,000 values and 32,000 characters, and both the old and the new values of a set count. A
//!   hundred dns-01 values at names with two more each fit, or the addresses of a hundred devices with four each;
//!   what does not fit is `InvalidInput`.
//! - A set has at most 400 values. Because old and new count, some 340 dns-01 values at one name is where the batch
//!   is full.
//! - Alias records and records with a routing policy (weighted, latency, failover …) are never touched: a change of
//!   one is `InvalidInput`.
//! - After `Ok` the hosted zone has the change, and the servers follow, mostly within a minute: the API calls it
//!   `INSYNC`, [`Visibility`](fleetcert_dns::Visibility) looks itself.
//! - A time to live may be zero.
//! - Private hosted zones are not looked for: no public CA sees them. Two public zones of one name need an entry in
//!   `zone_ids`.
//!
//! ```
//! # use fleetcert_ambient::Ambient;
//! use fleetcert_dns_http::route53::{
//!     AwsCredentials, Route53Backend, Route53Options,
//! };
//! # use fleetcert_dns_http::{HttpClient, HttpOptions};
//!
//! # let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
//! let secret = "the secret access key".into();
//! let credentials = AwsCredentials::new("AKIAIOSFODNN7EXAMPLE", secret);
//! let backend = Route53Backend::new(Route53Options::new(credentials), &http);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod credentials;
mod messages;
mod pace;
mod provider;
mod signature;
mod xml;

pub use credentials::{AwsCredentialSource, AwsCredentials};
pub use provider::{Route53Backend, Route53Options};
