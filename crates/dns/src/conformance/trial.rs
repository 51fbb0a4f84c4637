//! The tools of the checks: bounded calls, names that are clean, expectations.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fleetcert_ambient::timeout;
use fleetcert_names::DomainName;
use futures_util::FutureExt;

use super::{Outcome, Subject};
use crate::side_by_side::side_by_side;
use crate::{
    Addresses, BackendError, BackendErrorKind, Capabilities, Change, RecordData, RecordType, Ttl, TxtValue,
};

/// Why a check did not pass.
#[derive(Debug)]
pub(super) enum Fault {
    Failed(String),
    Unsupported(String),
    NotRun(String),
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failed(why) => Self::Failed(why),
            Fault::Unsupported(why) => Self::Unsupported(why),
            Fault::NotRun(why) => Self::NotRun(why),
        }
    }
}

/// One run of the suite.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) capabilities: Capabilities,
    below: DomainName,
    /// Every name that was given out, to be cleaned up.
    names: Mutex<BTreeSet<DomainName>>,
    /// Those of them that an earlier clean-up has seen to.
    cleaned: BTreeSet<DomainName>,
}

/// How many calls the suite makes at the same time to clean up.
const CALLS_AT_ONCE: usize = 8;

impl<'a> Trial<'a> {
    pub(super) fn new(subject: &'a Subject<'a>) -> Result<Self, Fault> {
        let below = subject.zone.child(&subject.below).map_err(|error| Fault::NotRun(error.to_string()))?;
        let capabilities = subject.backend.capabilities();
        Ok(Self { subject, capabilities, below, names: Mutex::default(), cleaned: BTreeSet::new() })
    }

    /// The name with this first label, without records: what an earlier run left is removed.
    pub(super) async fn clean_name(&self, label: &str) -> Result<DomainName, Fault> {
        let label = label.parse().map_err(|_| Fault::NotRun(format!("`{label}` is no label")))?;
        let name = self.below.child(&label).map_err(|error| Fault::NotRun(error.to_string()))?;
        self.lock().insert(name.clone());
        self.empty(&name).await?;
        Ok(name)
    }

    /// The zone's name with a letter before it: it ends with the zone's text and is outside all the same.
    pub(super) fn sibling_zone(&self) -> Result<DomainName, Fault> {
        format!("x{}", self.subject.zone)
            .parse()
            .map_err(|_| Fault::NotRun("the zone's name is too long".into()))
    }

    /// Makes the changes, in as many calls as the backend needs for them, and at least one.
    pub(super) async fn apply(&self, changes: &[Change]) -> Result<(), Fault> {
        let parts = changes.chunks(self.capabilities.max_changes.max(1));
        let none = changes.is_empty().then_some(changes);
        for part in parts.chain(none) {
            self.try_apply(&self.subject.zone, part).await?.map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// That one call takes a list of so many changes, and makes it as a whole.
    pub(super) fn require_atomic_lists_of(&self, changes: usize) -> Result<(), Fault> {
        if !self.capabilities.atomic {
            return Err(Fault::Unsupported("its lists are not atomic".into()));
        }
        if self.capabilities.max_changes < changes {
            let most = self.capabilities.max_changes;
            return Err(Fault::Unsupported(format!(
                "a list that tells needs {changes} changes, and it takes {most}"
            )));
        }
        Ok(())
    }

    /// The answer of the backend; a fault only when there is none in time.
    pub(super) async fn try_apply(
        &self,
        zone: &DomainName,
        changes: &[Change],
    ) -> Result<Result<(), BackendError>, Fault> {
        let call = self.subject.backend.apply(zone, changes);
        timeout(self.subject.clock, self.subject.call_within, call)
            .await
            .map_err(|_| self.no_answer("change"))
    }

    pub(super) async fn read(
        &self,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<BTreeSet<RecordData>, Fault> {
        let call = self.subject.backend.read(&self.subject.zone, name, record_type);
        let answer = timeout(self.subject.clock, self.subject.call_within, call).await;
        let set = answer.map_err(|_| self.no_answer("read"))?.map_err(|error| failed(&error))?;
        match set {
            None => Ok(BTreeSet::new()),
            Some(set) if set.values.is_empty() => {
                Err(Fault::Failed(format!("{name}: a set without values was read; it must be no set")))
            }
            Some(set) => Ok(set.values),
        }
    }

    pub(super) async fn require_txt(&self, name: &DomainName, wanted: &[&TxtValue]) -> Result<(), Fault> {
        let wanted = wanted.iter().map(|value| RecordData::Txt((*value).clone())).collect();
        self.require(name, RecordType::Txt, &wanted).await
    }

    pub(super) async fn require(
        &self,
        name: &DomainName,
        record_type: RecordType,
        wanted: &BTreeSet<RecordData>,
    ) -> Result<(), Fault> {
        let found = self.read(name, record_type).await?;
        if found == *wanted {
            return Ok(());
        }
        Err(Fault::Failed(format!("{name}: {} expected, {} read", listed(wanted), listed(&found))))
    }

    /// Removes what the checks since the last time have left.
    pub(super) async fn clean_up(&mut self) -> Result<(), Fault> {
        let names: Vec<_> = self.lock().difference(&self.cleaned).cloned().collect();
        let emptied = names.iter().map(|name| self.empty(name).boxed()).collect();
        side_by_side(CALLS_AT_ONCE, emptied).await.into_iter().collect::<Result<(), _>>()?;
        self.cleaned.extend(names);
        Ok(())
    }

    /// That no name of the whole run has a record.
    pub(super) async fn require_clean(&self) -> Result<(), Fault> {
        let names = self.lock().clone();
        for name in &names {
            for record_type in [RecordType::A, RecordType::Aaaa, RecordType::Txt] {
                self.require(name, record_type, &BTreeSet::new()).await?;
            }
        }
        if names.is_empty() {
            return Err(Fault::NotRun("no check made a record".into()));
        }
        Ok(())
    }

    async fn empty(&self, name: &DomainName) -> Result<(), Fault> {
        let mut removals = Vec::new();
        for data in self.read(name, RecordType::Txt).await? {
            if let RecordData::Txt(value) = data {
                removals.push(Change::RemoveTxt { name: name.clone(), value });
            }
        }
        if self.capabilities.addresses && self.has_addresses(name).await? {
            removals.push(addresses(name, Addresses::default()));
        }
        if removals.is_empty() { Ok(()) } else { self.apply(&removals).await }
    }

    async fn has_addresses(&self, name: &DomainName) -> Result<bool, Fault> {
        Ok(!self.read(name, RecordType::A).await?.is_empty()
            || !self.read(name, RecordType::Aaaa).await?.is_empty())
    }

    fn no_answer(&self, call: &str) -> Fault {
        Fault::Failed(format!("a call to {call} the zone took longer than {:?}", self.subject.call_within))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<DomainName>> {
        // Nothing panics while the lock is held, so a poisoned lock still guards a sound state.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(error: &BackendError) -> Fault {
    Fault::Failed(format!("unexpected error: {error}"))
}

/// That a call was refused for the reason that the contract names.
pub(super) fn require_refused(
    answer: Result<(), BackendError>,
    kind: BackendErrorKind,
    what: &str,
) -> Result<(), Fault> {
    match answer {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(Fault::Failed(format!("{what}: {kind:?} expected, but the error is: {error}"))),
        Ok(()) => Err(Fault::Failed(format!("{what}: {kind:?} expected, but the call was successful"))),
    }
}

pub(super) fn text(value: &str) -> TxtValue {
    value.parse().expect("the checks use short texts")
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

fn listed(values: &BTreeSet<RecordData>) -> String {
    if values.is_empty() {
        return "nothing".to_owned();
    }
    let value = |data: &RecordData| match data {
        RecordData::A(address) => address.to_string(),
        RecordData::Aaaa(address) => address.to_string(),
        RecordData::Txt(value) if value.as_bytes().len() > 60 => {
            format!("a text of {} octets", value.as_bytes().len())
        }
        RecordData::Txt(value) => format!("\"{value}\""),
    };
    values.iter().map(value).collect::<Vec<_>>().join(", ")
}
