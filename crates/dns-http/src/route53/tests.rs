//! Every request to Route 53, and what comes of every answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_ambient::{ManualClock, SystemClock};
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{
    Addresses, BackendError, BackendErrorKind, Change, DnsBackend, DnsBackendExt, RecordType, Ttl,
};
use fleetcert_names::DomainName;

use super::imitation::{ZONE_ID, credentials, hosted_zone};
use super::{AwsCredentialSource, AwsCredentials, Route53Backend, Route53Options};
use crate::fixture::{Answer, Exchange, Script, client, client_at, expect, fault, silence, status};
use crate::{ApiFault, CredentialError, HttpOptions};

const CHANGES: &str = "/2013-04-01/hostedzone/Z1/rrset/";

fn zone() -> DomainName {
    "fleet.test".parse().unwrap()
}

fn name() -> DomainName {
    "_acme-challenge.a.fleet.test".parse().unwrap()
}

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

async fn add(backend: &Route53Backend, value: &str) -> Result<(), BackendError> {
    backend.add_txt(&zone(), &name(), &value.parse().unwrap(), Ttl::CHALLENGE).await
}

async fn remove(backend: &Route53Backend, value: &str) -> Result<(), BackendError> {
    backend.remove_txt(&zone(), &name(), &value.parse().unwrap()).await
}

#[tokio::test]
async fn a_value_comes_and_goes_in_two_requests() {
    let script = Script::new([
        batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]),
        batch(&[("DELETE", set("TXT", 1, &["\"1\""]))]),
    ])
    .await;
    let backend = backend(&script);
    add(&backend, "1").await.unwrap();
    remove(&backend, "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn a_neighbour_is_found_when_the_guess_fails_and_keeps_its_spelling() {
    let foreign = r#""for" "eign\351""#;
    let script = Script::new([
        batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]).answer(refused_batch()),
        expect(
            "GET",
            "/2013-04-01/hostedzone/Z1/rrset?maxitems=1&name=_acme-challenge.a.fleet.test.&type=TXT",
        )
        .answer(listed(&set("TXT", 300, &[foreign, "\"\""]))),
        batch(&[
            ("DELETE", set("TXT", 300, &[foreign, "\"\""])),
            ("CREATE", set("TXT", 1, &[foreign, "\"\"", "\"1\""])),
        ]),
    ])
    .await;
    add(&running(&script, |_| {}), "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn what_is_there_is_not_written_again_and_what_is_not_is_not_removed() {
    let script = Script::new([
        batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]),
        listing("TXT", &set("TXT", 1, &["\"1\""])),
        listing("TXT", &set("TXT", 1, &["\"1\""]).replace("challenge.a", "challenge.b")),
    ])
    .await;
    let backend = backend(&script);
    add(&backend, "1").await.unwrap();
    add(&backend, "1").await.unwrap();
    remove(&backend, "2").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn addresses_are_replaced_in_one_batch() {
    let script = Script::new([
        listing("A", &set("A", 60, &["10.1.1.4"])),
        listing("AAAA", &set("TXT", 60, &["\"stays\""])),
        batch(&[
            ("DELETE", set("A", 60, &["10.1.1.4"])),
            ("CREATE", set("A", 60, &["10.1.1.5"])),
            ("CREATE", set("AAAA", 60, &["fd00::5"])),
        ]),
        batch(&[("DELETE", set("A", 60, &["10.1.1.5"])), ("DELETE", set("AAAA", 60, &["fd00::5"]))]),
    ])
    .await;
    // One read after the other, so that the script knows their order.
    let options = |http: &mut HttpOptions| http.requests_at_once = 1;
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160));
    let backend = Route53Backend::new(self::options(&script.url("/")), &client_at(Arc::new(clock), options));
    let addresses = |texts: &[&str]| Addresses::new(texts.iter().map(|text| text.parse().unwrap())).unwrap();
    let new = addresses(&["10.1.1.5", "fd00::5"]);
    backend.set_addresses(&zone(), &name(), new, Ttl::ADDRESS).await.unwrap();
    backend.set_addresses(&zone(), &name(), addresses(&[]), Ttl::ADDRESS).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn several_changes_are_one_batch() {
    let other: DomainName = "_acme-challenge.b.fleet.test".parse().unwrap();
    let script = Script::new([batch(&[
        ("CREATE", set("TXT", 60, &["\"1\"", "\"2\""])),
        ("CREATE", set("TXT", 60, &["\"3\""]).replace("challenge.a", "challenge.b")),
    ])])
    .await;
    let add = |name: &DomainName, value: &str| Change::AddTxt {
        name: name.clone(),
        value: value.parse().unwrap(),
        ttl: Ttl::ADDRESS,
    };
    backend(&script).apply(&zone(), &[add(&name(), "1"), add(&other, "3"), add(&name(), "2")]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn reading() {
    let script = Script::new([
        listing("TXT", &set("TXT", 300, &["\"1\"", r#""\001\"" "2""#])),
        listing("A", ""),
        listing("AAAA", &set("AAAA", 60, &["fd00::4"])),
        listing("TXT", &set("TXT", 300, &["\"\""])),
    ])
    .await;
    let backend = backend(&script);
    let texts = backend.texts(&zone(), &name()).await.unwrap();
    assert_eq!(texts, ["1".parse().unwrap(), "\u{1}\"2".parse().unwrap()].into());
    assert_eq!(backend.read(&zone(), &name(), RecordType::A).await.unwrap(), None);
    let set = backend.read(&zone(), &name(), RecordType::Aaaa).await.unwrap().unwrap();
    assert_eq!(set.ttl, Ttl::ADDRESS);
    assert_eq!(
        backend.read(&zone(), &name(), RecordType::Txt).await.unwrap(),
        None,
        "no text of ours is empty"
    );
    script.finish();
}

#[tokio::test]
async fn a_zone_is_found_on_the_page_where_it_is_and_remembered() {
    let page = |zones: &str, rest: &str| {
        xml(format!(
            "<ListHostedZonesByNameResponse><HostedZones>{zones}</HostedZones>{rest}</ListHostedZonesByNameResponse>"
        ))
    };
    let zone_of = |id: &str, private: bool| {
        format!(
            "<HostedZone><Id>/hostedzone/{id}</Id><Name>fleet.test.</Name>\
             <Config><PrivateZone>{private}</PrivateZone></Config></HostedZone>"
        )
    };
    let more = "<IsTruncated>true</IsTruncated><NextDNSName>fleet.test.</NextDNSName>\
                <NextHostedZoneId>Z2</NextHostedZoneId>";
    let none = "<IsTruncated>true</IsTruncated><NextDNSName>g.test.</NextDNSName>\
                <NextHostedZoneId>Z9</NextHostedZoneId>";
    let first = || get("/2013-04-01/hostedzonesbyname?dnsname=fleet.test.");
    let second = || get("/2013-04-01/hostedzonesbyname?dnsname=fleet.test.&hostedzoneid=Z2");
    let script = Script::new([
        first().answer(page(&zone_of("ZPRIVATE", true), more)),
        second().answer(page(&zone_of("Z1", false), none)),
        listing("TXT", ""),
        listing("TXT", "").answer(error(404, "NoSuchHostedZone")),
        // It is looked for again, since it may have been made anew. Now there are two.
        first().answer(page(&zone_of("Z1", false), more)),
        second().answer(page(&zone_of("Z2", false), none)),
        first().answer(page("", "<IsTruncated>false</IsTruncated>")),
    ])
    .await;
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160));
    let options = Route53Options { zone_ids: [].into(), ..options(&script.url("/")) };
    let backend = Route53Backend::new(options, &client_at(Arc::new(clock), |_| {}));
    let read = async || backend.read(&zone(), &name(), RecordType::Txt).await;
    assert_eq!(read().await.unwrap(), None);
    assert_eq!(read().await.unwrap_err().kind(), BackendErrorKind::NotInZone);
    let two = read().await.unwrap_err();
    assert_eq!(two.kind(), BackendErrorKind::InvalidInput);
    assert!(two.to_string().contains("/hostedzone/Z1, /hostedzone/Z2"), "{two}");
    assert_eq!(read().await.unwrap_err().kind(), BackendErrorKind::NotInZone);
    script.finish();
}

#[tokio::test]
async fn pages_of_zones_end() {
    let endless = "<ListHostedZonesByNameResponse><HostedZones/><IsTruncated>true</IsTruncated>\
                   <NextDNSName>fleet.test.</NextDNSName><NextHostedZoneId>Z2</NextHostedZoneId>\
                   </ListHostedZonesByNameResponse>";
    let next = || {
        expect("GET", "/2013-04-01/hostedzonesbyname?dnsname=fleet.test.&hostedzoneid=Z2")
            .answer(xml(endless))
    };
    let first = expect("GET", "/2013-04-01/hostedzonesbyname?dnsname=fleet.test.").answer(xml(endless));
    let script = Script::new([first, next(), next()]).await;
    let options = Route53Options { zone_ids: [].into(), ..options(&script.url("/")) };
    let backend = Route53Backend::new(options, &client(|http| http.max_pages = 3));
    let error = backend.read(&zone(), &name(), RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    script.finish();
}

#[tokio::test]
async fn aliases_and_routing_policies_are_left_alone() {
    let alias = "<ResourceRecordSet><Name>_acme-challenge.a.fleet.test.</Name><Type>A</Type>\
                 <AliasTarget><DNSName>elb.test.</DNSName></AliasTarget></ResourceRecordSet>";
    let weighted = set("A", 60, &["10.0.0.1"])
        .replace("<TTL>", "<SetIdentifier>one</SetIdentifier><Weight>10</Weight><TTL>");
    let script = Script::new([listing("A", alias), listing("A", &weighted)]).await;
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160));
    let http = client_at(Arc::new(clock), |http| http.requests_at_once = 1);
    let backend = Route53Backend::new(options(&script.url("/")), &http);
    let change = backend.set_addresses(&zone(), &name(), Addresses::default(), Ttl::ADDRESS).await;
    let read = backend.read(&zone(), &name(), RecordType::A).await;
    for error in [change.unwrap_err(), read.unwrap_err()] {
        assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
        assert!(error.to_string().contains("is an alias or has a routing policy"), "{error}");
    }
    script.finish();
}

#[tokio::test]
async fn a_batch_that_is_refused_again_and_again_is_wrong_in_itself() {
    let attempt = || [listing_now(), batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]).answer(refused_batch())];
    fn listing_now() -> Exchange {
        expect(
            "GET",
            "/2013-04-01/hostedzone/Z1/rrset?maxitems=1&name=_acme-challenge.a.fleet.test.&type=TXT",
        )
        .answer(listed(""))
    }
    let first = batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]).answer(refused_batch());
    let script = Script::new([first].into_iter().chain([(); 3].into_iter().flat_map(|()| attempt()))).await;
    let error = add(&running(&script, |_| {}), "1").await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    assert!(error.to_string().contains("Tried to create resource record set"), "{error}");
    script.finish();
}

#[tokio::test]
async fn refusals() {
    for (answer, kind) in [
        (error(403, "InvalidClientTokenId"), BackendErrorKind::Unauthenticated),
        (error(403, "SignatureDoesNotMatch"), BackendErrorKind::Unauthenticated),
        (error(403, "ExpiredToken"), BackendErrorKind::Unauthenticated),
        (error(401, "Unknown"), BackendErrorKind::Unauthenticated),
        (error(403, "AccessDenied"), BackendErrorKind::Refused),
        (status(403), BackendErrorKind::Refused),
        (error(404, "NoSuchHostedZone"), BackendErrorKind::NotInZone),
        (error(409, "Unknown"), BackendErrorKind::Conflict),
        (error(400, "InvalidInput"), BackendErrorKind::InvalidInput),
    ] {
        let script = Script::new([listing("TXT", "").answer(answer)]).await;
        let error = backend(&script).read(&zone(), &name(), RecordType::Txt).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.server(), Some(script.server().as_str()));
        script.finish();
    }
}

#[tokio::test]
async fn what_is_throttled_is_sent_again() {
    let once = |answer| batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]).answer(answer);
    let in_a_second = "Sun, 06 Nov 1994 08:49:37 GMT";
    let script = Script::new([
        once(error(400, "Throttling")),
        once(error(400, "PriorRequestNotComplete").header("retry-after", "0")),
        once(error(429, "TooManyRequestsException").header("retry-after", in_a_second)),
        once(made()),
    ])
    .await;
    add(&running(&script, |_| {}), "1").await.unwrap();
    script.finish();

    let script = Script::new([once(error(429, "Throttling").header("retry-after", "3600"))]).await;
    let error = add(&running(&script, |_| {}), "1").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (BackendErrorKind::Quota, Some(Duration::from_secs(3600)))
    );
    script.finish();
}

#[tokio::test]
async fn a_lost_answer_is_no_lost_value() {
    let create = || batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]);
    let script = Script::new([
        create().answer(status(500)),
        // The first was made after all.
        create().answer(refused_batch()),
        expect(
            "GET",
            "/2013-04-01/hostedzone/Z1/rrset?maxitems=1&name=_acme-challenge.a.fleet.test.&type=TXT",
        )
        .answer(listed(&set("TXT", 1, &["\"1\""]))),
    ])
    .await;
    add(&running(&script, |_| {}), "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn answers_that_are_none() {
    let cut = "<ListResourceRecordSetsResponse><ResourceRecordSets><Resource";
    for (answer, expected) in [
        (status(200).html(), ApiFault::Html),
        (xml(cut), ApiFault::TruncatedXml),
        (xml("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"), ApiFault::NotXml),
        (status(200).text("application/json", "{}"), ApiFault::NotXml),
        (xml("<Other/>"), ApiFault::UnexpectedXml),
        (listed("<ResourceRecordSet/>"), ApiFault::UnexpectedXml),
        (listed(&set("TXT", 1, &[]).replace("<TTL>1<", "<TTL>soon<")), ApiFault::UnexpectedXml),
    ] {
        let script = Script::new([listing("TXT", "").answer(answer)]).await;
        let error = backend(&script).read(&zone(), &name(), RecordType::Txt).await.unwrap_err();
        assert_eq!((error.kind(), fault(&error)), (BackendErrorKind::Unavailable, Some(expected)));
        script.finish();
    }
    let script = Script::new([batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]).answer(xml("<Other/>"))]).await;
    let error = add(&backend(&script), "1").await.unwrap_err();
    assert_eq!(fault(&error), Some(ApiFault::UnexpectedXml));
    script.finish();

    let script = Script::new([expect(
        "GET",
        "/2013-04-01/hostedzone/Z1/rrset?maxitems=1&name=_acme-challenge.a.fleet.test.&type=TXT",
    )
    .answer(silence())])
    .await;
    let slow = running(&script, |http| {
        http.attempt_within = Duration::from_millis(20);
        http.max_attempts = 1;
    });
    let error = slow.read(&zone(), &name(), RecordType::Txt).await.unwrap_err();
    assert_eq!(fault(&error), Some(ApiFault::TooLate));
    script.finish();
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_it_is_sent() {
    let script = Script::new([]).await;
    let backend = backend(&script);
    let long: Vec<Change> = (0..40)
        .map(|number| Change::AddTxt {
            name: name(),
            value: format!("{number:0>1000}").parse().unwrap(),
            ttl: Ttl::ADDRESS,
        })
        .collect();
    let many = vec![long[0].clone(); 101];
    let odd = Route53Options { zone_ids: [(zone(), "../Z1".to_owned())].into(), ..options(&script.url("/")) };
    let odd = Route53Backend::new(odd, &client(|_| {}));
    for answer in [
        backend.apply(&zone(), &long).await,
        backend.apply(&zone(), &many).await,
        odd.apply(&zone(), &long[..1]).await,
    ] {
        assert_eq!(answer.unwrap_err().kind(), BackendErrorKind::InvalidInput);
    }
    backend.apply(&zone(), &[]).await.unwrap();
    script.finish();
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let secret = AwsCredentials {
        session_token: Some("the session token".into()),
        ..AwsCredentials::new("AKID", "the secret".into())
    };
    let script = Script::new([expect(
        "GET",
        "/2013-04-01/hostedzone/Z1/rrset?maxitems=1&name=_acme-challenge.a.fleet.test.&type=TXT",
    )
    .header("x-amz-security-token", "the session token")
    .answer(status(403).text("text/plain", "you sent the session token and the secret"))])
    .await;
    let options = Route53Options { credentials: Arc::new(secret), ..options(&script.url("/")) };
    let shown = format!("{options:?}");
    let backend = Route53Backend::new(options, &client(|_| {}));
    let error = backend.read(&zone(), &name(), RecordType::Txt).await.unwrap_err();
    for shown in [shown, error.to_string(), format!("{error:?}"), format!("{backend:?}")] {
        assert!(!shown.contains("the session token") && !shown.contains("the secret"), "{shown}");
    }
    script.finish();
}

/// A source that gives nothing, or never answers.
#[derive(Debug)]
enum Dry {
    Refused,
    Silent,
}

#[async_trait]
impl AwsCredentialSource for Dry {
    async fn credentials(&self) -> Result<AwsCredentials, CredentialError> {
        match self {
            Self::Refused => Err(CredentialError::refused("no role")),
            Self::Silent => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    for (dry, kind) in
        [(Dry::Refused, BackendErrorKind::Unauthenticated), (Dry::Silent, BackendErrorKind::Unavailable)]
    {
        let script = Script::new([]).await;
        let options = Route53Options { credentials: Arc::new(dry), ..options(&script.url("/")) };
        let http = client(|http| http.call_within = Duration::from_millis(50));
        let error =
            Route53Backend::new(options, &http).read(&zone(), &name(), RecordType::Txt).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        script.finish();
    }
}

#[tokio::test]
async fn who_would_wait_too_long_for_his_turn_is_told() {
    let get = || {
        expect(
            "GET",
            "/2013-04-01/hostedzone/Z1/rrset?maxitems=1&name=_acme-challenge.a.fleet.test.&type=TXT",
        )
        .answer(listed(""))
    };
    let script = Script::new((0..5).map(|_| get())).await;
    let options = Route53Options { min_interval: Duration::from_secs(60), ..options(&script.url("/")) };
    let backend = Route53Backend::new(options, &client(|http| http.call_within = Duration::from_secs(10)));
    for _ in 0..5 {
        backend.read(&zone(), &name(), RecordType::Txt).await.unwrap();
    }
    let error = backend.read(&zone(), &name(), RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Quota);
    assert!(error.retry_after().unwrap() > Duration::from_secs(50));
    script.finish();
}

/// Against an imitation, which is not Route 53.
#[tokio::test]
async fn conformance_with_an_imitation() {
    let base = hosted_zone().await;
    let http = client(|http| {
        http.call_within = Duration::from_secs(30);
        http.requests_at_once = 32;
    });
    for zone_ids in [[].into(), [(zone(), ZONE_ID.to_owned())].into()] {
        let options = Route53Options { zone_ids, ..options(&base) };
        let subject = Subject {
            calls_at_once: 200,
            ..Subject::new(|| Route53Backend::new(options.clone(), &http), zone(), &SystemClock)
        };
        let report = check(&subject).await;
        println!("{report}");
        report.require_passed().unwrap();
    }
}
