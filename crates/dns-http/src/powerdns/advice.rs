//! What an operator should know about a zone. Pure.

use fleetcert_dns::Advice;

use super::api::{Metadata, Setting, Zone};

/// The advice for the zone with this absolute name.
pub(super) fn of(name: &str, zone: &Zone, metadata: &[Metadata], settings: &[Setting]) -> Vec<Advice> {
    if !is_rectified(metadata, settings) {
        return Vec::new();
    }
    let finding = format!(
        "PowerDNS rectifies {name} after every change by its API, which takes time in proportion to the zone: in a \
         zone of 100,000 names 1.3 changes a second were seen, and 538 without it."
    );
    let remedy = if zone.dnssec {
        "The zone is signed and must be rectified after changes: gather them into large batches, or switch `api_rectify` \
         of the zone off and rectify it by a timer."
            .to_owned()
    } else {
        "Set `default-api-rectify=no` in pdns.conf, or `api_rectify` of the zone to false by the API: a zone that is \
         not signed needs no rectifying for names without empty non-terminals, and one run of `pdnsutil rectify-zone` \
         sees to the others."
            .to_owned()
    };
    vec![Advice { finding, remedy }]
}

/// The zone's own word counts; without one, the server's.
fn is_rectified(metadata: &[Metadata], settings: &[Setting]) -> bool {
    let own = metadata.iter().find(|entry| entry.kind == "API-RECTIFY");
    match own.and_then(|entry| entry.metadata.first()) {
        Some(value) => value == "1",
        None => {
            settings.iter().any(|setting| setting.name == "default-api-rectify" && setting.value == "yes")
        }
    }
}
