//! Merging of calls.

use super::*;

#[tokio::test]
async fn first_call_goes_at_once_and_the_others_together() {
    let stage = Stage::new(scripted());
    let calls = (0..64).map(|number| stage.call(vec![add(&format!("n{number}"), "1")]));
    let results = stage.run(join_all(calls)).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(stage.sizes(), [1, 63]);
    assert_eq!(stage.elapsed(), 2 * TAKES + GATHER);
    assert_eq!(stage.writer.backend().inner.record_sets(), 64);
}

#[tokio::test]
async fn callers_that_come_back_at_once_share_a_batch() {
    let stage = Stage::new(scripted());
    // Each caller comes back a millisecond after its result.
    let task = async |number: usize| {
        for round in 0..4 {
            stage.call(vec![add(&format!("n{number}"), &round.to_string())]).await.unwrap();
            stage.clock.sleep(Duration::from_millis(1)).await;
        }
    };
    stage.run(join_all((0..16).map(task))).await;
    assert_eq!(stage.sizes(), [1, 16, 16, 16, 15]);
}

#[tokio::test]
async fn callers_that_do_not_come_back_delay_a_batch_by_the_gather_time_once() {
    let stage = Stage::new(scripted());
    stage.run(join_all((0..16).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    let before = stage.elapsed();
    stage.run(stage.call(vec![add("n0", "2")])).await.unwrap();
    assert_eq!(stage.elapsed() - before, TAKES + GATHER);

    // A single caller never waits for others.
    let before = stage.elapsed();
    stage.run(stage.call(vec![add("n0", "3")])).await.unwrap();
    assert_eq!(stage.elapsed() - before, TAKES);
}

#[tokio::test]
async fn second_batch_goes_only_when_it_is_full() {
    let stage = Stage::with(scripted().taking(4), two_at_a_time());
    let calls = (0..6)
        .map(|number| stage.call(vec![add(&format!("n{number}"), "1"), add(&format!("n{number}"), "2")]));
    let results = stage.run(join_all(calls)).await;
    assert!(results.iter().all(Result::is_ok));
    // The first batch and a full one; a full one, while the rest waits; the rest.
    assert_eq!(stage.sizes(), [2, 4, 4, 2]);
    assert_eq!(stage.elapsed(), 3 * TAKES + GATHER);

    let one_at_a_time = ZoneWriterOptions { batches_in_flight: 1, ..ZoneWriterOptions::default() };
    let stage = Stage::with(scripted().taking(2), one_at_a_time);
    stage.run(join_all((0..5).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
    assert_eq!(stage.sizes(), [1, 2, 2]);
    assert_eq!(stage.elapsed(), 3 * TAKES);

    // A list is never split: two lists of three changes do not fit into five.
    let stage = Stage::new(scripted().taking(5));
    let three = |number| (0..3).map(move |part| add(&format!("n{number}-{part}"), "1")).collect();
    stage.run(join_all((0..4).map(|number| stage.call(three(number))))).await;
    assert_eq!(stage.sizes(), [3; 4]);
}

#[tokio::test]
async fn same_change_by_several_callers_is_sent_once() {
    let stage = Stage::new(scripted());
    let calls = [
        vec![add("first", "1")],
        vec![add("a", "1"), add("b", "1")],
        vec![add("a", "1"), add("a", "2")],
        vec![remove("b", "1"), add("a", "1")],
        vec![add("b", "1")],
    ];
    let results = stage.run(join_all(calls.map(|changes| stage.call(changes)))).await;
    assert!(results.iter().all(Result::is_ok));
    let merged = vec![add("a", "1"), add("b", "1"), add("a", "2"), remove("b", "1"), add("b", "1")];
    assert_eq!(stage.calls()[1], merged);
    assert_eq!((stage.values("a").await, stage.values("b").await), (2, 1));
}

#[tokio::test]
async fn single_list_is_sent_as_it_is() {
    let stage = Stage::new(scripted());
    stage.run(stage.call(vec![add("a", "1"), add("a", "1")])).await.unwrap();
    assert_eq!(stage.sizes(), [2]);
}
