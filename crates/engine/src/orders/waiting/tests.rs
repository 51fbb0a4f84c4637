use std::time::Duration;

use fleetcert_store::{Expect, MemoryStore, Store, Transaction};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + HOUR * 500_000
}

fn options() -> EngineOptions {
    EngineOptions::new("fleet.test".parse().unwrap())
}

/// Versions are made by stores only.
fn versions<const N: usize>() -> [Version; N] {
    const ANY: fleetcert_store::Collection = fleetcert_store::Collection::new("any");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = MemoryStore::new();
    [(); N].map(|()| {
        let write = Transaction::new().put(ANY, "key", Expect::Any, Vec::new(), None);
        runtime.block_on(store.commit(write)).unwrap()
    })
}

fn version() -> Version {
    let [version] = versions();
    version
}

fn waits(name: &str, lane: Lane, deadline: SystemTime) -> Waits {
    Waits {
        name: name.to_owned(),
        version: version(),
        placed: false,
        lane,
        expiring_from: None,
        pool: Pool(1),
        tenant: Tenant::default(),
        deadline,
        since: now(),
        due: now(),
    }
}

/// Starts and ends whose turn it is, until nobody can go.
fn drained(waiting: &Waiting, at: SystemTime) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(candidate) = waiting.next(at) {
        waiting.started(&candidate);
        waiting.ended(&candidate.name, None, at);
        names.push(candidate.name);
    }
    names
}

#[test]
fn lanes_go_by_their_shares_and_inside_by_deadline() {
    let waiting = Waiting::new();
    let _open = waiting.open(&options());
    for index in 0..20u32 {
        for lane in Lane::ALL {
            waiting.note(&waits(&format!("{lane}{index:02}"), lane, now() + HOUR * (100 - index)), now());
        }
    }
    let names = drained(&waiting, now());
    assert_eq!(names.len(), 100);
    // Of 19 places, the weights give 8, 4, 4, 2 and 1.
    let of = |lane: &str| names[..19].iter().filter(|name| name.starts_with(lane)).count();
    assert_eq!(["expiring", "revoked", "new", "routine", "failing"].map(of), [8, 4, 4, 2, 1]);
    let routine: Vec<_> = names.iter().filter(|name| name.starts_with("routine")).collect();
    assert!(routine.is_sorted_by(|a, b| a > b), "the later ones end earlier: {routine:?}");
}

#[test]
fn what_the_ca_has_goes_first_and_whatever_is_closed() {
    let waiting = Waiting::new();
    let _open = waiting.open(&options());
    waiting.note(&waits("new", Lane::Expiring, now()), now());
    waiting.note(&Waits { placed: true, ..waits("placed", Lane::Failing, now() + HOUR) }, now());
    waiting.halt(Some(now() + HOUR));
    assert_eq!(drained(&waiting, now()), ["placed"]);
    assert_eq!(waiting.place("new").unwrap().held_until, Some(now() + HOUR));
    waiting.halt(None);
    assert_eq!(drained(&waiting, now()), ["new"]);
}

#[test]
fn names_that_fail_have_one_place_and_no_more() {
    let waiting = Waiting::new();
    let _open = waiting.open(&options());
    for index in 0..50 {
        waiting.note(&waits(&format!("failing{index}"), Lane::Failing, now()), now());
    }
    waiting.note(&waits("healthy", Lane::Routine, now() + HOUR), now());
    let mut started = Vec::new();
    while let Some(candidate) = waiting.next(now()) {
        waiting.started(&candidate);
        started.push(candidate.name);
    }
    assert_eq!(started.len(), 2, "{started:?}");
    assert!(started.contains(&"healthy".to_owned()));
    let failing = started.iter().find(|name| name.starts_with("failing")).unwrap();
    waiting.ended(failing, Some(now() + HOUR), now());
    assert!(waiting.next(now()).is_some_and(|next| next.lane == Lane::Failing && next.name != *failing));
    assert_eq!(waiting.place(failing).unwrap().held_until, Some(now() + HOUR));
}

#[test]
fn a_routine_renewal_becomes_urgent_while_it_waits() {
    let waiting = Waiting::new();
    let _open = waiting.open(&options());
    let routine = Waits { expiring_from: Some(now() + HOUR), ..waits("a", Lane::Routine, now() + HOUR * 9) };
    waiting.note(&routine, now());
    assert_eq!(waiting.next(now()).unwrap().lane, Lane::Routine);
    assert_eq!(waiting.next(now() + HOUR).unwrap().lane, Lane::Expiring);
}

#[test]
fn an_empty_bucket_closes_its_pool_and_what_is_given_back_opens_it() {
    let waiting = Waiting::new();
    let _open = waiting.open(&options());
    for name in ["a", "b"] {
        waiting.note(&waits(name, Lane::New, now()), now());
    }
    waiting.note(&Waits { pool: Pool(2), ..waits("other", Lane::New, now()) }, now());
    let until = now() + HOUR;
    let why = "empty".to_owned();
    let closed = Closed { pool: Pool(1), lane: None, until, look_at: until, why, certain: true };
    assert!(!waiting.close(&Closed { certain: false, ..closed.clone() }), "it may be otherwise");
    assert!(waiting.close(&closed) && !waiting.close(&closed), "told once");
    assert!(!waiting.close(&Closed { certain: false, ..closed.clone() }) && !waiting.close(&closed));
    assert_eq!(drained(&waiting, now()), ["other"]);
    let place = waiting.place("b").unwrap();
    assert_eq!((place.ahead, place.held_until, place.why.as_deref()), (1, Some(until), Some("empty")));
    waiting.look_again();
    assert_eq!(waiting.next(now()).unwrap().name, "a");
    waiting.close(&closed);
    assert!(waiting.next(until - HOUR / 2).is_none());
    assert_eq!(drained(&waiting, until), ["a", "b"]);
}

#[test]
fn a_look_into_the_store_forgets_what_is_gone_and_nothing_newer() {
    let waiting = Waiting::new();
    let _open = waiting.open(&options());
    for name in ["a", "b", "c", "d"] {
        waiting.note(&waits(name, Lane::New, now()), now());
    }
    let mark = waiting.mark();
    waiting.note(&waits("bb", Lane::New, now()), now());
    waiting.forget_others(Some("a"), Some("c"), &BTreeSet::from(["c"]), mark);
    assert_eq!(drained(&waiting, now()), ["a", "c", "d", "bb"]);
}

#[test]
fn the_queue_is_there_as_long_as_its_worker() {
    let waiting = Waiting::new();
    waiting.note(&waits("a", Lane::New, now()), now());
    assert!(waiting.place("a").is_none() && !waiting.is_open());
    let open = waiting.open(&EngineOptions { most_waiting: 1, ..options() });
    waiting.note(&waits("a", Lane::New, now()), now());
    // One that finds no room stays in the store.
    waiting.note(&waits("b", Lane::New, now()), now());
    assert!(waiting.place("a").is_some() && waiting.place("b").is_none());
    drop(open);
    assert!(!waiting.is_open());
}

#[test]
fn what_was_found_late_changes_nothing_and_what_moved_is_started_where_it_is() {
    let waiting = Waiting::new();
    let _open = waiting.open(&options());
    let [old, new] = versions();
    let write = |version, placed| Waits { version, placed, ..waits("a", Lane::New, now()) };
    waiting.note(&write(new, false), now());
    waiting.found(&write(old, true), now());
    let candidate = waiting.next(now()).unwrap();
    assert!(!candidate.placed && waiting.knows("a", new));
    // Now the same write says so, after the order was given out.
    waiting.found(&write(new, true), now());
    waiting.started(&candidate);
    assert!(waiting.next(now()).is_none());
    waiting.ended("a", None, now());
    assert!(waiting.next(now()).is_none() && !waiting.knows("a", old));
}
