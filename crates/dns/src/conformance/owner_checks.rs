//! Checks of several writers at one name.

use super::trial::{Fault, Instance, On, Trial, add, remove, text};

/// Number of attempts to make calls overlap.
const ROUNDS: usize = 5;

pub(super) async fn two_owners(trial: &Trial<'_>) -> Result<(), Fault> {
    both_add(trial, "shared", [Instance::First, Instance::First]).await
}

pub(super) async fn two_instances(trial: &Trial<'_>) -> Result<(), Fault> {
    both_add(trial, "instances", Instance::BOTH).await
}

async fn both_add(trial: &Trial<'_>, label: &str, [mine, yours]: [Instance; 2]) -> Result<(), Fault> {
    trial.require_values(2)?;
    for (round, on) in rounds() {
        let name = trial.clean_name(&format!("{label}{round}")).await?;
        let (one, two) = (text("mine"), text("yours"));
        trial.all_at_once(&[(mine, add(&name, &one)), (yours, add(&name, &two))], on).await?;
        // Each instance sees what the other wrote.
        trial.require_txt_by(mine, &name, &[&one, &two]).await?;
        trial.require_txt_by(yours, &name, &[&one, &two]).await?;
    }
    Ok(())
}

/// Checks two successive orders at one name in two processes: one withdraws while the next publishes.
pub(super) async fn come_and_go(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_values(2)?;
    let name = trial.clean_name("handover").await?;
    let mut old = text("first");
    trial.apply(&[add(&name, &old)]).await?;
    for (round, on) in rounds() {
        let new = text(&format!("round{round}"));
        let changes = [(Instance::First, remove(&name, &old)), (Instance::Second, add(&name, &new))];
        trial.all_at_once(&changes, on).await?;
        for instance in Instance::BOTH {
            trial.require_txt_by(instance, &name, &[&new]).await?;
        }
        old = new;
    }
    Ok(())
}

/// Returns the numbered rounds, in one task and on several threads.
fn rounds() -> impl Iterator<Item = (usize, On)> {
    On::BOTH.into_iter().flat_map(|on| std::iter::repeat_n(on, ROUNDS)).enumerate()
}
