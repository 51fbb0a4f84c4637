//! Record sets that come, go and are read.

use super::*;

#[tokio::test]
async fn value_is_added_and_removed_in_two_requests() {
    let script = Script::new([
        batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]),
        batch(&[("DELETE", set("TXT", 1, &["\"1\""]))]),
    ])
    .await;
    let backend = backend(&script);
    add_value(&backend, "1").await.unwrap();
    remove_value(&backend, "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn other_value_is_found_after_a_wrong_guess_and_keeps_its_spelling() {
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
    add_value(&running(&script, |_| {}), "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn existing_value_is_not_written_and_missing_value_is_not_removed() {
    let script = Script::new([
        batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]),
        listing("TXT", &set("TXT", 1, &["\"1\""])),
        listing("TXT", &set("TXT", 1, &["\"1\""]).replace("challenge.a", "challenge.b")),
    ])
    .await;
    let backend = backend(&script);
    add_value(&backend, "1").await.unwrap();
    add_value(&backend, "1").await.unwrap();
    remove_value(&backend, "2").await.unwrap();
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
    backend.set_addresses(&zone(), &challenge(), new, Ttl::ADDRESS).await.unwrap();
    backend.set_addresses(&zone(), &challenge(), addresses(&[]), Ttl::ADDRESS).await.unwrap();
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
    backend(&script)
        .apply(&zone(), &[add(&challenge(), "1"), add(&other, "3"), add(&challenge(), "2")])
        .await
        .unwrap();
    script.finish();
}

#[tokio::test]
async fn records_are_read() {
    let script = Script::new([
        listing("TXT", &set("TXT", 300, &["\"1\"", r#""\001\"" "2""#])),
        listing("A", ""),
        listing("AAAA", &set("AAAA", 60, &["fd00::4"])),
        listing("TXT", &set("TXT", 300, &["\"\""])),
    ])
    .await;
    let backend = backend(&script);
    let texts = backend.texts(&zone(), &challenge()).await.unwrap();
    assert_eq!(texts, ["1".parse().unwrap(), "\u{1}\"2".parse().unwrap()].into());
    assert_eq!(backend.read(&zone(), &challenge(), RecordType::A).await.unwrap(), None);
    let set = backend.read(&zone(), &challenge(), RecordType::Aaaa).await.unwrap().unwrap();
    assert_eq!(set.ttl, Ttl::ADDRESS);
    assert_eq!(
        backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap(),
        None,
        "no text of ours is empty"
    );
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
    let change = backend.set_addresses(&zone(), &challenge(), Addresses::default(), Ttl::ADDRESS).await;
    let read = backend.read(&zone(), &challenge(), RecordType::A).await;
    for error in [change.unwrap_err(), read.unwrap_err()] {
        assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
        assert!(error.to_string().contains("is an alias or has a routing policy"), "{error}");
    }
    script.finish();
}

/// Against an imitation, which is not Route 53.
#[tokio::test]
async fn backend_conforms_over_an_imitation() {
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
