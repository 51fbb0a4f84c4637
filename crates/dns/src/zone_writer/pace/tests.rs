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

    // Returns the wait in the error of a call, or `None` if the call is sent.
    let mut wait_of_call = |now| {
        let change = Change::RemoveTxt { name: "a.fleet.test".parse().unwrap(), value: "1".parse().unwrap() };
        let (reply, mut result) = oneshot::channel();
        let mut queue = Queue::default();
        queue.push(&zone, Call { changes: vec![change], reply }, 1);
        match pace.turn(&mut queue, 0, now) {
            Turn::Send(_) => None,
            Turn::Wait(wait) => {
                let error = result.try_recv().unwrap().unwrap_err();
                assert_eq!(wait, error.retry_after(), "an idle zone remembers it");
                wait
            }
        }
    };
    assert_eq!(wait_of_call(noon), Some(hour));
    assert_eq!(wait_of_call(noon + hour / 4), Some(hour * 3 / 4));
    assert_eq!(wait_of_call(noon - hour), None);
    assert_eq!(wait_of_call(noon), None, "a batch has been sent since");
}
