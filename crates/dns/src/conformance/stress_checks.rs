//! Checks of many calls at once, and of calls that are dropped.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use fleetcert_names::DomainName;
use futures_util::FutureExt;

use super::trial::{Fault, Trial, add, remove, text};
use crate::side_by_side::side_by_side;
use crate::{Change, RecordType, TxtValue};

const NAMES: usize = 100;

pub(super) async fn concurrent_changes(trial: &Trial<'_>) -> Result<(), Fault> {
    let mut names = Vec::with_capacity(NAMES);
    for number in 0..NAMES {
        names.push(trial.clean_name(&format!("n{number}")).await?);
    }
    let (first, second) = (text("first"), text("second"));
    let additions: Vec<Change> = names.iter().map(|name| add(name, &first)).collect();
    all_at_once(trial, &additions).await?;

    // Now one half is removed while the other half gets a second value.
    let removed = |number: usize| number.is_multiple_of(2);
    let mixed: Vec<Change> = names
        .iter()
        .enumerate()
        .map(|(number, name)| if removed(number) { remove(name, &first) } else { add(name, &second) })
        .collect();
    all_at_once(trial, &mixed).await?;
    for (number, name) in names.iter().enumerate() {
        let wanted: &[&TxtValue] = if removed(number) { &[] } else { &[&first, &second] };
        trial.require_txt(name, wanted).await?;
    }
    Ok(())
}

async fn all_at_once(trial: &Trial<'_>, changes: &[Change]) -> Result<(), Fault> {
    // Every call is waited for, so that none is still under way when a check ends.
    let calls = changes.iter().map(|change| trial.apply(std::slice::from_ref(change)).boxed()).collect();
    side_by_side(changes.len(), calls).await.into_iter().collect()
}

/// A call is dropped after so many steps, from its first to where a call over the network ends.
const STEPS: [usize; 8] = [1, 2, 3, 4, 5, 7, 10, 15];
/// A server may make the changes after the call was dropped, so it is asked more than once.
const LOOKS: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(2), Duration::from_millis(10), Duration::from_millis(50)];

pub(super) async fn cancelled_calls(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_atomic_lists_of(2)?;
    let count = trial.capabilities.max_changes.min(8);
    for steps in STEPS {
        let name = trial.clean_name(&format!("cancelled{steps}")).await?;
        let changes: Vec<Change> = (0..count).map(|number| add(&name, &text(&number.to_string()))).collect();
        dropped_after(steps, trial.subject.backend.apply(&trial.subject.zone, &changes)).await;
        require_all_or_nothing(trial, &name, count).await?;

        // Callers that must know repeat the call.
        trial.apply(&changes).await?;
        require_count(&name, trial.read(&name, RecordType::Txt).await?.len(), &[count])?;
    }
    Ok(())
}

async fn require_all_or_nothing(trial: &Trial<'_>, name: &DomainName, count: usize) -> Result<(), Fault> {
    for pause in LOOKS {
        trial.subject.clock.sleep(pause).await;
        // All values are at one name, so one answer shows a list half done.
        let values: BTreeSet<_> = trial.read(name, RecordType::Txt).await?;
        require_count(name, values.len(), &[0, count])?;
    }
    Ok(())
}

fn require_count(name: &DomainName, found: usize, allowed: &[usize]) -> Result<(), Fault> {
    if allowed.contains(&found) {
        return Ok(());
    }
    Err(Fault::Failed(format!(
        "{name}: a list of {} values was half made: {found} of them",
        allowed[allowed.len() - 1]
    )))
}

/// Polls the future at most `steps` times and drops it.
async fn dropped_after(steps: usize, call: impl Future) {
    let mut call = pin!(call);
    let mut left = steps;
    poll_fn(|context| {
        if call.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
