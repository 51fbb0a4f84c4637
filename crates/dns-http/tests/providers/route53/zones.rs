//! Hosted zones, found by their names.

use super::*;

#[tokio::test]
async fn zone_is_found_on_any_page_and_remembered() {
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
        // The backend looks up the zone again, because it may have been recreated. Now there are two.
        first().answer(page(&zone_of("Z1", false), more)),
        second().answer(page(&zone_of("Z2", false), none)),
        first().answer(page("", "<IsTruncated>false</IsTruncated>")),
    ])
    .await;
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160));
    let options = Route53Options { zone_ids: [].into(), ..options(&script.url("/")) };
    let backend = Route53Backend::new(options, &client_at(Arc::new(clock), |_| {}));
    let read = async || backend.read(&zone(), &challenge(), RecordType::Txt).await;
    assert_eq!(read().await.unwrap(), None);
    assert_eq!(read().await.unwrap_err().kind(), BackendErrorKind::NotInZone);
    let two = read().await.unwrap_err();
    assert_eq!(two.kind(), BackendErrorKind::InvalidInput);
    assert!(two.to_string().contains("/hostedzone/Z1, /hostedzone/Z2"), "{two}");
    assert_eq!(read().await.unwrap_err().kind(), BackendErrorKind::NotInZone);
    script.finish();
}

#[tokio::test]
async fn endless_pages_of_zones_are_an_error() {
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
    let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    script.finish();
}
