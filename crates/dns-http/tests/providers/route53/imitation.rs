//! An imitation of the Route 53 API in memory, for tests. It is written from the API reference; it is not Route 53.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, Method, StatusCode};
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::client::Outgoing;
use crate::fixture::serve;
use crate::route53::AwsCredentials;
use crate::route53::signature::{Scope, sign};
use crate::route53::xml::{Element, escaped};
use crate::txt::{Digits, unquoted_in};

pub(super) const ZONE_ID: &str = "Z0123456789FLEET";

#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    ttl: String,
    values: Vec<String>,
}

type Zone = BTreeMap<(String, String), Set>;

pub(super) fn credentials() -> AwsCredentials {
    AwsCredentials::new("AKIDEXAMPLE", "the secret".into())
}

/// A hosted zone `fleet.test`. Returns its base URL.
pub(super) async fn hosted_zone() -> String {
    let zone: Arc<Mutex<Zone>> = Arc::default();
    let router = Router::new().fallback(move |request: Request| answer(zone.clone(), request));
    format!("http://{}", serve(router).await.0)
}

async fn answer(zone: Arc<Mutex<Zone>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    if !signature_fits(&head, &body) {
        return error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch");
    }
    let url: url::Url = format!("http://localhost{}", head.uri).parse().unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let path: Vec<&str> = url.path().split('/').skip(1).collect();
    match (&head.method, &path[..]) {
        (&Method::GET, ["2013-04-01", "hostedzonesbyname"]) => zones(&query["dnsname"]),
        (_, ["2013-04-01", "hostedzone", id, "rrset", ..]) if *id != ZONE_ID => {
            error(StatusCode::NOT_FOUND, "NoSuchHostedZone")
        }
        (&Method::GET, ["2013-04-01", "hostedzone", _, "rrset"]) => list(&zone.lock(), &query),
        (&Method::POST, ["2013-04-01", "hostedzone", _, "rrset", ""]) => change(&mut zone.lock(), &body),
        _ => error(StatusCode::NOT_FOUND, "UnknownOperation"),
    }
}

fn signature_fits(head: &http::request::Parts, body: &Bytes) -> bool {
    let header = |name: &str| head.headers[name].to_str().unwrap();
    let moment = PrimitiveDateTime::parse(
        header("x-amz-date"),
        format_description!("[year][month][day]T[hour][minute][second]Z"),
    );
    let moment: OffsetDateTime = moment.unwrap().assume_utc();
    let url = format!("http://{}{}", header(HOST.as_str()), head.uri);
    let mut ours = Outgoing {
        method: head.method.clone(),
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: body.clone(),
    };
    let scope = Scope { region: "us-east-1", service: "route53", now: SystemTime::from(moment) };
    sign(&mut ours, &credentials(), scope).unwrap();
    // What was signed is what came.
    ours.url.as_str() == url && ours.headers[AUTHORIZATION] == head.headers[AUTHORIZATION]
}

fn zones(name: &str) -> Response {
    let zone = |name: &str, id: &str, private: bool| {
        format!(
            "<HostedZone><Id>/hostedzone/{id}</Id><Name>{name}</Name>\
             <Config><PrivateZone>{private}</PrivateZone></Config></HostedZone>"
        )
    };
    // The list begins at the name and has all that come after it.
    let here = if name <= "fleet.test." {
        zone("fleet.test.", ZONE_ID, false) + &zone("fleet.test.", "ZPRIVATE", true)
    } else {
        String::new()
    };
    let last = zone("zzz.test.", "ZLAST", false);
    document(&format!(
        "<ListHostedZonesByNameResponse><HostedZones>{here}{last}</HostedZones><IsTruncated>false</IsTruncated>\
         <MaxItems>100</MaxItems></ListHostedZonesByNameResponse>"
    ))
}

fn list(zone: &Zone, query: &BTreeMap<String, String>) -> Response {
    assert_eq!(query["maxitems"], "1");
    let start = (query["name"].clone(), query["type"].clone());
    let sets = zone.range(start..).take(1).map(|((name, record_type), set)| {
        let values = set
            .values
            .iter()
            .map(|value| format!("<ResourceRecord><Value>{}</Value></ResourceRecord>", escaped(value)));
        format!(
            "<ResourceRecordSet><Name>{name}</Name><Type>{record_type}</Type><TTL>{}</TTL>\
             <ResourceRecords>{}</ResourceRecords></ResourceRecordSet>",
            set.ttl,
            values.collect::<String>()
        )
    });
    let sets: String = sets.collect();
    document(&format!(
        "<ListResourceRecordSetsResponse><ResourceRecordSets>{sets}</ResourceRecordSets>\
         <IsTruncated>true</IsTruncated><MaxItems>1</MaxItems></ListResourceRecordSetsResponse>"
    ))
}

fn change(zone: &mut Zone, body: &[u8]) -> Response {
    let Ok(request) = Element::parse(body) else { return error(StatusCode::BAD_REQUEST, "InvalidInput") };
    let changes = request.child("ChangeBatch").unwrap().child("Changes").unwrap();
    let mut copy = zone.clone();
    let (mut count, mut characters) = (0, 0);
    for change in changes.children("Change") {
        let set = change.child("ResourceRecordSet").unwrap();
        let key = (set.text_of("Name").unwrap().to_owned(), set.text_of("Type").unwrap().to_owned());
        let mut values: Vec<String> = set
            .child("ResourceRecords")
            .unwrap()
            .children("ResourceRecord")
            .map(|record| record.text_of("Value").unwrap().to_owned())
            .collect();
        count += values.len();
        characters += values.iter().map(|value| value.chars().count()).sum::<usize>();
        if values.is_empty() || (key.1 == "TXT" && values.iter().any(|text| !is_quoted(text))) {
            return error(StatusCode::BAD_REQUEST, "InvalidInput");
        }
        values.sort();
        let given = Set { ttl: set.text_of("TTL").unwrap().to_owned(), values };
        let fits = match change.text_of("Action").unwrap() {
            "CREATE" => copy.insert(key, given).is_none(),
            "DELETE" => copy.remove(&key) == Some(given),
            action => panic!("the backend has no right to {action}"),
        };
        if !fits {
            let why = "<InvalidChangeBatch><Messages><Message>not as it is</Message></Messages></InvalidChangeBatch>";
            return (StatusCode::BAD_REQUEST, why).into_response();
        }
    }
    if count > 1000 || characters > 32_000 {
        return error(StatusCode::BAD_REQUEST, "InvalidChangeBatch");
    }
    *zone = copy;
    document(
        "<ChangeResourceRecordSetsResponse><ChangeInfo><Status>PENDING</Status></ChangeInfo></ChangeResourceRecordSetsResponse>",
    )
}

fn is_quoted(text: &str) -> bool {
    text.starts_with('"') && text.ends_with('"') && unquoted_in(Digits::Octal, text).is_some()
}

fn document(body: &str) -> Response {
    format!("<?xml version=\"1.0\"?>\n{body}").into_response()
}

fn error(status: StatusCode, code: &str) -> Response {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>…</Message></Error></ErrorResponse>"
    );
    (status, body).into_response()
}
