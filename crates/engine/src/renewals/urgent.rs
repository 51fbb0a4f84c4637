//! Renewals that the CA wants at once: collected in a round of polls, paced by the plan of all nodes.

use std::time::{Duration, SystemTime};

use fleetcert_schedule::{Affected, MassPlan, Turn};
use fleetcert_store::{Expect, Transaction};
use serde::{Deserialize, Serialize};

use super::PolledCertificate;
use crate::context::ServiceContext;
use crate::records::{self, RENEWAL_PLANS, Stored};
use crate::{EngineError, EngineErrorKind, Event};

/// Maximum certificates that are placed together.
const MAX_ROUND: usize = 1000;
/// Maximum time for which a round is collected. It ends well before the leases of its records.
const MAX_ROUND_TIME: Duration = Duration::from_secs(60);
/// Attempts of the write of the plan. Each conflict is a success of another node.
const MAX_ATTEMPTS: usize = 8;
/// Key of the one plan.
const PLAN: &str = "at-once";

/// The certificates of a round of polls that must be renewed at once.
///
/// A round ends when no poll is due and none is in flight, so that a single certificate does not wait.
#[derive(Debug, Default)]
pub(super) struct UrgentRound {
    certificates: Vec<PolledCertificate>,
    since: Option<SystemTime>,
}

impl UrgentRound {
    pub(super) fn add(&mut self, certificate: PolledCertificate, now: SystemTime) {
        self.since.get_or_insert(now);
        self.certificates.push(certificate);
    }

    /// Returns the certificates of a round that has ended.
    pub(super) fn take_ended(&mut self, polls_are_left: bool, now: SystemTime) -> Vec<PolledCertificate> {
        let age = self.since.map(|since| now.duration_since(since).unwrap_or(MAX_ROUND_TIME));
        let goes_on = polls_are_left && self.certificates.len() < MAX_ROUND;
        if goes_on && age.is_none_or(|age| age < MAX_ROUND_TIME) {
            return Vec::new();
        }
        self.since = None;
        std::mem::take(&mut self.certificates)
    }
}

/// The plan as it is stored. One record for all nodes, so that they keep the pace together.
#[derive(Debug, Serialize, Deserialize)]
struct PlanRecord {
    free_at: SystemTime,
    overtaking_free_at: SystemTime,
}

impl From<&PlanRecord> for MassPlan {
    fn from(record: &PlanRecord) -> Self {
        Self { free_at: record.free_at, overtaking_free_at: record.overtaking_free_at }
    }
}

impl From<MassPlan> for PlanRecord {
    fn from(plan: MassPlan) -> Self {
        Self { free_at: plan.free_at, overtaking_free_at: plan.overtaking_free_at }
    }
}

/// Takes places in the plan for the certificates of a round. A crash afterwards leaves the places unused.
pub(super) async fn take_turns(
    context: &ServiceContext,
    per_hour: u32,
    mut round: Vec<PolledCertificate>,
) -> Result<Vec<Turn<PolledCertificate>>, EngineError> {
    for _ in 0..MAX_ATTEMPTS {
        let found = context.store.read(RENEWAL_PLANS, PLAN).await?;
        let expect = found.as_ref().map_or(Expect::Absent, |found| Expect::Version(found.version));
        // A damaged plan is reported and begins again.
        let stored = found.and_then(|found| context.ok_or_report(Stored::<PlanRecord>::decode(found)));
        let mut plan = stored.map_or(MassPlan::EMPTY, |stored| MassPlan::from(&stored.value));
        let now = context.now();
        let affected = round
            .into_iter()
            .map(|certificate| Affected { deadline: certificate.record.deadline(now), id: certificate });
        let turns = plan.place(affected, per_hour, now);
        let record = records::encode(&PlanRecord::from(plan));
        match context.store.commit(Transaction::new().put(RENEWAL_PLANS, PLAN, expect, record, None)).await {
            Ok(_) => {
                if let Some(last) = turns.last().filter(|last| last.at > now) {
                    let (certificates, until) = (turns.len(), last.at);
                    let late = turns.iter().filter(|turn| turn.late).count();
                    context.notify(&Event::RenewalsPaced { certificates, until, late });
                }
                return Ok(turns);
            }
            Err(error) if error.is_conflict() => round = turns.into_iter().map(|turn| turn.id).collect(),
            Err(error) => return Err(error.into()),
        }
    }
    Err(EngineError::new(EngineErrorKind::Unavailable, "too many renewals of other nodes at the same time"))
}
