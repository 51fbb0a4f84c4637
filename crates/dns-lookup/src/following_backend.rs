//! A backend that writes challenges where their names lead.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use fleetcert_dns::{
    Advice, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet,
    RecordType,
};
use fleetcert_names::DomainName;
use futures_util::{FutureExt, StreamExt, stream};

use crate::{ChallengeTarget, Finder, LookupError, LookupErrorKind, Rcode};

/// Writes challenge records where their names lead: for who has delegated `_acme-challenge.x` by an alias (CNAME) or
/// NS records into a zone that is kept for that, and runs an engine that knows only `x`.
///
/// TXT values of names that begin with `_acme-challenge` go to their [target](Finder::challenge_target), everything
/// else to the zone that the caller names. Targets in other zones than the ones that were allowed are refused, since a
/// resolver says where they are.
///
/// **Aliases that change.** A value is removed where its name leads then. Change an alias when no order is under way,
/// or remove what is left at its old target by hand.
///
/// ```
/// use fleetcert_dns_lookup::{Finder, FollowingBackend};
/// use fleetcert_dns::MemoryBackend;
///
/// # fn example(finder: Finder) -> Result<(), Box<dyn std::error::Error>> {
/// let challenges = "acme.example.net".parse()?;
/// let inner = MemoryBackend::new([&"fleet.example.com".parse()?, &challenges]);
/// let backend = FollowingBackend::new(inner, finder, [challenges]);
/// # let _ = backend; Ok(()) }
/// ```
#[derive(Debug)]
pub struct FollowingBackend<B> {
    inner: B,
    finder: Finder,
    allowed: BTreeSet<DomainName>,
}

/// How many names are followed at the same time.
const NAMES_AT_ONCE: usize = 8;

impl<B: DnsBackend> FollowingBackend<B> {
    /// Writes through `inner`, which must be able to change the `allowed` zones too. The zone that a caller names is
    /// always allowed.
    pub fn new(inner: B, finder: Finder, allowed: impl IntoIterator<Item = DomainName>) -> Self {
        Self { inner, finder, allowed: allowed.into_iter().collect() }
    }

    /// Where the name leads, or why that is no place to write to.
    async fn target(
        &self,
        operation: Operation,
        zone: &DomainName,
        name: &DomainName,
    ) -> Result<ChallengeTarget, BackendError> {
        let target =
            self.finder.challenge_target(name).await.map_err(|error| not_followed(operation, zone, error))?;
        if target.zone == *zone || self.allowed.contains(&target.zone) {
            return Ok(target);
        }
        let why = format!("{target}, which is not among the zones that challenges may be written to");
        Err(BackendError::new(BackendErrorKind::Refused, operation, zone, why))
    }

    /// The changes, each with its true name, by zone and in their order.
    async fn followed(
        &self,
        zone: &DomainName,
        changes: &[Change],
    ) -> Result<BTreeMap<DomainName, Vec<Change>>, BackendError> {
        let names: BTreeSet<_> =
            changes.iter().filter(|change| is_challenge(change)).map(Change::name).collect();
        let targets: Vec<_> = names
            .into_iter()
            .map(|name| self.target(Operation::Apply, zone, name).map(move |target| (name, target)).boxed())
            .collect();
        let mut targets = stream::iter(targets).buffer_unordered(NAMES_AT_ONCE);
        let mut found = BTreeMap::new();
        while let Some((name, target)) = targets.next().await {
            found.insert(name, target?);
        }
        let mut by_zone: BTreeMap<DomainName, Vec<Change>> = BTreeMap::new();
        for change in changes {
            match found.get(change.name()).filter(|_| is_challenge(change)) {
                Some(target) => {
                    by_zone.entry(target.zone.clone()).or_default().push(renamed(change, &target.name));
                }
                None => by_zone.entry(zone.clone()).or_default().push(change.clone()),
            }
        }
        Ok(by_zone)
    }
}

#[async_trait]
impl<B: DnsBackend> DnsBackend for FollowingBackend<B> {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        if changes.len() > self.capabilities().max_changes {
            // Refused before anybody is asked.
            return self.inner.apply(zone, changes).await;
        }
        for change in changes {
            require_within(Operation::Apply, zone, change.name())?;
        }
        if !changes.iter().any(is_challenge) {
            return self.inner.apply(zone, changes).await;
        }
        for (zone, changes) in self.followed(zone, changes).await? {
            self.inner.apply(&zone, &changes).await?;
        }
        Ok(())
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        require_within(Operation::Read, zone, name)?;
        if record_type != RecordType::Txt || !is_challenge_name(name) {
            return self.inner.read(zone, name, record_type).await;
        }
        let target = self.target(Operation::Read, zone, name).await?;
        self.inner.read(&target.zone, &target.name, record_type).await
    }

    /// Those of the inner backend; but a list may be for several zones, and is not atomic then.
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic: false, ..self.inner.capabilities() }
    }

    async fn advice(&self, zone: &DomainName) -> Result<Vec<Advice>, BackendError> {
        self.inner.advice(zone).await
    }
}

fn is_challenge_name(name: &DomainName) -> bool {
    name.labels().next() == Some("_acme-challenge")
}

fn is_challenge(change: &Change) -> bool {
    match change {
        Change::AddTxt { name, .. } | Change::RemoveTxt { name, .. } => is_challenge_name(name),
        Change::SetAddresses { .. } => false,
    }
}

fn renamed(change: &Change, to: &DomainName) -> Change {
    let mut change = change.clone();
    match &mut change {
        Change::AddTxt { name, .. } | Change::RemoveTxt { name, .. } | Change::SetAddresses { name, .. } => {
            *name = to.clone();
        }
    }
    change
}

fn require_within(operation: Operation, zone: &DomainName, name: &DomainName) -> Result<(), BackendError> {
    if name.is_within(zone) {
        return Ok(());
    }
    let why = format!("{name} is outside the zone");
    Err(BackendError::new(BackendErrorKind::NotInZone, operation, zone, why))
}

fn not_followed(operation: Operation, zone: &DomainName, error: LookupError) -> BackendError {
    let kind = match error.kind() {
        LookupErrorKind::AliasLoop | LookupErrorKind::TooManyAliases | LookupErrorKind::ForeignAlias => {
            BackendErrorKind::InvalidInput
        }
        LookupErrorKind::NoZone => BackendErrorKind::NotInZone,
        LookupErrorKind::Failed(Rcode::Refused) => BackendErrorKind::Refused,
        _ => BackendErrorKind::Unavailable,
    };
    let server = error.server().to_owned();
    BackendError::new(kind, operation, zone, error).at_server(server)
}
