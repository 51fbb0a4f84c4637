//! A backend that follows aliases and delegations of challenge names.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use fleetcert_dns::{
    Advice, BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet,
    RecordType,
};
use fleetcert_names::DomainName;
use futures_util::{FutureExt, StreamExt, stream};

use crate::{ChallengeTarget, Finder, LookupError, LookupErrorKind, Rcode};

/// Writes challenge records where their names lead. Use it if you delegated `_acme-challenge.x` by an alias (CNAME) or NS
/// records to a zone for challenges, and run an engine that knows only `x`.
///
/// TXT values of names that begin with `_acme-challenge` go to their [target](Finder::challenge_target), all other changes
/// to the zone of the call. Targets outside the allowed zones are refused, because it is a resolver that reports them.
///
/// **Aliases that change.** A value is removed where its name leads at that time. Change an alias while no order is in
/// flight, or remove the values at its old target by hand.
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

/// Maximum names followed at the same time.
const NAMES_AT_ONCE: usize = 8;

impl<B: DnsBackend> FollowingBackend<B> {
    /// Returns a backend that writes through `inner`, which must be able to change the `allowed` zones too. The zone of the
    /// call is always allowed.
    pub fn new(inner: B, finder: Finder, allowed: impl IntoIterator<Item = DomainName>) -> Self {
        Self { inner, finder, allowed: allowed.into_iter().collect() }
    }

    /// Returns where the name leads, or why nothing can be written there.
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

    /// Returns the changes, each with the name to which it leads, by zone and in their order.
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
            // Refused before any server is asked.
            return self.inner.apply(zone, changes).await;
        }
        for change in changes {
            Operation::Apply.check_name(zone, change.name())?;
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
        Operation::Read.check_name(zone, name)?;
        if record_type != RecordType::Txt || !is_challenge_name(name) {
            return self.inner.read(zone, name, record_type).await;
        }
        let target = self.target(Operation::Read, zone, name).await?;
        self.inner.read(&target.zone, &target.name, record_type).await
    }

    /// Returns those of the inner backend, without `atomic`: a list may be for several zones.
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
