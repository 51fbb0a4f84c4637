//! Every request that the backend makes, and what it does with every answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{ManualClock, SystemClock};
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{Addresses, BackendErrorKind, Change, DnsBackend, DnsBackendExt, RecordType, Ttl};
use fleetcert_names::DomainName;

use crate::fixture::{
    Answer, Exchange, Script, add_value, challenge, client, client_at, expect, fault, remove_value, silence,
    status, zone,
};
use fleetcert_dns_http::route53::{AwsCredentialSource, AwsCredentials, Route53Backend, Route53Options};
use fleetcert_dns_http::{ApiFault, CredentialError, HttpOptions};
use imitation::{ZONE_ID, credentials, hosted_zone};

mod imitation;
mod records;
mod refusals;
mod secrets;
mod zones;

const CHANGES: &str = "/2013-04-01/hostedzone/Z1/rrset/";

fn options(base: &str) -> Route53Options {
    Route53Options {
        endpoint: base.parse().unwrap(),
        zone_ids: [(zone(), "Z1".to_owned())].into(),
        min_interval: Duration::ZERO,
        ..Route53Options::new(credentials())
    }
}

fn backend(script: &Script) -> Route53Backend {
    // 2015-08-30T12:36:00Z
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160));
    Route53Backend::new(options(&script.url("/")), &client_at(Arc::new(clock), |_| {}))
}

/// A backend with time that passes.
fn running(script: &Script, adjust: impl FnOnce(&mut HttpOptions)) -> Route53Backend {
    Route53Backend::new(options(&script.url("/")), &client(adjust))
}

fn xml(body: impl AsRef<str>) -> Answer {
    let body = format!("<?xml version=\"1.0\"?>\n{}", body.as_ref());
    status(200).text("text/xml", body)
}

fn get(target: &str) -> Exchange {
    expect("GET", target)
        .header("accept", "application/xml")
        .header("x-amz-date", "20150830T123600Z")
        .no_header("x-amz-security-token")
}

fn listing(record_type: &str, sets: &str) -> Exchange {
    let target = format!(
        "/2013-04-01/hostedzone/Z1/rrset?maxitems=1&name=_acme-challenge.a.fleet.test.&type={record_type}"
    );
    get(&target).answer(listed(sets))
}

fn listed(sets: &str) -> Answer {
    xml(format!(
        "<ListResourceRecordSetsResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
         <ResourceRecordSets>{sets}</ResourceRecordSets><IsTruncated>true</IsTruncated>\
         </ListResourceRecordSetsResponse>"
    ))
}

fn set(record_type: &str, ttl: u32, values: &[&str]) -> String {
    let values: String = values
        .iter()
        .map(|value| {
            format!("<ResourceRecord><Value>{}</Value></ResourceRecord>", value.replace('"', "&quot;"))
        })
        .collect();
    format!(
        "<ResourceRecordSet><Name>_acme-challenge.a.fleet.test.</Name><Type>{record_type}</Type><TTL>{ttl}</TTL>\
         <ResourceRecords>{values}</ResourceRecords></ResourceRecordSet>"
    )
}

fn batch(changes: &[(&str, String)]) -> Exchange {
    let changes: String = changes
        .iter()
        .map(|(action, set)| format!("<Change><Action>{action}</Action>{set}</Change>"))
        .collect();
    expect("POST", CHANGES)
        .header("content-type", "application/xml")
        .header("accept", "application/xml")
        .text(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
             <ChangeBatch><Changes>{changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
        ))
        .answer(made())
}

fn made() -> Answer {
    xml(
        "<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status></ChangeInfo>\
         </ChangeResourceRecordSetsResponse>",
    )
}

fn refused_batch() -> Answer {
    status(400).text(
        "text/xml",
        "<InvalidChangeBatch xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Messages><Message>Tried to \
         create resource record set [name='_acme-challenge.a.fleet.test.', type='TXT'] but it already exists\
         </Message></Messages></InvalidChangeBatch>",
    )
}

fn error(code: u16, name: &str) -> Answer {
    status(code).text(
        "text/xml",
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{name}</Code><Message>why</Message></Error>\
                 <RequestId>1</RequestId></ErrorResponse>"
        ),
    )
}
