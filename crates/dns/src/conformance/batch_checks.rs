//! Checks of lists of changes, and of rejected calls.

use super::trial::{Fault, Trial, add, remove, require_refused, text};
use crate::{BackendErrorKind, Change};

/// Maximum length of a list that is worth its memory.
const MAX_LIST: usize = 10_000;

pub(super) async fn in_order(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_values(2)?;
    let name = trial.clean_name("order").await?;
    let (one, two) = (text("1"), text("2"));
    trial.apply(&[]).await?;
    trial.apply(&[add(&name, &one)]).await?;
    trial.apply(&[add(&name, &two), remove(&name, &one)]).await?;
    trial.require_txt(&name, &[&two]).await?;
    trial.apply(&[add(&name, &one), remove(&name, &one)]).await?;
    trial.require_txt(&name, &[&two]).await?;
    trial.apply(&[remove(&name, &two), add(&name, &two)]).await?;
    trial.require_txt(&name, &[&two]).await
}

pub(super) async fn outside_name(trial: &Trial<'_>) -> Result<(), Fault> {
    let value = text("outside");
    let outside = trial.sibling_zone()?;
    let answer = trial.try_apply(trial.zone, &[add(&outside, &value)]).await?;
    require_refused(answer, BackendErrorKind::NotInZone, "a change outside the zone")?;
    if !trial.capabilities.reads {
        return Ok(());
    }
    trial.require_no_read(&outside, BackendErrorKind::NotInZone, "a read outside the zone").await
}

pub(super) async fn unknown_zone(trial: &Trial<'_>) -> Result<(), Fault> {
    let zone = trial.sibling_zone()?;
    let answer = trial.try_apply(&zone, &[add(&zone, &text("unknown"))]).await?;
    require_refused(answer, BackendErrorKind::NotInZone, "a change of an unknown zone")
}

pub(super) async fn failed_list(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_atomic_lists_of(3)?;
    trial.require_values(2)?;
    let name = trial.clean_name("failed").await?;
    let (kept, new) = (text("kept"), text("new"));
    trial.apply(&[add(&name, &kept)]).await?;
    let changes = [add(&name, &new), remove(&name, &kept), add(&trial.sibling_zone()?, &new)];
    let answer = trial.try_apply(trial.zone, &changes).await?;
    require_refused(answer, BackendErrorKind::NotInZone, "a list with a change outside the zone")?;
    trial.require_txt(&name, &[&kept]).await
}

pub(super) async fn too_many(trial: &Trial<'_>) -> Result<(), Fault> {
    let most = trial.capabilities.max_changes;
    if most >= MAX_LIST {
        let most = if most == usize::MAX { "an unlimited number of".to_owned() } else { most.to_string() };
        return Err(Fault::Unsupported(format!("it takes {most} changes in one call")));
    }
    let name = trial.clean_name("many").await?;
    let values = trial.capabilities.max_values.clamp(1, 8);
    let changes: Vec<Change> =
        (0..=most).map(|number| add(&name, &text(&(number % values).to_string()))).collect();
    trial.apply(&changes[..most]).await?;
    let answer = trial.try_apply(trial.zone, &changes).await?;
    require_refused(answer, BackendErrorKind::InvalidInput, "a list above `max_changes`")
}
