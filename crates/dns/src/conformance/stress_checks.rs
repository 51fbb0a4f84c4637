//! Checks of many concurrent calls, and of dropped calls.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use fleetcert_names::DomainName;
use futures_util::FutureExt;

use super::trial::{Fault, Instance, On, Trial, add, remove, text};
use crate::{Change, RecordType, TxtValue};

pub(super) async fn concurrent_changes(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_values(2)?;
    let names = trial.clean_names("n", trial.calls_at_once()).await?;
    let (first, second) = (text("first"), text("second"));
    let by_turns = || Instance::BOTH.into_iter().cycle();
    let additions: Vec<_> = by_turns().zip(names.iter().map(|name| add(name, &first))).collect();
    trial.all_at_once(&additions, On::OneTask).await?;

    // One half is removed while the other half gets a second value.
    let removed = |number: usize| number.is_multiple_of(2);
    let mixed = names
        .iter()
        .enumerate()
        .map(|(number, name)| if removed(number) { remove(name, &first) } else { add(name, &second) });
    let mixed: Vec<_> = by_turns().skip(1).zip(mixed).collect();
    trial.all_at_once(&mixed, On::SeveralThreads).await?;
    let (none, both): ([&TxtValue; 0], _) = ([], [&first, &second]);
    let expected = names.iter().enumerate().map(|(number, name)| {
        let wanted: &[&TxtValue] = if removed(number) { &none } else { &both };
        trial.require_txt(name, wanted).boxed()
    });
    trial.side_by_side(expected).await
}

/// Numbers of polls after which a call is dropped, from its start to the end of a call over the network.
const STEPS: [usize; 8] = [1, 2, 3, 4, 5, 7, 10, 15];
/// Delays between looks: a server may make the changes after the call was dropped.
const LOOKS: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(2), Duration::from_millis(10), Duration::from_millis(50)];

pub(super) async fn cancelled_lists(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_atomic_lists_of(2)?;
    let count = trial.capabilities.max_changes.min(8).min(trial.capabilities.max_values);
    trial.require_values(2)?;
    for steps in STEPS {
        let name = trial.clean_name(&format!("cancelled{steps}")).await?;
        let changes: Vec<Change> = (0..count).map(|number| add(&name, &text(&number.to_string()))).collect();
        dropped_after(steps, trial.backend(Instance::First).apply(trial.zone, &changes)).await;
        require_all_or_nothing(trial, &name, count).await?;
    }
    Ok(())
}

async fn require_all_or_nothing(trial: &Trial<'_>, name: &DomainName, count: usize) -> Result<(), Fault> {
    for pause in LOOKS {
        trial.clock.sleep(pause).await;
        // All values are at one name, so one answer shows a partial list.
        let values: BTreeSet<_> = trial.read(name, RecordType::Txt).await?;
        if ![0, count].contains(&values.len()) {
            let found = values.len();
            return Err(Fault::Failed(format!(
                "{name}: a list of {count} values was made in part: {found} of them"
            )));
        }
    }
    Ok(())
}

/// Checks that repeating a dropped call has the same effect as if it had not been dropped.
pub(super) async fn cancelled_calls(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_values(2)?;
    for steps in STEPS {
        let name = trial.clean_name(&format!("repeated{steps}")).await?;
        let (kept, gone, new) = (text("kept"), text("gone"), text("new"));
        trial.apply(&[add(&name, &kept), add(&name, &gone)]).await?;
        for change in [remove(&name, &gone), add(&name, &new)] {
            let changes = [change];
            dropped_after(steps, trial.backend(Instance::First).apply(trial.zone, &changes)).await;
            trial.apply(&changes).await?;
        }
        // Late effects of the dropped calls change nothing.
        trial.clock.sleep(LOOKS[2]).await;
        trial.require_txt(&name, &[&kept, &new]).await?;
    }
    Ok(())
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
