//! The backend.

mod call;

use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use fleetcert_ambient::Ambient;
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet, RecordType,
};
use fleetcert_names::DomainName;
use futures_util::{FutureExt, StreamExt, stream};

use crate::changes::last_changes;
use crate::primary::Primary;
use crate::record_set::record_set;
use crate::update::{conditional_update, updates};
use crate::{Prerequisite, ReadFirst, Rfc2136Options};
use call::Call;

/// A backend that changes zones by signed updates, and reads them by queries over TCP or TLS.
///
/// All calls share one persistent connection to each server, with many messages in flight. The first call opens it,
/// in a separate task on that call's tokio runtime. It is opened again after the server has closed it.
///
/// A lost message is sent again within the call's deadline, because changes may be repeated. So a change may be made a
/// second time shortly after the first; callers must already wait for one change of a name before they make the next.
#[derive(Debug)]
pub struct Rfc2136Backend {
    options: Rfc2136Options,
    primaries: Vec<Primary>,
    /// Index of the server that answered last.
    preferred: AtomicUsize,
    ambient: Ambient,
}

impl Rfc2136Backend {
    /// Returns a backend for these servers. It draws message ids and jitter from `ambient`. Nothing is sent and no
    /// connection is opened before the first call.
    pub fn new(options: Rfc2136Options, ambient: Ambient) -> Self {
        let primaries = options
            .servers
            .iter()
            .map(|server| Primary::new(server.clone(), &options, ambient.clone()))
            .collect();
        Self { options, primaries, preferred: AtomicUsize::new(0), ambient }
    }

    /// Makes the changes, as [`apply`](DnsBackend::apply) does, if the zone satisfies the prerequisites, and otherwise
    /// nothing (compare-and-set). It is always one message; without prerequisites it is an ordinary update.
    ///
    /// **Effect.** With `a A 10.1.1.4` in the zone, [`Prerequisite::SetIs`] with that address and the change to
    /// `10.1.1.5` leave `a A 10.1.1.5`. With any other address there, nothing changes and the call is `Conflict`.
    ///
    /// **Idempotence.** A repeated call finds the zone as the first one left it, and is `Conflict` if that does not
    /// satisfy the prerequisites. So the message is not sent again if its fate is unknown, and it has a separate
    /// connection that no other message can end.
    ///
    /// **Concurrency.** Of several calls with prerequisites that exclude each other, one succeeds.
    ///
    /// **Cancellation.** If the call is dropped, the changes take effect as a whole or not at all.
    ///
    /// # Errors
    /// Those of [`apply`](DnsBackend::apply), and [`Conflict`](BackendErrorKind::Conflict) if the zone does not
    /// satisfy the prerequisites. After `Unavailable` the changes may have taken effect: read, then decide.
    ///
    /// # Example
    /// ```no_run
    /// use fleetcert_dns::{Addresses, BackendErrorKind, Change, RecordData, Ttl};
    /// use fleetcert_dns_rfc2136::{Prerequisite, Rfc2136Backend};
    /// use fleetcert_names::DomainName;
    ///
    /// # async fn example(backend: Rfc2136Backend) -> Result<(), Box<dyn std::error::Error>> {
    /// let zone: DomainName = "fleet.test".parse()?;
    /// let name: DomainName = "a.fleet.test".parse()?;
    /// let as_read = [RecordData::A([10, 1, 1, 4].into())].into();
    /// let unchanged = [Prerequisite::SetIs { name: name.clone(), values: as_read }];
    /// let addresses = Addresses::new([[10, 1, 1, 5].into()])?;
    /// let change = Change::SetAddresses { name, addresses, ttl: Ttl::ADDRESS };
    /// match backend.apply_if(&zone, &unchanged, &[change]).await {
    ///     Err(error) if error.kind() == BackendErrorKind::Conflict => {
    ///         println!("another client was faster");
    ///     }
    ///     result => result?,
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn apply_if(
        &self,
        zone: &DomainName,
        prerequisites: &[Prerequisite],
        changes: &[Change],
    ) -> Result<(), BackendError> {
        let call = self.call(Operation::Apply, zone);
        self.capabilities().check(zone, changes)?;
        for prerequisite in prerequisites {
            Operation::Apply.check_name(zone, prerequisite.name())?;
            if prerequisite.to_wire().is_empty() {
                let why = "a set without values is not a prerequisite; use NoSet";
                return Err(call.error(BackendErrorKind::InvalidInput, why));
            }
        }
        let changes = last_changes(changes);
        let known = call.known(&changes).await?;
        let update = conditional_update(zone, prerequisites, &changes, known.strings());
        call.update(&update.map_err(|_| call.too_long())?, prerequisites.is_empty()).await
    }

    /// Returns the number of update messages that were sent to all servers, including repetitions.
    pub fn updates_sent(&self) -> u64 {
        self.primaries.iter().map(Primary::updates_sent).sum()
    }

    fn call<'a>(&'a self, operation: Operation, zone: &'a DomainName) -> Call<'a> {
        let end = self.ambient.now() + self.options.call_within;
        Call { backend: self, operation, zone, end }
    }
}

#[async_trait]
impl DnsBackend for Rfc2136Backend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let call = self.call(Operation::Apply, zone);
        self.capabilities().check(zone, changes)?;
        let mut changes = last_changes(changes);
        let known = call.known(&changes).await?;
        if self.options.read_first == ReadFirst::Everything {
            changes.retain(|change| !known.is_idle(change));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let updates = updates(zone, &changes, known.strings()).map_err(|_| call.too_long())?;
        if self.options.atomic && updates.len() > 1 {
            return Err(call.too_long());
        }
        // Each is awaited to its end, even if another one fails.
        let under_way: Vec<_> = updates.iter().map(|update| call.update(update, true).boxed()).collect();
        let results: Vec<_> =
            stream::iter(under_way).buffer_unordered(self.options.max_in_flight.max(1)).collect().await;
        results.into_iter().collect()
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let call = self.call(Operation::Read, zone);
        self.capabilities().check_read(zone, name)?;
        let answer = call.query(name, record_type).await?;
        Ok(record_set(&answer, name, record_type))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic: self.options.atomic,
            max_changes: self.options.max_changes,
            ..Capabilities::ALL
        }
    }
}
