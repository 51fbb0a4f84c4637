//! Failed batches: which calls fail, and which are retried.

use std::error::Error;

use super::*;

#[tokio::test]
async fn only_the_calls_at_fault_fail() {
    for kind in [
        BackendErrorKind::Refused,
        BackendErrorKind::InvalidInput,
        BackendErrorKind::NotInZone,
        BackendErrorKind::Conflict,
        BackendErrorKind::Quota,
    ] {
        let stage = Stage::new(scripted().forbidding([(name("n7"), kind), (name("n20"), kind)]));
        let calls = (0..33).map(|number| stage.call(vec![add(&format!("n{number}"), "1")]));
        let results = stage.run(join_all(calls)).await;
        let guilty: Vec<_> = (0..33)
            .filter(|number| results[*number].as_ref().is_err_and(|error| error.kind() == kind))
            .collect();
        assert_eq!(guilty, [7, 20], "{kind:?}");
        assert_eq!(stage.writer.backend().inner.record_sets(), 31);
        // 32 calls in one batch, and then twice five halvings, one of which both share.
        assert_eq!(stage.sizes().len(), 1 + 1 + 2 * (1 + 4 + 4), "{:?}", stage.sizes());
    }
}

#[tokio::test]
async fn failure_that_concerns_all_calls_is_not_split() {
    for kind in [BackendErrorKind::Unauthenticated, BackendErrorKind::Unavailable] {
        let stage = Stage::new(scripted().failing([Fault::Error(kind); 2]));
        let results =
            stage.run(join_all((0..8).map(|number| stage.call(vec![add(&format!("n{number}"), "1")])))).await;
        assert_eq!(kinds(&results), [Some(kind); 8]);
        assert_eq!(stage.sizes(), [1, 7]);
        assert!(results[7].as_ref().unwrap_err().to_string().contains("as the test wants"));
        // They share the cause, which a caller can downcast.
        let sources = [&results[6], &results[7]].map(|result| result.as_ref().unwrap_err().source().unwrap());
        assert!(std::ptr::addr_eq(sources[0], sources[1]));
    }
}

#[tokio::test]
async fn split_ends_when_the_server_becomes_unavailable() {
    // The last one first.
    let faults = [BackendErrorKind::Unavailable, BackendErrorKind::Refused].map(Fault::Error);
    let stage = Stage::new(scripted());
    let mut first = stage.call(vec![add("first", "1")]);
    assert!(stage.poll(&mut first).is_pending());
    let others = (0..8).map(|number| stage.call(vec![add(&format!("n{number}"), "1")]));
    let script = async {
        let result = first.await;
        stage.writer.backend().faults.lock().extend(faults);
        result
    };
    let (result, results) = stage.run(async { tokio::join!(script, join_all(others)) }).await;
    result.unwrap();
    assert_eq!(kinds(&results), [Some(BackendErrorKind::Unavailable); 8]);
    assert_eq!(stage.sizes(), [1, 8, 4]);
}
