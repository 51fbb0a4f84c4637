//! The pace on its own.

use tokio::sync::oneshot;

use super::super::queue::Call;
use super::*;
use crate::{BackendErrorKind, Change, Operation};

#[test]
fn clock_set_back_does_not_prolong_the_wait_that_a_server_asked_for() {
    let (hour, noon) = (Duration::from_secs(3600), SystemTime::UNIX_EPOCH + Duration::from_secs(43200));
    let zone = "fleet.test".parse().unwrap();
    let failure =
        BackendError::new(BackendErrorKind::Quota, Operation::Apply, &zone, "enough").with_retry_after(hour);
    let mut pace = Pace::new(ZoneWriterOptions::default(), Size { changes: 1, octets: 1 });
    let end = BatchEnd { names: Vec::new(), calls: 1, took: Duration::ZERO, failure: Some(failure) };
    pace.learn(end, 0, noon);
    pace.end_wait();

    let change = Change::RemoveTxt { name: "a.fleet.test".parse().unwrap(), value: "1".parse().unwrap() };
    let (reply, _result) = oneshot::channel();
    let (mut queue, none) = (Queue::default(), Queue::default());
    queue.push(&zone, Call { changes: vec![change], reply }, 1);
    let left = |turn: Turn| match turn {
        Turn::Refuse(error) => error.retry_after(),
        _ => None,
    };
    assert_eq!(left(pace.turn(&queue, 0, noon)), Some(hour));
    assert_eq!(left(pace.turn(&queue, 0, noon + hour / 4)), Some(hour * 3 / 4));
    let idle = pace.turn(&none, 0, noon + hour / 4);
    assert!(matches!(idle, Turn::Wait(Some(wait)) if wait == hour * 3 / 4), "an idle zone remembers it");
    assert!(matches!(pace.turn(&queue, 0, noon - hour), Turn::Go));
    let turn = pace.turn(&queue, 0, noon);
    assert!(matches!(turn, Turn::Go), "a batch has gone since");
}
