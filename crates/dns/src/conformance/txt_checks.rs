//! Checks of single TXT values.

use fleetcert_names::DomainName;

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
    // A second copy would appear now.
    trial.apply(&[remove(&name, &value)]).await?;
    trial.require_txt(&name, &[]).await
}

pub(super) async fn remove_one(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_values(3)?;
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
    // Both values start with the same string of 255 octets, so that a backend that truncates makes them equal.
    let long = |last: u8| {
        let octets: Vec<u8> = (b'a'..=b'z').cycle().take(599).chain([last]).collect();
        TxtValue::new(&octets).expect("600 octets are allowed")
    };
    stay_whole(trial, "long", [long(b'1'), long(b'2')]).await
}

pub(super) async fn special_values(trial: &Trial<'_>) -> Result<(), Fault> {
    let value = |text: &str| text.parse().expect("the checks use short texts");
    // A backend with too much or too little quoting takes them for one, or breaks them.
    stay_whole(trial, "special", [value(r#"v=1; "a b" \c"#), value(r#"v=1; \"a b\" \\c"#)]).await
}

async fn stay_whole(trial: &Trial<'_>, label: &str, [one, two]: [TxtValue; 2]) -> Result<(), Fault> {
    require_any_text(trial, label, &one).await?;
    trial.require_values(2)?;
    let name = trial.clean_name(label).await?;
    trial.apply(&[add(&name, &one), add(&name, &two)]).await?;
    trial.require_txt(&name, &[&one, &two]).await?;
    trial.apply(&[remove(&name, &one)]).await?;
    trial.require_txt(&name, &[&two]).await
}

/// Checks that a backend for dns-01 values only rejects other texts.
async fn require_any_text(trial: &Trial<'_>, label: &str, text: &TxtValue) -> Result<(), Fault> {
    if trial.capabilities.any_text {
        return Ok(());
    }
    if trial.capabilities.any_name {
        let what = "a text without the capability";
        trial.require_rejected(label, |name| add(name, text), what).await?;
    }
    Err(Fault::Unsupported("it supports dns-01 values only".into()))
}

pub(super) async fn case_of_values(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_values(2)?;
    let name = trial.clean_name("values").await?;
    let (upper, lower) = (text("AbC"), text("aBc"));
    trial.apply(&[add(&name, &upper), add(&name, &lower)]).await?;
    trial.require_txt(&name, &[&upper, &lower]).await?;
    trial.apply(&[remove(&name, &lower)]).await?;
    trial.require_txt(&name, &[&upper]).await
}

pub(super) async fn case_of_names(trial: &Trial<'_>) -> Result<(), Fault> {
    trial.require_values(2)?;
    let name = trial.clean_name("cased").await?;
    let shouted: DomainName = name
        .as_str()
        .to_ascii_uppercase()
        .parse()
        .map_err(|_| Fault::NotRun(format!("{name} in upper case is not a valid name")))?;
    let (one, two) = (text("one"), text("two"));
    trial.apply(&[add(&shouted, &one)]).await?;
    trial.apply(&[add(&name, &two)]).await?;
    trial.require_txt(&name, &[&one, &two]).await?;
    trial.require_txt(&shouted, &[&one, &two]).await
}
