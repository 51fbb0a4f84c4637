//! Order of changes.

use super::*;

#[tokio::test]
async fn changes_of_one_name_keep_their_order_over_batches() {
    let options = ZoneWriterOptions { batches_in_flight: 8, ..ZoneWriterOptions::default() };
    let stage = Stage::with(scripted().taking(1), options);
    let calls = [add("a", "1"), remove("a", "1"), add("b", "1"), add("a", "2"), remove("a", "2")];
    let results = stage.run(join_all(calls.map(|change| stage.call(vec![change])))).await;
    assert!(results.iter().all(Result::is_ok));
    let order: Vec<_> =
        stage.calls().concat().into_iter().filter(|change| *change.name() == name("a")).collect();
    assert_eq!(order, [add("a", "1"), remove("a", "1"), add("a", "2"), remove("a", "2")]);
    // `b` did not wait for them.
    assert_eq!(stage.calls()[1], [add("b", "1")]);
    assert_eq!(stage.elapsed(), 4 * TAKES);
}

#[tokio::test]
async fn zones_are_independent() {
    let other: DomainName = "other.test".parse().unwrap();
    let stage = Stage::new(Scripted::new([&zone(), &other]).taking(100));
    let add_other = [Change::AddTxt {
        name: "a.other.test".parse().unwrap(),
        value: "1".parse().unwrap(),
        ttl: Ttl::CHALLENGE,
    }];
    let both =
        async { tokio::join!(stage.call(vec![add("a", "1")]), stage.writer.apply(&other, &add_other)) };
    let (one, two) = stage.run(both).await;
    one.and(two).unwrap();
    assert_eq!(stage.elapsed(), TAKES);
}
