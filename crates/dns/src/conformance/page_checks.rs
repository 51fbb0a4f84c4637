//! Checks with more records than one page of a service's list.

use futures_util::FutureExt;

use super::trial::{Fault, Trial, add, remove, text};
use crate::TxtValue;

pub(super) async fn values(trial: &Trial<'_>) -> Result<(), Fault> {
    let count = trial.more_than_a_page();
    trial.require_values(count)?;
    let name = trial.clean_name("page").await?;
    let values: Vec<TxtValue> = (0..count).map(|number| text(&format!("v{number}"))).collect();
    let all: Vec<_> = values.iter().collect();
    trial.apply(&values.iter().map(|value| add(&name, value)).collect::<Vec<_>>()).await?;
    trial.require_txt(&name, &all).await?;

    // Values are found on whichever page they are, and are neither doubled nor left.
    let (first, last) = (&values[0], &values[count - 1]);
    trial.apply(&[add(&name, first), add(&name, last)]).await?;
    trial.require_txt(&name, &all).await?;
    trial.apply(&[remove(&name, first), remove(&name, last)]).await?;
    trial.require_txt(&name, &all[1..count - 1]).await
}

pub(super) async fn names(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_values(2)?;
    let names = trial.clean_names("paged", trial.more_than_a_page()).await?;
    let (one, two) = (text("one"), text("two"));
    trial.apply(&names.iter().map(|name| add(name, &one)).collect::<Vec<_>>()).await?;
    trial.apply(&names.iter().map(|name| add(name, &two)).collect::<Vec<_>>()).await?;
    let both = names.iter().map(|name| async { trial.require_txt(name, &[&one, &two]).await }.boxed());
    trial.side_by_side(both).await?;
    trial.apply(&names.iter().map(|name| remove(name, &one)).collect::<Vec<_>>()).await?;
    let second = names.iter().map(|name| async { trial.require_txt(name, &[&two]).await }.boxed());
    trial.side_by_side(second).await
}
