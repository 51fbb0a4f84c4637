//! The backend for PowerDNS' HTTP API on a real PowerDNS.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetcert_ambient::{Ambient, SystemClock};
use fleetcert_dns::conformance::{Subject, check};
use fleetcert_dns::{BackendErrorKind, Change, DnsBackend, DnsBackendExt, RecordType, Ttl};
use fleetcert_dns_http::powerdns::{PowerDnsBackend, PowerDnsOptions};
use fleetcert_dns_http::{HttpClient, HttpOptions};
use fleetcert_dns_lookup::Servers;
use fleetcert_dns_lookup::diagnose::{Check, Diagnose, Status};
use fleetcert_names::DomainName;
use fleetcert_tests::powerdns::PowerDns;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn backend(server: &PowerDns, api_key: &str) -> Result<PowerDnsBackend, Box<dyn std::error::Error>> {
    let http = HttpClient::new(HttpOptions::default(), Ambient::system())?;
    let options = PowerDnsOptions::new(server.api_url().parse()?, api_key.into());
    Ok(PowerDnsBackend::new(options, &http))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_conforms() -> Outcome {
    let server = PowerDns::start("fleet.test")?;
    let backend = backend(&server, server.api_key())?;
    // This version has no condition on a write, so that one name belongs to one process: all instances are one.
    let subject = Subject::new(|| backend.clone(), server.zone().parse()?, &SystemClock);
    // The calls for one zone wait for each other, and each of them makes two requests on connections of their own.
    let report = check(&Subject { calls_at_once: 200, ..subject }).await;
    println!("{report}");
    report.require_passed()?;
    Ok(())
}

#[tokio::test]
async fn dns_shows_what_the_api_wrote() -> Outcome {
    let server = PowerDns::start("fleet.test")?;
    let (backend, zone): (_, DomainName) = (backend(&server, server.api_key())?, server.zone().parse()?);
    let name = "_acme-challenge.xi8qz.fleet.test".parse()?;
    server.nsupdate(server.key_file(), &["add _acme-challenge.xi8qz.fleet.test 300 TXT \"theirs\""])?;
    backend.add_txt(&zone, &name, &"mine".parse()?, Ttl::CHALLENGE).await?;
    assert_eq!(backend.texts(&zone, &name).await?, ["mine".parse()?, "theirs".parse()?].into());
    backend.remove_txt(&zone, &name, &"theirs".parse()?).await?;
    assert_eq!(server.dig("_acme-challenge.xi8qz.fleet.test", "TXT")?, ["\"mine\""]);
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_a_foreign_zone_and_a_name_with_a_cname_are_told() -> Outcome {
    let server = PowerDns::start("fleet.test")?;
    let (zone, name): (DomainName, DomainName) = (server.zone().parse()?, "a.fleet.test".parse()?);
    let stranger = backend(&server, "another-key")?;
    let error = stranger.read(&zone, &name, RecordType::A).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unauthenticated, "{error}");
    assert!(!error.to_string().contains("another-key"), "{error}");

    let backend = backend(&server, server.api_key())?;
    let elsewhere: DomainName = "elsewhere.test".parse()?;
    let error = backend.read(&elsewhere, &elsewhere, RecordType::A).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::NotInZone, "{error}");

    server.nsupdate(server.key_file(), &["add a.fleet.test 300 CNAME b.fleet.test."])?;
    let error = backend.add_txt(&zone, &name, &"1".parse()?, Ttl::CHALLENGE).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("Conflicts with pre-existing RRset"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable() -> Outcome {
    let mut server = PowerDns::start("fleet.test")?;
    let (backend, zone): (_, DomainName) = (backend(&server, server.api_key())?, server.zone().parse()?);
    server.kill();
    let error = backend.read(&zone, &zone, RecordType::A).await.unwrap_err();
    assert_eq!((error.kind(), error.attempt()), (BackendErrorKind::Unavailable, 4), "{error}");
    Ok(())
}

#[tokio::test]
async fn advice_knows_whether_changes_are_rectified() -> Outcome {
    let server = PowerDns::start("fleet.test")?;
    let zone: DomainName = server.zone().parse()?;
    let rectifies = async |server: &PowerDns| {
        let advice = backend(server, server.api_key()).unwrap().advice(&zone).await.unwrap();
        advice.iter().any(|advice| advice.finding.contains("rectifies"))
    };
    assert!(rectifies(&server).await, "it is the default");
    // The zone's own word counts.
    let switch = reqwest::Client::new()
        .put(format!("{}/api/v1/servers/localhost/zones/fleet.test.", server.api_url()))
        .header("x-api-key", server.api_key())
        .json(&serde_json::json!({"api_rectify": false}));
    switch.send().await?.error_for_status()?;
    assert!(!rectifies(&server).await);
    assert!(!rectifies(&PowerDns::start_with("fleet.test", &["default-api-rectify=no"])?).await);
    Ok(())
}

/// Calls with one value each, and values in one call.
const ROUNDS: usize = 10;
const BATCH: usize = 100;

/// The two take turns and the shortest of each counts, because others use the machine too.
#[tokio::test]
async fn a_batch_is_much_faster_than_its_values_one_by_one() -> Outcome {
    let server = PowerDns::start("fleet.test")?;
    let (backend, zone): (_, DomainName) = (backend(&server, server.api_key())?, server.zone().parse()?);
    let changes = |kind: &str, count: usize| -> Result<Vec<Change>, Box<dyn std::error::Error>> {
        let change = |number| {
            let name = format!("_acme-challenge.{kind}{number}.fleet.test").parse()?;
            let value = "gfj9Xq-Rg85nM_LoFdkNKZOjHaEDZ7rX1tbGqdNA9sA".parse()?;
            Ok(Change::AddTxt { name, value, ttl: Ttl::CHALLENGE })
        };
        (0..count).map(change).collect()
    };
    let (one_by_one, batches) = (changes("one", ROUNDS)?, changes("batch", ROUNDS * BATCH)?);
    let mut shortest = [Duration::MAX; 2];
    for round in one_by_one.chunks(1).zip(batches.chunks(BATCH)) {
        for (shortest, part) in shortest.iter_mut().zip(<[_; 2]>::from(round)) {
            let began = now();
            backend.apply(&zone, part).await?;
            *shortest = (*shortest).min(began.elapsed() / u32::try_from(part.len())?);
        }
    }
    let rate = |each: Duration| 1.0 / each.as_secs_f64();
    println!("values a second: {:.0} one a call, {:.0} {BATCH} a call", rate(shortest[0]), rate(shortest[1]));
    assert!(shortest[1] * 3 < shortest[0], "{shortest:?}");
    Ok(())
}

#[allow(clippy::disallowed_methods)] // a test that measures
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn the_check_of_a_zone_tries_changes_and_tells_of_rectifying() -> Outcome {
    let server = PowerDns::start("fleet.test")?;
    let servers = Servers::given(vec![server.address()])?;
    let diagnose = Diagnose::new(server.zone().parse()?, servers, Ambient::system())
        .through(Arc::new(backend(&server, server.api_key())?));
    let diagnosis = diagnose.run().await;
    println!("{diagnosis}");
    let finding = |check| diagnosis.finding(check).unwrap();
    assert_eq!(finding(Check::Update).status, Status::Ok, "{diagnosis}");
    assert_eq!(finding(Check::RoundTrip).status, Status::Ok, "{diagnosis}");
    let advice = finding(Check::Advice);
    assert_eq!(advice.status, Status::Warning, "{diagnosis}");
    assert!(
        advice.remedy.as_ref().is_some_and(|remedy| remedy.contains("default-api-rectify=no")),
        "{diagnosis}"
    );

    let stranger = diagnose.through(Arc::new(backend(&server, "another-key")?));
    let diagnosis = stranger.run().await;
    assert_eq!(diagnosis.finding(Check::Update).unwrap().status, Status::Problem, "{diagnosis}");
    assert!(!diagnosis.to_string().contains("another-key"), "{diagnosis}");
    Ok(())
}
