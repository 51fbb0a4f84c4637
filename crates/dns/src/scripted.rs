//! A backend for tests: it fails as scripted and records its calls.

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

/// The backend in memory with scripted faults. Calls that its capabilities exclude fail the test.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) inner: MemoryBackend,
    pub(crate) capabilities: Capabilities,
    /// Faults of the next calls of `apply`, the last first.
    pub(crate) faults: Mutex<Vec<Fault>>,
    forbidden: BTreeMap<DomainName, BackendErrorKind>,
    before: Before,
    calls: Mutex<Vec<Vec<Change>>>,
}

/// The fault of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No fault.
    Pass,
    /// The call fails without an effect.
    Error(BackendErrorKind),
    /// The call fails without an effect and asks for a wait.
    ErrorFor(BackendErrorKind, Duration),
    /// The call returns `Ok` without an effect.
    Lie,
    /// The call takes effect and then never returns.
    Hang,
}

/// A future that runs before the answer of a call.
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

    /// Limits the changes per call.
    pub(crate) fn taking(mut self, max_changes: usize) -> Self {
        self.capabilities.max_changes = max_changes;
        self
    }

    /// Adds these faults, the first first.
    pub(crate) fn failing(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults = Mutex::new(faults.into_iter().collect());
        self.faults.get_mut().reverse();
        self
    }

    /// Rejects changes of these names with this error.
    pub(crate) fn forbidding(
        mut self,
        names: impl IntoIterator<Item = (DomainName, BackendErrorKind)>,
    ) -> Self {
        self.forbidden.extend(names);
        self
    }

    /// Waits for this future before each call of `apply` returns.
    pub(crate) fn after<F: Future<Output = ()> + Send + 'static>(
        mut self,
        wait: impl Fn(&[Change]) -> F + Send + Sync + 'static,
    ) -> Self {
        self.before = Before(Box::new(move |changes| wait(changes).boxed()));
        self
    }

    /// Returns the changes of each call.
    pub(crate) fn calls(&self) -> Vec<Vec<Change>> {
        self.calls.lock().clone()
    }

    /// Returns the number of changes of each call.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.calls.lock().iter().map(Vec::len).collect()
    }

    fn require_possible(&self, changes: &[Change]) {
        let Capabilities { removes, max_changes, .. } = self.capabilities;
        assert!(changes.len() <= max_changes, "a call has {} changes", changes.len());
        let removal = |change: &Change| matches!(change, Change::RemoveTxt { .. });
        assert!(removes || !changes.iter().any(removal), "a call removes a value without the capability");
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
        assert!(self.capabilities.reads, "a call reads without the capability");
        self.inner.read(zone, name, record_type).await
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn advice(&self, _: &DomainName) -> Result<Vec<Advice>, BackendError> {
        Ok(vec![Advice { finding: "It is scripted.".to_owned(), remedy: "None.".to_owned() }])
    }
}
