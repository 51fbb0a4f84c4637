//! What Route 53 refuses, throttles, loses, or answers with what is no answer.

use super::*;

#[tokio::test]
async fn repeatedly_refused_batch_is_invalid_input() {
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
    let error = add_value(&running(&script, |_| {}), "1").await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidInput);
    assert!(error.to_string().contains("Tried to create resource record set"), "{error}");
    script.finish();
}

#[tokio::test]
async fn refusals_are_classified() {
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
        let error = backend(&script).read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.server(), Some(script.server().as_str()));
        script.finish();
    }
}

#[tokio::test]
async fn throttled_request_is_repeated() {
    let once = |answer| batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]).answer(answer);
    let in_a_second = "Sun, 06 Nov 1994 08:49:37 GMT";
    let script = Script::new([
        once(error(400, "Throttling")),
        once(error(400, "PriorRequestNotComplete").header("retry-after", "0")),
        once(error(429, "TooManyRequestsException").header("retry-after", in_a_second)),
        once(made()),
    ])
    .await;
    add_value(&running(&script, |_| {}), "1").await.unwrap();
    script.finish();

    let script = Script::new([once(error(429, "Throttling").header("retry-after", "3600"))]).await;
    let error = add_value(&running(&script, |_| {}), "1").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_after()),
        (BackendErrorKind::Quota, Some(Duration::from_secs(3600)))
    );
    script.finish();
}

#[tokio::test]
async fn lost_answer_does_not_lose_a_value() {
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
    add_value(&running(&script, |_| {}), "1").await.unwrap();
    script.finish();
}

#[tokio::test]
async fn unusable_answers_are_errors() {
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
        let error = backend(&script).read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
        assert_eq!((error.kind(), fault(&error)), (BackendErrorKind::Unavailable, Some(expected)));
        script.finish();
    }
    let script = Script::new([batch(&[("CREATE", set("TXT", 1, &["\"1\""]))]).answer(xml("<Other/>"))]).await;
    let error = add_value(&backend(&script), "1").await.unwrap_err();
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
    let error = slow.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
    assert_eq!(fault(&error), Some(ApiFault::TooLate));
    script.finish();
}

#[tokio::test]
async fn invalid_call_is_rejected_before_it_is_sent() {
    let script = Script::new([]).await;
    let backend = backend(&script);
    let long: Vec<Change> = (0..40)
        .map(|number| Change::AddTxt {
            name: challenge(),
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
async fn call_that_would_wait_beyond_its_deadline_fails() {
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
        backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap();
    }
    let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Quota);
    assert!(error.retry_after().unwrap() > Duration::from_secs(50));
    script.finish();
}
