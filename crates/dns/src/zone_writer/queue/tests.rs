//! The queue alone.

use super::*;
use crate::Ttl;

const LIMIT: Size = Size { changes: 3, octets: 10_000 };

type Receiver = oneshot::Receiver<Result<(), BackendError>>;

fn change(name: &str) -> Change {
    let name = format!("{name}.fleet.test").parse().unwrap();
    Change::AddTxt { name, value: "1".parse().unwrap(), ttl: Ttl::CHALLENGE }
}

/// Returns a queue with these calls, and the receivers of their results.
fn queue<const N: usize>(calls: [&[&str]; N]) -> (Queue, Vec<Receiver>) {
    let mut queue = Queue::default();
    let zone = "fleet.test".parse().unwrap();
    let receivers = calls.map(|names| {
        let (reply, result) = oneshot::channel();
        let call = Call { changes: names.iter().map(|name| change(name)).collect(), reply };
        queue.push(&zone, call, usize::MAX);
        result
    });
    (queue, receivers.into())
}

/// Returns the labels of each call.
fn labels(calls: &[Call]) -> Vec<String> {
    let label = |name: &DomainName| name.as_str().split('.').next().unwrap().to_owned();
    calls.iter().map(|call| call.names().map(label).collect()).collect()
}

fn names(calls: &[Call]) -> Vec<DomainName> {
    calls.iter().flat_map(Call::names).cloned().collect()
}

#[test]
fn batch_has_as_many_whole_calls_as_fit() {
    let (mut queue, _receivers) = queue([&["a"], &["b", "c"], &["d", "e"], &["f"]]);
    assert_eq!(labels(&queue.take(LIMIT)), ["a", "bc"]);
    assert_eq!(labels(&queue.take(LIMIT)), ["de", "f"]);
    assert_eq!(queue.size, Size::default());
}

#[test]
fn octets_bound_a_batch_but_the_first_call_always_goes() {
    let one = change("a").wire_octets();
    assert_eq!(one, "a.fleet.test".len() + 2 + 10 + 2);
    let (mut queue, _receivers) = queue([&["a", "b"], &["c"], &["d"], &["e"]]);
    let limit = Size { changes: 100, octets: 2 * one - 1 };
    assert_eq!(labels(&queue.take(limit)), ["ab"]);
    assert_eq!(labels(&queue.take(limit)), ["c"]);
    let limit = Size { octets: 2 * one, ..limit };
    assert!(queue.fills(limit) && !queue.fills(Size { octets: 2 * one + 1, ..limit }));
    assert_eq!(labels(&queue.take(limit)), ["d", "e"]);
    assert!(!queue.fills(limit));
}

#[test]
fn changes_of_a_name_keep_their_order() {
    let (mut queue, _receivers) = queue([&["a"], &["a", "b"], &["b"], &["c"]]);
    let first = queue.take(Size { changes: 1, ..LIMIT });
    assert_eq!(labels(&first), ["a"]);
    // `a` is in flight, and `b` belongs to an earlier call.
    let second = queue.take(LIMIT);
    assert_eq!(labels(&second), ["c"]);
    assert!(queue.take(LIMIT).is_empty());
    queue.release(&names(&first));
    let third = queue.take(LIMIT);
    assert_eq!(labels(&third), ["ab", "b"]);
    queue.release(&names(&second));
    queue.release(&names(&third));
    assert!(queue.in_flight.is_empty() && queue.calls() == 0);
}

#[test]
fn call_that_does_not_fit_keeps_its_place() {
    let (mut queue, _receivers) = queue([&["a", "b"], &["c", "d"], &["e"], &["c"]]);
    assert_eq!(labels(&queue.take(LIMIT)), ["ab"]);
    assert_eq!(labels(&queue.take(LIMIT)), ["cd", "e"]);
    assert!(queue.take(LIMIT).is_empty());
    assert_eq!((queue.calls(), queue.size.changes), (1, 1));
}

#[test]
fn dropped_calls_are_not_taken_and_make_room() {
    let (mut queue, mut receivers) = queue([&["a"], &["b", "c"], &["d"]]);
    receivers.remove(1);
    let zone = "fleet.test".parse().unwrap();
    let (reply, mut result) = oneshot::channel();
    queue.push(&zone, Call { changes: vec![change("e")], reply }, 3);
    assert!(result.try_recv().is_err(), "it waits");
    assert_eq!(labels(&queue.take(LIMIT)), ["a", "d", "e"]);
    let (reply, result) = oneshot::channel();
    queue.push(&zone, Call { changes: vec![change("f")], reply }, 3);
    drop(result);
    assert!(queue.take(LIMIT).is_empty() && queue.calls() == 0);
}
