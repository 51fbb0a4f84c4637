//! Edits, and rounds of reading and writing while another process writes.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use async_trait::async_trait;
use fleetcert_dns::{
    Addresses, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, RecordData, RecordSet,
    RecordType, Ttl,
};
use fleetcert_names::DomainName;
use http::header::AUTHORIZATION;
use secrecy::SecretString;

use super::{HttpBackend, Provider};
use crate::Endpoint;
use crate::client::{Api, Call, Token};
use crate::fixture::client;
use crate::record_sets::{Edit, Held, Key, SetChange, Sets, edits};

fn name() -> DomainName {
    "a.fleet.test".parse().unwrap()
}

fn add(value: &str, ttl: u32) -> Change {
    Change::AddTxt { name: name(), value: value.parse().unwrap(), ttl: Ttl::from_secs(ttl).unwrap() }
}

fn remove(value: &str) -> Change {
    Change::RemoveTxt { name: name(), value: value.parse().unwrap() }
}

fn set(ttl: u32, values: &[&str]) -> Option<RecordSet> {
    let values: BTreeSet<_> = values.iter().map(|value| RecordData::Txt(value.parse().unwrap())).collect();
    Some(RecordSet { ttl: Ttl::from_secs(ttl).unwrap(), values })
}

fn the_edit(changes: &[Change]) -> Edit {
    let mut edits = edits(changes, Ttl::from_secs(5).unwrap());
    let edit = edits.remove(&(name(), RecordType::Txt)).unwrap();
    assert!(edits.is_empty());
    edit
}

#[test]
fn edit_adds_and_removes_values_and_keeps_others() {
    for (changes, before, after) in [
        (vec![add("1", 60)], None, set(60, &["1"])),
        (vec![add("1", 1)], None, set(5, &["1"])),
        (vec![add("1", 60)], set(300, &["2"]), set(60, &["1", "2"])),
        (vec![add("1", 60)], set(300, &["1"]), set(300, &["1"])),
        (vec![remove("1")], set(300, &["1", "2"]), set(300, &["2"])),
        (vec![remove("1")], set(300, &["1"]), None),
        (vec![remove("1")], set(300, &["2"]), set(300, &["2"])),
        (vec![remove("1")], None, None),
        (vec![add("1", 60), remove("1")], set(300, &["1", "2"]), set(300, &["2"])),
        (vec![add("1", 60), remove("1")], None, None),
        (vec![remove("1"), add("1", 60)], None, set(60, &["1"])),
        (vec![remove("1"), add("1", 60)], set(300, &["1", "2"]), set(300, &["1", "2"])),
        (vec![add("1", 60), add("2", 90), remove("3")], set(300, &["3"]), set(90, &["1", "2"])),
    ] {
        assert_eq!(the_edit(&changes).applied_to(before.as_ref()), after, "{changes:?} of {before:?}");
    }
}

#[test]
fn last_addresses_become_an_a_and_an_aaaa_set() {
    let set_addresses = |texts: &[&str]| Change::SetAddresses {
        name: name(),
        addresses: Addresses::new(texts.iter().map(|text| text.parse::<IpAddr>().unwrap())).unwrap(),
        ttl: Ttl::ADDRESS,
    };
    let edits = edits(&[set_addresses(&["10.0.0.1", "fd00::1"]), set_addresses(&["10.0.0.2"])], Ttl::ZERO);
    let before = RecordSet { ttl: Ttl::ADDRESS, values: [RecordData::A("10.0.0.9".parse().unwrap())].into() };
    let v4 = edits[&(name(), RecordType::A)].applied_to(Some(&before)).unwrap();
    assert_eq!(v4.values, [RecordData::A("10.0.0.2".parse().unwrap())].into());
    assert_eq!(edits[&(name(), RecordType::Aaaa)].applied_to(None), None);
}

/// An API whose sets have versions. Before each write, another process may write.
#[derive(Debug)]
struct Versioned {
    api: Api,
    sets: Mutex<BTreeMap<Key, (RecordSet, u32)>>,
    others: Mutex<VecDeque<Option<RecordSet>>>,
    writes: Mutex<Vec<usize>>,
}

#[async_trait]
impl Provider for Versioned {
    type Zone = ();
    type Version = u32;

    fn api(&self) -> &Api {
        &self.api
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    async fn zone(&self, _: &Call<'_>) -> Result<(), BackendError> {
        Ok(())
    }

    async fn read(&self, _: &Call<'_>, (): &(), keys: &[Key]) -> Result<Sets<u32>, BackendError> {
        let sets = self.sets.lock();
        Ok(keys.iter().filter_map(|key| Some((key.clone(), sets.get(key)?.clone()))).collect())
    }

    async fn write(
        &self,
        call: &Call<'_>,
        (): &(),
        changes: &[SetChange<u32>],
    ) -> Result<Vec<(Key, Held<u32>)>, BackendError> {
        self.writes.lock().push(changes.len());
        let mut sets = self.sets.lock();
        let key = (name(), RecordType::Txt);
        if let Some(other) = self.others.lock().pop_front() {
            let version = sets.get(&key).map_or(0, |(_, version)| version + 1);
            match other {
                Some(set) => drop(sets.insert(key, (set, version))),
                None => drop(sets.remove(&key)),
            }
        }
        for change in changes {
            let held = sets.get(&change.key).map(|(_, version)| *version);
            if held != change.before.as_ref().map(|(_, version)| *version) {
                return Err(call.error(BackendErrorKind::Conflict, "changed"));
            }
            match &change.after {
                Some(set) => drop(sets.insert(change.key.clone(), (set.clone(), held.unwrap_or(0) + 1))),
                None => drop(sets.remove(&change.key)),
            }
        }
        Ok(Vec::new())
    }
}

fn backend() -> HttpBackend<Versioned> {
    let endpoint = Endpoint::of_provider("https://api.test");
    let api =
        Api::new(&client(|_| {}), endpoint, Token::new(AUTHORIZATION, "Bearer ", SecretString::from("t")));
    let (sets, others, writes) = (Mutex::default(), Mutex::default(), Mutex::default());
    HttpBackend::over(Versioned { api, sets, others, writes })
}

async fn apply(backend: &HttpBackend<Versioned>, changes: &[Change]) -> Result<(), BackendError> {
    backend.apply(&"fleet.test".parse().unwrap(), changes).await
}

#[tokio::test]
async fn conflicting_writes_of_others_are_read_and_kept() {
    let backend = backend();
    let sets = &backend.state.provider;
    *sets.others.lock() = [set(60, &["theirs"]), set(60, &["theirs", "again"]), None].into();
    apply(&backend, &[add("mine", 60)]).await.unwrap();
    assert_eq!(*sets.writes.lock(), [1, 1, 1, 1]);
    let held = sets.sets.lock().values().next().cloned();
    assert_eq!(held.map(|(set, _)| set), set(60, &["mine"]), "they were removed by their owner");
}

#[tokio::test]
async fn unchanged_set_is_not_written() {
    let backend = backend();
    let sets = &backend.state.provider;
    apply(&backend, &[add("1", 60), add("2", 60)]).await.unwrap();
    apply(&backend, &[add("2", 90), remove("3")]).await.unwrap();
    assert_eq!(*sets.writes.lock(), [1]);
}

#[tokio::test]
async fn conflict_in_every_round_is_reported_after_eight() {
    let backend = backend();
    let sets = &backend.state.provider;
    *sets.others.lock() = (0..100).map(|number| set(60, &[&number.to_string()])).collect();
    let error = apply(&backend, &[add("mine", 60)]).await.unwrap_err();
    assert_eq!((error.kind(), error.attempt()), (BackendErrorKind::Conflict, 8));
    assert_eq!(sets.writes.lock().len(), 8);
}
