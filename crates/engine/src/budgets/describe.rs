//! Denials in plain sentences.

use std::time::SystemTime;

use fleetcert_schedule::budget::{BucketKey, Denied, DeniedBy};

/// Describes what holds an order back, for the owner of its device.
pub(crate) fn describe_denial(denied: &Denied, until: SystemTime) -> String {
    let what = match denied.by() {
        DeniedBy::Limit { key, .. } => limit(key),
        DeniedBy::Paused { name, .. } => {
            return format!(
                "the CA has paused {name} for our account: the operator has to lift that at the CA"
            );
        }
        _ => return "too many orders are under way".to_owned(),
    };
    let until = httpdate::fmt_http_date(until);
    match denied.retry_at() {
        Some(_) => format!("the CA's limit on {what} is used up until {until}"),
        None => format!("orders under way need all that the CA's limit on {what} leaves"),
    }
}

fn limit(key: &BucketKey) -> String {
    match key {
        BucketKey::NewOrdersPerAccount(_) => "new orders of our account".to_owned(),
        BucketKey::FailedAuthorizationsPerDomainPerAccount(_, name) => {
            format!("failed validations of {name}")
        }
        BucketKey::CertificatesPerDomain(domain) => format!("certificates for {domain}"),
        BucketKey::CertificatesPerDomainPerAccount(_, domain) => {
            format!("certificates for {domain} by our account")
        }
        BucketKey::CertificatesPerFqdnSet(names) => format!("certificates for {names}"),
        BucketKey::FailedAuthorizationsForPausingPerDomainPerAccount(_, name) => {
            format!("failed validations of {name} in a row")
        }
        other => other.kind().to_string(),
    }
}
