//! A backend for the tests of what stands on top of one: it fails as it is told, and remembers what it was asked.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_names::DomainName;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::{
    Advice, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, MemoryBackend, Operation,
    RecordSet, RecordType,
};

/// The backend in memory, with faults on cue. Whoever asks it for what its capabilities rule out fails the test.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) inner: MemoryBackend,
    pub(crate) capabilities: Capabilities,
    /// What happens to the next calls to change the zone, the last first.
    pub(crate) faults: Mutex<Vec<Fault>>,
    forbidden: BTreeMap<DomainName, BackendErrorKind>,
    before: Before,
    calls: Mutex<Vec<Vec<Change>>>,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None: it is made.
    Pass,
    /// It fails, having done nothing.
    Error(BackendErrorKind),
    /// The same, with the time after which the server wants to be asked again.
    ErrorFor(BackendErrorKind, Duration),
    /// It says that all is well, having done nothing.
    Lie,
    /// It does its work, and then never answers.
    Hang,
}

/// What passes between a call and its answer.
struct Before(Box<Wait>);

type Wait = dyn Fn(&[Change]) -> BoxFuture<'static, ()> + Send + Sync;

impl fmt::Debug for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Before")
    }
}

impl Scripted {
    pub(crate) fn new<'a>(zones: impl IntoIterator<Item = &'a DomainName>) -> Self {
        let inner = MemoryBackend::new(zones);
        Self {
            capabilities: inner.capabilities(),
            inner,
            faults: Mutex::default(),
            forbidden: BTreeMap::new(),
            before: Before(Box::new(|_| ready(()).boxed())),
            calls: Mutex::default(),
        }
    }

    /// The same, with so many changes a call at the most.
    pub(crate) fn taking(mut self, max_changes: usize) -> Self {
        self.capabilities.max_changes = max_changes;
        self
    }

    /// The same, with these faults, the first first.
    pub(crate) fn failing(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults = Mutex::new(faults.into_iter().collect());
        self.faults.get_mut().reverse();
        self
    }

    /// The same, which does not take these names, and says so in this way.
    pub(crate) fn forbidding(
        mut self,
        names: impl IntoIterator<Item = (DomainName, BackendErrorKind)>,
    ) -> Self {
        self.forbidden.extend(names);
        self
    }

    /// The same, which waits for this before it answers a call to change the zone.
    pub(crate) fn after<F: Future<Output = ()> + Send + 'static>(
        mut self,
        wait: impl Fn(&[Change]) -> F + Send + Sync + 'static,
    ) -> Self {
        self.before = Before(Box::new(move |changes| wait(changes).boxed()));
        self
    }

    /// The changes of each call.
    pub(crate) fn calls(&self) -> Vec<Vec<Change>> {
        self.calls.lock().clone()
    }

    /// How many changes each call had.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.calls.lock().iter().map(Vec::len).collect()
    }

    fn require_possible(&self, changes: &[Change]) {
        let Capabilities { removes, max_changes, .. } = self.capabilities;
        assert!(changes.len() <= max_changes, "nobody makes {} changes in one call", changes.len());
        let removal = |change: &Change| matches!(change, Change::RemoveTxt { .. });
        assert!(removes || !changes.iter().any(removal), "nobody removes what cannot be removed");
    }
}

#[async_trait]
impl DnsBackend for Scripted {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        self.require_possible(changes);
        self.calls.lock().push(changes.to_vec());
        (self.before.0)(changes).await;
        let error = |kind| BackendError::new(kind, Operation::Apply, zone, "as the test wants");
        if let Some(kind) = changes.iter().find_map(|change| self.forbidden.get(change.name())) {
            return Err(error(*kind));
        }
        let fault = self.faults.lock().pop();
        match fault {
            None | Some(Fault::Pass) => self.inner.apply(zone, changes).await,
            Some(Fault::Error(kind)) => Err(error(kind)),
            Some(Fault::ErrorFor(kind, wait)) => Err(error(kind).with_retry_after(wait)),
            Some(Fault::Lie) => Ok(()),
            Some(Fault::Hang) => {
                self.inner.apply(zone, changes).await?;
                std::future::pending().await
            }
        }
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        assert!(self.capabilities.reads, "nobody reads what cannot be read");
        self.inner.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn advice(&self, _: &DomainName) -> Result<Vec<Advice>, BackendError> {
        Ok(vec![Advice { finding: "It is scripted.".to_owned(), remedy: "None.".to_owned() }])
    }
}
