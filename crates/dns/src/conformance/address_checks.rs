//! Checks of addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fleetcert_names::DomainName;

use super::trial::{Fault, Trial, add, addresses, text};
use crate::{Addresses, RecordData, RecordType};

pub(super) async fn replace(trial: &Trial<'_>) -> Result<(), Fault> {
    require_capability(trial, "addresses").await?;
    let name = trial.clean_name_for_addresses("addresses").await?;
    let before = set(["10.1.1.4", "10.1.1.5", "fd00::4"]);
    let after = set(["10.1.1.5", "192.168.7.1", "fd00::7", "2001:db8::1"]);
    trial.apply(&[addresses(&name, before.clone())]).await?;
    require(trial, &name, &before).await?;
    trial.apply(&[addresses(&name, after.clone())]).await?;
    require(trial, &name, &after).await?;
    trial.apply(&[addresses(&name, after.clone())]).await?;
    require(trial, &name, &after).await?;

    let v6_only = set(["fd00::9"]);
    trial.apply(&[addresses(&name, v6_only.clone())]).await?;
    require(trial, &name, &v6_only).await
}

pub(super) async fn none(trial: &Trial<'_>) -> Result<(), Fault> {
    require_capability(trial, "nowhere").await?;
    let name = trial.clean_name_for_addresses("nowhere").await?;
    let value = text("stays");
    trial.apply(&[add(&name, &value), addresses(&name, set(["10.1.1.4", "fd00::4"]))]).await?;
    trial.apply(&[addresses(&name, Addresses::default())]).await?;
    require(trial, &name, &Addresses::default()).await?;
    trial.require_txt(&name, &[&value]).await?;
    trial.apply(&[addresses(&name, Addresses::default())]).await?;
    require(trial, &name, &Addresses::default()).await
}

/// Checks that a backend without addresses rejects them.
async fn require_capability(trial: &Trial<'_>, label: &str) -> Result<(), Fault> {
    if trial.capabilities.addresses {
        return Ok(());
    }
    if trial.capabilities.any_name {
        let what = "an address without the capability";
        trial.require_rejected(label, |name| addresses(name, set(["10.1.1.4"])), what).await?;
    }
    Err(Fault::Unsupported("it does not support addresses".into()))
}

async fn require(trial: &Trial<'_>, name: &DomainName, wanted: &Addresses) -> Result<(), Fault> {
    let v4: BTreeSet<_> = wanted.v4().map(RecordData::A).collect();
    let v6: BTreeSet<_> = wanted.v6().map(RecordData::Aaaa).collect();
    trial.require(name, RecordType::A, &v4).await?;
    trial.require(name, RecordType::Aaaa, &v6).await
}

fn set<const N: usize>(texts: [&str; N]) -> Addresses {
    let address = |text: &str| text.parse::<IpAddr>().expect("the checks use valid addresses");
    Addresses::new(texts.map(address)).expect("the checks use few addresses")
}
