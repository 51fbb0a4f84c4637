//! An imitation of the Route 53 API in memory, for tests. It is written from the API reference; it is not Route 53.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use fleetcert_dns_http::route53::AwsCredentials;
use http::{Method, StatusCode};

use crate::fixture::serve;

const SECRET_KEY: &str = "the secret";
pub(super) const ZONE_ID: &str = "Z0123456789FLEET";

#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    ttl: String,
    values: Vec<String>,
}

type Zone = BTreeMap<(String, String), Set>;

pub(super) fn credentials() -> AwsCredentials {
    AwsCredentials::new("AKIDEXAMPLE", SECRET_KEY.into())
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
    if !is_signed(&head, &body) {
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

/// Returns whether the request has a valid signature (AWS Signature Version 4) of the host, the time and the session
/// token.
fn is_signed(head: &http::request::Parts, body: &Bytes) -> bool {
    let header = |name: &str| head.headers[name].to_str().unwrap();
    let fields = header("authorization").strip_prefix("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/");
    let Some(Some((place, rest))) = fields.map(|rest| rest.split_once(", SignedHeaders=")) else {
        return false;
    };
    let Some((names, signature)) = rest.split_once(", Signature=") else { return false };
    let [day, "us-east-1", "route53", "aws4_request"] = place.split('/').collect::<Vec<_>>()[..] else {
        return false;
    };
    let time = header("x-amz-date");
    let mut pairs: Vec<&str> = head.uri.query().unwrap_or_default().split('&').collect();
    pairs.sort_unstable();
    let signed: String = names.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
    let (method, path, body) = (&head.method, head.uri.path(), hashed(body));
    let request = format!("{method}\n{path}\n{}\n{signed}\n{names}\n{body}", pairs.join("&"));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{place}\n{}", hashed(request.as_bytes()));
    let key = place.split('/').fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| mac(&key, part));
    time.starts_with(day)
        && names.starts_with("host;x-amz-date")
        && HEXLOWER.encode(&mac(&key, &to_sign)) == signature
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hashed(octets: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, octets).as_ref())
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
    let request = std::str::from_utf8(body).unwrap();
    let mut copy = zone.clone();
    let (mut count, mut characters) = (0, 0);
    for change in elements(request, "Change") {
        let text = |name: &str| elements(change, name).next().map(unescaped).unwrap();
        let key = (text("Name"), text("Type"));
        let mut values: Vec<String> = elements(change, "Value").map(unescaped).collect();
        count += values.len();
        characters += values.iter().map(|value| value.chars().count()).sum::<usize>();
        if values.is_empty() || (key.1 == "TXT" && values.iter().any(|text| !is_quoted(text))) {
            return error(StatusCode::BAD_REQUEST, "InvalidInput");
        }
        values.sort();
        let given = Set { ttl: text("TTL"), values };
        let fits = match &*text("Action") {
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

/// Returns whether the text consists of quoted strings, with quotes, backslashes and octal codes as the only escapes.
fn is_quoted(text: &str) -> bool {
    let (mut characters, mut is_open) = (text.chars(), false);
    let is_octal = |characters: &mut std::str::Chars<'_>| {
        characters.next().is_some_and(|digit| ('0'..='7').contains(&digit))
    };
    while let Some(character) = characters.next() {
        let is_valid = match character {
            '"' => {
                is_open = !is_open;
                true
            }
            '\\' => match characters.next() {
                Some('"' | '\\') => is_open,
                Some('0'..='3') => is_octal(&mut characters) && is_octal(&mut characters),
                _ => false,
            },
            ' ' => true,
            other => is_open && other.is_ascii_graphic(),
        };
        if !is_valid {
            return false;
        }
    }
    text.starts_with('"') && !is_open
}

/// Returns the content of all elements with this name, which must not be nested in themselves.
fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let parts: Vec<_> = xml.split(&*start).skip(1).collect();
    parts.into_iter().map(move |part| part.split_once(&*end).unwrap().0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&quot;", "\"").replace("&apos;", "'").replace("&gt;", ">");
    text.replace("&lt;", "<").replace("&amp;", "&")
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
