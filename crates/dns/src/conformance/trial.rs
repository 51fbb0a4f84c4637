//! Tools of the checks: bounded calls, clean names, expectations.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::{Clock, timeout};
use fleetcert_names::DomainName;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Subject;
use super::threads::on_threads;
use crate::side_by_side::side_by_side;
use crate::{
    Addresses, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, RecordData, RecordType, Ttl,
    TxtValue,
};

/// The reason why a check did not pass.
#[derive(Debug)]
pub(super) enum Fault {
    Failed(String),
    Unsupported(String),
    NotRun(String),
}

/// One of two instances of the backend, which share nothing but the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instance {
    First,
    Second,
}

impl Instance {
    pub(super) const BOTH: [Self; 2] = [Self::First, Self::Second];
}

/// The place where concurrent calls run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// In one task: they interleave where a backend awaits.
    OneTask,
    /// On several threads: they interleave anywhere.
    SeveralThreads,
}

impl On {
    pub(super) const BOTH: [Self; 2] = [Self::OneTask, Self::SeveralThreads];
}

/// One run of the suite.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    pub(super) zone: &'a DomainName,
    pub(super) clock: &'a dyn Clock,
    pub(super) capabilities: Capabilities,
    instances: [Arc<dyn DnsBackend>; 2],
    below: DomainName,
    call_within: Duration,
    calls_at_once: usize,
    more_than_a_page: usize,
    /// Every name that was used, for the clean-up.
    names: Mutex<BTreeMap<DomainName, Holds>>,
    /// Names that an earlier clean-up has handled.
    cleaned: BTreeSet<DomainName>,
    note: Mutex<Option<String>>,
}

/// The kinds of records at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Texts,
    TextsAndAddresses,
}

/// Concurrent reads where the suite must not be a burden.
const READS_AT_ONCE: usize = 8;

impl<'a> Trial<'a> {
    pub(super) fn new(subject: &'a Subject<'_>) -> Result<Self, Fault> {
        let below = subject.zone.child(&subject.below).map_err(|error| Fault::NotRun(error.to_string()))?;
        let instances = [subject.factory.make(), subject.factory.make()];
        Ok(Self {
            zone: &subject.zone,
            clock: subject.clock,
            capabilities: instances[0].capabilities(),
            instances,
            below,
            call_within: subject.call_within,
            calls_at_once: subject.calls_at_once,
            more_than_a_page: subject.more_than_a_page,
            names: Mutex::default(),
            cleaned: BTreeSet::new(),
            note: Mutex::default(),
        })
    }

    pub(super) fn backend(&self, instance: Instance) -> &Arc<dyn DnsBackend> {
        match instance {
            Instance::First => &self.instances[0],
            Instance::Second => &self.instances[1],
        }
    }

    /// Returns the load of the subject, and notes if it is less than a fleet's.
    pub(super) fn calls_at_once(&self) -> usize {
        self.load(self.calls_at_once, Subject::CALLS_AT_ONCE, "calls at once")
    }

    /// Returns the number of records above a page, and notes if it is small.
    pub(super) fn more_than_a_page(&self) -> usize {
        self.load(self.more_than_a_page, Subject::MORE_THAN_A_PAGE, "records")
    }

    fn load(&self, wanted: usize, usual: usize, what: &str) -> usize {
        let load = wanted.max(2);
        let note = (load < usual).then(|| format!("with {load} {what}, not {usual}"));
        *self.note.lock() = note;
        load
    }

    /// Takes the note on the check that just ended.
    pub(super) fn take_note(&self) -> Option<String> {
        self.note.lock().take()
    }

    /// Returns the name with this first label, for texts, after removing records of an earlier run.
    pub(super) async fn clean_name(&self, label: &str) -> Result<DomainName, Fault> {
        self.clean(label.to_owned(), Holds::Texts).await
    }

    /// Returns the same, for addresses and texts.
    pub(super) async fn clean_name_for_addresses(&self, label: &str) -> Result<DomainName, Fault> {
        self.clean(label.to_owned(), Holds::TextsAndAddresses).await
    }

    /// Returns `count` clean names for texts, whose labels begin with `label`.
    pub(super) async fn clean_names(&self, label: &str, count: usize) -> Result<Vec<DomainName>, Fault> {
        self.require_usable_zone()?;
        let names = (0..count).map(|number| self.name(&format!("{label}{number}")));
        let names: Vec<DomainName> = names.collect::<Result<_, _>>()?;
        self.lock().extend(names.iter().map(|name| (name.clone(), Holds::Texts)));
        self.empty(names.iter().map(|name| (name.clone(), Holds::Texts)).collect()).await?;
        Ok(names)
    }

    async fn clean(&self, label: String, holds: Holds) -> Result<DomainName, Fault> {
        self.require_usable_zone()?;
        let name = self.name(&label)?;
        self.lock().insert(name.clone(), holds);
        self.empty(vec![(name.clone(), holds)]).await?;
        Ok(name)
    }

    fn name(&self, label: &str) -> Result<DomainName, Fault> {
        let label = label.parse().map_err(|_| Fault::NotRun(format!("`{label}` is not a valid label")))?;
        self.below.child(&label).map_err(|error| Fault::NotRun(error.to_string()))
    }

    /// Returns the zone's name with a letter before it: it ends with the zone's text, but is outside the zone.
    pub(super) fn sibling_zone(&self) -> Result<DomainName, Fault> {
        format!("x{}", self.zone).parse().map_err(|_| Fault::NotRun("the zone's name is too long".into()))
    }

    /// Makes the changes, in as many calls as the backend needs, but at least one.
    pub(super) async fn apply(&self, changes: &[Change]) -> Result<(), Fault> {
        self.apply_by(Instance::First, changes).await
    }

    pub(super) async fn apply_by(&self, instance: Instance, changes: &[Change]) -> Result<(), Fault> {
        let none = changes.is_empty().then_some(changes);
        for part in self.capabilities.parts(changes).chain(none) {
            let answer = self.call(self.backend(instance).apply(self.zone, part), "change").await?;
            answer.map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Makes each change in a separate concurrent call by the instance beside it.
    pub(super) async fn all_at_once(&self, changes: &[(Instance, Change)], on: On) -> Result<(), Fault> {
        match on {
            On::OneTask => {
                let calls = changes
                    .iter()
                    .map(|(instance, change)| self.apply_by(*instance, std::slice::from_ref(change)).boxed());
                // Every call is waited for, so that none is still in flight when a check ends.
                side_by_side(changes.len(), calls.collect()).await.into_iter().collect()
            }
            On::SeveralThreads => {
                let call = |(instance, change): &(Instance, Change)| {
                    let (backend, zone) = (self.backend(*instance).clone(), self.zone.clone());
                    let change = [change.clone()];
                    async move { backend.apply(&zone, &change).await }.boxed()
                };
                let calls = on_threads(changes.iter().map(call).collect());
                let results = self.call(calls, "change").await?;
                let results =
                    results.ok_or_else(|| Fault::Failed("a call on another thread panicked".into()))?;
                results.into_iter().try_for_each(|result| result.map_err(|error| failed(&error)))
            }
        }
    }

    /// Checks that all of these hold, some of them concurrently.
    pub(super) async fn side_by_side<'b>(
        &self,
        expectations: impl Iterator<Item = BoxFuture<'b, Result<(), Fault>>>,
    ) -> Result<(), Fault> {
        side_by_side(READS_AT_ONCE, expectations.collect()).await.into_iter().collect()
    }

    /// Checks that the suite can write, read and remove records at names of its choice.
    pub(super) fn require_usable_zone(&self) -> Result<(), Fault> {
        let Capabilities { reads, removes, any_name, .. } = self.capabilities;
        let lacks = [
            (any_name, "it accepts only registered names"),
            (reads, "it cannot be read, so the suite cannot see its records"),
            (removes, "it cannot remove records, so the suite cannot clean up"),
        ];
        match lacks.into_iter().find(|(able, _)| !able) {
            Some((_, why)) => Err(Fault::Unsupported(why.into())),
            None => Ok(()),
        }
    }

    /// Checks that a name can have `count` values.
    pub(super) fn require_values(&self, count: usize) -> Result<(), Fault> {
        let most = self.capabilities.max_values;
        if most >= count {
            return Ok(());
        }
        Err(Fault::Unsupported(format!("a name has at most {most} values, but this check needs {count}")))
    }

    /// Checks that one call accepts a list of `changes` changes, and makes it atomically.
    pub(super) fn require_atomic_lists_of(&self, changes: usize) -> Result<(), Fault> {
        if !self.capabilities.atomic {
            return Err(Fault::Unsupported("its lists are not atomic".into()));
        }
        let most = self.capabilities.max_changes;
        if most >= changes {
            return Ok(());
        }
        Err(Fault::Unsupported(format!(
            "this check needs {changes} changes in one call, but it accepts {most}"
        )))
    }

    /// Checks that a change at the name with this first label is rejected for a missing capability. Cleans up if it is
    /// accepted.
    pub(super) async fn require_rejected(
        &self,
        label: &str,
        change: impl FnOnce(&DomainName) -> Change,
        what: &str,
    ) -> Result<(), Fault> {
        let name = self.name(label)?;
        let change = change(&name);
        let holds = match &change {
            Change::SetAddresses { .. } => Holds::TextsAndAddresses,
            Change::AddTxt { .. } | Change::RemoveTxt { .. } => Holds::Texts,
        };
        let answer = self.try_apply(self.zone, &[change]).await?;
        if answer.is_ok() && self.require_usable_zone().is_ok() {
            self.lock().insert(name, holds);
        }
        require_refused(answer, BackendErrorKind::InvalidInput, what)
    }

    /// Returns the answer of the backend. A fault only on a timeout.
    pub(super) async fn try_apply(
        &self,
        zone: &DomainName,
        changes: &[Change],
    ) -> Result<Result<(), BackendError>, Fault> {
        self.call(self.backend(Instance::First).apply(zone, changes), "change").await
    }

    /// Checks that a read at this name is rejected for the reason that the contract names.
    pub(super) async fn require_no_read(
        &self,
        name: &DomainName,
        kind: BackendErrorKind,
        what: &str,
    ) -> Result<(), Fault> {
        let read = self.backend(Instance::First).read(self.zone, name, RecordType::Txt);
        require_refused(self.call(read, "read").await?.map(drop), kind, what)
    }

    pub(super) async fn read(
        &self,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<BTreeSet<RecordData>, Fault> {
        self.read_by(Instance::First, name, record_type).await
    }

    async fn read_by(
        &self,
        instance: Instance,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<BTreeSet<RecordData>, Fault> {
        let read = self.backend(instance).read(self.zone, name, record_type);
        match self.call(read, "read").await?.map_err(|error| failed(&error))? {
            None => Ok(BTreeSet::new()),
            Some(set) if set.values.is_empty() => {
                Err(Fault::Failed(format!("{name}: a set without values was read; it must be None")))
            }
            Some(set) => Ok(set.values),
        }
    }

    async fn call<T>(&self, call: impl Future<Output = T>, what: &str) -> Result<T, Fault> {
        let within = self.call_within;
        timeout(self.clock, within, call)
            .await
            .map_err(|_| Fault::Failed(format!("a call to {what} the zone took longer than {within:?}")))
    }

    pub(super) async fn require_txt(&self, name: &DomainName, wanted: &[&TxtValue]) -> Result<(), Fault> {
        self.require_txt_by(Instance::First, name, wanted).await
    }

    /// Checks that this instance sees these texts and no others.
    pub(super) async fn require_txt_by(
        &self,
        instance: Instance,
        name: &DomainName,
        wanted: &[&TxtValue],
    ) -> Result<(), Fault> {
        let wanted = wanted.iter().map(|value| RecordData::Txt((*value).clone())).collect();
        require_same(name, &wanted, &self.read_by(instance, name, RecordType::Txt).await?)
    }

    pub(super) async fn require(
        &self,
        name: &DomainName,
        record_type: RecordType,
        wanted: &BTreeSet<RecordData>,
    ) -> Result<(), Fault> {
        require_same(name, wanted, &self.read(name, record_type).await?)
    }

    /// Removes the records of the checks since the last clean-up.
    pub(super) async fn clean_up(&mut self) -> Result<(), Fault> {
        let mut names = self.lock().clone();
        names.retain(|name, _| !self.cleaned.contains(name));
        self.empty(names.iter().map(|(name, holds)| (name.clone(), *holds)).collect()).await?;
        self.cleaned.extend(names.into_keys());
        Ok(())
    }

    /// Checks that no name of the whole run has a record.
    pub(super) async fn require_clean(&self) -> Result<(), Fault> {
        let names = self.lock().clone();
        if names.is_empty() {
            self.require_usable_zone()?;
            return Err(Fault::NotRun("no check made a record".into()));
        }
        let left = names.into_iter().map(|(name, holds)| {
            async move { require_same(&name, &BTreeSet::new(), &self.all_at(&name, holds).await?) }.boxed()
        });
        self.side_by_side(left).await
    }

    async fn empty(&self, names: Vec<(DomainName, Holds)>) -> Result<(), Fault> {
        let reads = names.into_iter().map(|(name, holds)| {
            async move { self.all_at(&name, holds).await.map(|found| removals(&name, found)) }.boxed()
        });
        let removals = side_by_side(READS_AT_ONCE, reads.collect()).await;
        let removals: Vec<Change> = removals.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        if removals.is_empty() { Ok(()) } else { self.apply(&removals).await }
    }

    async fn all_at(&self, name: &DomainName, holds: Holds) -> Result<BTreeSet<RecordData>, Fault> {
        let mut found = self.read(name, RecordType::Txt).await?;
        if holds == Holds::TextsAndAddresses {
            found.extend(self.read(name, RecordType::A).await?);
            found.extend(self.read(name, RecordType::Aaaa).await?);
        }
        Ok(found)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DomainName, Holds>> {
        self.names.lock()
    }
}

/// Returns the changes that remove everything found at a name.
fn removals(name: &DomainName, found: BTreeSet<RecordData>) -> Vec<Change> {
    let mut removals = Vec::new();
    let mut has_addresses = false;
    for data in found {
        match data {
            RecordData::Txt(value) => removals.push(remove(name, &value)),
            RecordData::A(_) | RecordData::Aaaa(_) => has_addresses = true,
        }
    }
    if has_addresses {
        removals.push(addresses(name, Addresses::default()));
    }
    removals
}

fn require_same(
    name: &DomainName,
    wanted: &BTreeSet<RecordData>,
    found: &BTreeSet<RecordData>,
) -> Result<(), Fault> {
    if found == wanted {
        return Ok(());
    }
    Err(Fault::Failed(format!("{name}: {} expected, {} read", listed(wanted), listed(found))))
}

fn failed(error: &BackendError) -> Fault {
    Fault::Failed(format!("unexpected error: {error}"))
}

/// Checks that a call was rejected for the reason that the contract names.
pub(super) fn require_refused(
    answer: Result<(), BackendError>,
    kind: BackendErrorKind,
    what: &str,
) -> Result<(), Fault> {
    match answer {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(Fault::Failed(format!("{what}: {kind:?} expected, but the error is: {error}"))),
        Ok(()) => Err(Fault::Failed(format!("{what}: {kind:?} expected, but the call succeeded"))),
    }
}

/// Returns a text that every service accepts: length and characters of a dns-01 value.
pub(super) fn text(value: &str) -> TxtValue {
    format!("{value:-<43}").parse().expect("the checks use short texts")
}

pub(super) fn add(name: &DomainName, value: &TxtValue) -> Change {
    Change::AddTxt { name: name.clone(), value: value.clone(), ttl: Ttl::ADDRESS }
}

pub(super) fn remove(name: &DomainName, value: &TxtValue) -> Change {
    Change::RemoveTxt { name: name.clone(), value: value.clone() }
}

pub(super) fn addresses(name: &DomainName, addresses: Addresses) -> Change {
    Change::SetAddresses { name: name.clone(), addresses, ttl: Ttl::ADDRESS }
}

/// Maximum values that a report shows.
const MAX_SHOWN: usize = 6;

fn listed(values: &BTreeSet<RecordData>) -> String {
    let value = |data: &RecordData| match data {
        RecordData::A(address) => address.to_string(),
        RecordData::Aaaa(address) => address.to_string(),
        RecordData::Txt(value) if value.as_bytes().len() > 60 => {
            format!("a text of {} octets", value.as_bytes().len())
        }
        RecordData::Txt(value) => format!("\"{}\"", value.to_string().trim_end_matches('-')),
    };
    match values.len() {
        0 => "nothing".to_owned(),
        1..=MAX_SHOWN => values.iter().map(value).collect::<Vec<_>>().join(", "),
        many => format!("{many} values"),
    }
}
