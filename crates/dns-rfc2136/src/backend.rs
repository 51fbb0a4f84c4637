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

use crate::changes::last_words;
use crate::primary::Primary;
use crate::record_set::record_set;
use crate::update::{conditional_update, updates};
use crate::{Prerequisite, ReadFirst, Rfc2136Options};
use call::Call;

/// Changes zones by signed updates, and reads them by ordinary queries over TCP or TLS.
///
/// To each server there is one connection, kept and shared by all calls, with many messages under way on it. It is
/// made by the first call that needs it, in a task of its own on that call's tokio runtime, and made anew when the
/// server has closed it.
///
/// What was lost on its way is sent again within the call's deadline, because changes may be repeated. So a change
/// may be made a second time, shortly after the first; calls that must not overtake each other at one name wait for
/// each other, as they must anyway.
#[derive(Debug)]
pub struct Rfc2136Backend {
    options: Rfc2136Options,
    primaries: Vec<Primary>,
    /// The one that answered last.
    preferred: AtomicUsize,
    ambient: Ambient,
}

impl Rfc2136Backend {
    /// Returns a backend for these servers. The randomness gives the ids of messages and spreads waits. Nothing is sent,
    /// and nothing connected, before the first call.
    pub fn new(options: Rfc2136Options, ambient: Ambient) -> Self {
        let primaries = options
            .servers
            .iter()
            .map(|server| Primary::new(server.clone(), &options, ambient.clone()))
            .collect();
        Self { options, primaries, preferred: AtomicUsize::new(0), ambient }
    }

    /// Makes the changes, as [`apply`](DnsBackend::apply) does, if the zone is as the prerequisites say; else
    /// nothing (compare-and-set). It is one message always, and without prerequisites it is an ordinary update.
    ///
    /// **Effect.** With `a A 10.1.1.4` in the zone, [`Prerequisite::SetIs`] with that address and the change to
    /// `10.1.1.5` leave `a A 10.1.1.5`. With any other address there, nothing changes and the call is `Conflict`.
    ///
    /// **Idempotence.** The same call again finds the zone as the first one left it, and is `Conflict` where that
    /// does not fit. So the message is not sent again when its fate is unknown, and it has a connection of its own,
    /// which does not end because of others.
    ///
    /// **Concurrency.** Of several calls with prerequisites that exclude each other, one succeeds.
    ///
    /// **Cancellation.** A dropped call has been made as a whole or not at all.
    ///
    /// # Errors
    /// Those of [`apply`](DnsBackend::apply), and [`Conflict`](BackendErrorKind::Conflict) when the zone is not as
    /// the prerequisites say. After `Unavailable` the changes may have been made: read, then decide.
    ///
    /// # Example
    /// ```no_run
    /// use fleetcert_dns::{Addresses, BackendErrorKind, Change, RecordData, Ttl};
    /// use fleetcert_dns_rfc2136::{Prerequisite, Rfc2136Backend};
    /// use fleetcert_names::DomainName;
    ///
    /// # async fn example(backend: Rfc2136Backend) -> Result<(), Box<dyn std::error::Error>> {
    /// let (zone, name): (DomainName, DomainName) = ("fleet.test".parse()?, "a.fleet.test".parse()?);
    /// let as_read = [RecordData::A([10, 1, 1, 4].into())].into();
    /// let still = [Prerequisite::SetIs { name: name.clone(), values: as_read }];
    /// let addresses = Addresses::new([[10, 1, 1, 5].into()])?;
    /// match backend.apply_if(&zone, &still, &[Change::SetAddresses { name, addresses, ttl: Ttl::ADDRESS }]).await {
    ///     Err(error) if error.kind() == BackendErrorKind::Conflict => println!("somebody was faster"),
    ///     made => made?,
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
                let why = "a set without values is no condition; it is written as NoSet";
                return Err(call.error(BackendErrorKind::InvalidInput, why));
            }
        }
        let changes = last_words(changes);
        let known = call.known(&changes).await?;
        let update = conditional_update(zone, prerequisites, &changes, known.cuts());
        call.update(&update.map_err(|_| call.too_long())?, prerequisites.is_empty()).await
    }

    /// How many update messages this backend has sent so far to all its servers, repetitions among them.
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
        let mut changes = last_words(changes);
        let known = call.known(&changes).await?;
        if self.options.read_first == ReadFirst::Everything {
            changes.retain(|change| !known.is_idle(change));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let updates = updates(zone, &changes, known.cuts()).map_err(|_| call.too_long())?;
        if self.options.atomic && updates.len() > 1 {
            return Err(call.too_long());
        }
        // Each is seen to its end, whatever becomes of the others.
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
