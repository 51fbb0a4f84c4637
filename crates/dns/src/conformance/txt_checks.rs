//! Checks of single TXT values.

use fleetcert_names::DomainName;
use futures_util::future::join;

use super::trial::{Fault, Trial, add, remove, text};
use crate::TxtValue;

pub(super) async fn add_then_read(trial: &Trial<'_>) -> Result<(), Fault> {
    let name = trial.clean_name("add").await?;
    trial.require_txt(&name, &[]).await?;
    let value = text("gfj9Xq-Rg85nM_LoFdkNKZOjHaEDZ7rX1tbGqdNA9sA");
    trial.apply(&[add(&name, &value)]).await?;
    trial.require_txt(&name, &[&value]).await
}

pub(super) async fn add_twice(trial: &Trial<'_>) -> Result<(), Fault> {
    let name = trial.clean_name("twice").await?;
    let value = text("one");
    trial.apply(&[add(&name, &value)]).await?;
    trial.apply(&[add(&name, &value)]).await?;
    trial.apply(&[add(&name, &value), add(&name, &value)]).await?;
    trial.require_txt(&name, &[&value]).await?;
    // A second copy would show itself now.
    trial.apply(&[remove(&name, &value)]).await?;
    trial.require_txt(&name, &[]).await
}

pub(super) async fn two_owners(trial: &Trial<'_>) -> Result<(), Fault> {
    for round in 0..5 {
        let name = trial.clean_name(&format!("shared{round}")).await?;
        let (mine, yours) = (text("mine"), text("yours"));
        let additions = ([add(&name, &mine)], [add(&name, &yours)]);
        let (first, second) = join(trial.apply(&additions.0), trial.apply(&additions.1)).await;
        first.and(second)?;
        trial.require_txt(&name, &[&mine, &yours]).await?;
    }
    Ok(())
}

pub(super) async fn remove_one(trial: &Trial<'_>) -> Result<(), Fault> {
    let name = trial.clean_name("siblings").await?;
    let values = [text("one"), text("two"), text("three")];
    trial.apply(&[add(&name, &values[0]), add(&name, &values[1])]).await?;
    trial.apply(&[add(&name, &values[2])]).await?;
    trial.require_txt(&name, &[&values[0], &values[1], &values[2]]).await?;
    trial.apply(&[remove(&name, &values[1])]).await?;
    trial.require_txt(&name, &[&values[0], &values[2]]).await
}

pub(super) async fn remove_missing(trial: &Trial<'_>) -> Result<(), Fault> {
    let name = trial.clean_name("missing").await?;
    let (there, missing) = (text("there"), text("missing"));
    trial.apply(&[remove(&name, &missing)]).await?;
    trial.apply(&[add(&name, &there)]).await?;
    trial.apply(&[remove(&name, &missing)]).await?;
    trial.require_txt(&name, &[&there]).await
}

pub(super) async fn long_values(trial: &Trial<'_>) -> Result<(), Fault> {
    let name = trial.clean_name("long").await?;
    // The same first string of 255 octets, so that a backend that cuts makes one of the two.
    let long = |last: u8| {
        let octets: Vec<u8> = (b'a'..=b'z').cycle().take(599).chain([last]).collect();
        TxtValue::new(&octets).expect("600 octets are allowed")
    };
    let (one, two) = (long(b'1'), long(b'2'));
    trial.apply(&[add(&name, &one), add(&name, &two)]).await?;
    trial.require_txt(&name, &[&one, &two]).await?;
    trial.apply(&[remove(&name, &one)]).await?;
    trial.require_txt(&name, &[&two]).await
}

pub(super) async fn case_of_values(trial: &Trial<'_>) -> Result<(), Fault> {
    let name = trial.clean_name("values").await?;
    let (upper, lower) = (text("AbC"), text("aBc"));
    trial.apply(&[add(&name, &upper), add(&name, &lower)]).await?;
    trial.require_txt(&name, &[&upper, &lower]).await?;
    trial.apply(&[remove(&name, &lower)]).await?;
    trial.require_txt(&name, &[&upper]).await
}

pub(super) async fn case_of_names(trial: &Trial<'_>) -> Result<(), Fault> {
    let name = trial.clean_name("cased").await?;
    let shouted: DomainName = name
        .as_str()
        .to_ascii_uppercase()
        .parse()
        .map_err(|_| Fault::NotRun(format!("{name} in upper case is no name")))?;
    let (one, two) = (text("one"), text("two"));
    trial.apply(&[add(&shouted, &one)]).await?;
    trial.apply(&[add(&name, &two)]).await?;
    trial.require_txt(&name, &[&one, &two]).await?;
    trial.require_txt(&shouted, &[&one, &two]).await
}
