//! Checks of several who write at one name.

use futures_util::future::join;

use super::trial::{Fault, Instance, Trial, add, remove, text};

/// What goes wrong only now and then is tried so often.
const ROUNDS: usize = 5;

pub(super) async fn two_owners(trial: &Trial<'_>) -> Result<(), Fault> {
    both_add(trial, "shared", [Instance::First, Instance::First]).await
}

pub(super) async fn two_instances(trial: &Trial<'_>) -> Result<(), Fault> {
    both_add(trial, "instances", Instance::BOTH).await
}

async fn both_add(trial: &Trial<'_>, label: &str, [mine, yours]: [Instance; 2]) -> Result<(), Fault> {
    trial.require_values(2)?;
    for round in 0..ROUNDS {
        let name = trial.clean_name(&format!("{label}{round}")).await?;
        let (one, two) = (text("mine"), text("yours"));
        let additions = ([add(&name, &one)], [add(&name, &two)]);
        let (first, second) =
            join(trial.apply_by(mine, &additions.0), trial.apply_by(yours, &additions.1)).await;
        first.and(second)?;
        // Each sees what the other wrote.
        trial.require_txt_by(mine, &name, &[&one, &two]).await?;
        trial.require_txt_by(yours, &name, &[&one, &two]).await?;
    }
    Ok(())
}

/// Two orders that follow each other at one name, in two processes: one withdraws while the next publishes.
pub(super) async fn come_and_go(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_values(2)?;
    let name = trial.clean_name("handover").await?;
    let value = |round: usize| text(&format!("round{round}"));
    trial.apply(&[add(&name, &value(0))]).await?;
    for round in 1..=ROUNDS {
        let changes = ([remove(&name, &value(round - 1))], [add(&name, &value(round))]);
        let (first, second) =
            join(trial.apply_by(Instance::First, &changes.0), trial.apply_by(Instance::Second, &changes.1))
                .await;
        first.and(second)?;
        for instance in Instance::BOTH {
            trial.require_txt_by(instance, &name, &[&value(round)]).await?;
        }
    }
    Ok(())
}
