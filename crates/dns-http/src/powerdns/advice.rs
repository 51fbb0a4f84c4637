//! What an operator should know about a zone. Pure.

use fleetcert_dns::Advice;

use super::api::{Metadata, Setting, ZoneReply};

/// The advice for the zone with this absolute name.
pub(super) fn of(name: &str, zone: &ZoneReply, metadata: &[Metadata], settings: &[Setting]) -> Vec<Advice> {
    let rectified = is_rectified(metadata, settings).then(|| rectifying(name, zone.dnssec));
    // Only a primary has secondaries that look at the serial; in 4.4 and before it is called a master.
    let transferred = matches!(zone.kind.as_str(), "Master" | "Primary" | "Producer");
    let still = (transferred && zone.soa_edit_api.is_empty()).then(|| standing_serial(name));
    rectified.into_iter().chain(still).collect()
}

fn rectifying(name: &str, signed: bool) -> Advice {
    let finding = format!(
        "PowerDNS rectifies {name} after every change by its API, which takes time in proportion to the zone: in a \
         zone of 100,000 names 1.3 changes a second were seen, and 538 without it."
    );
    let remedy = if signed {
        "The zone is signed and must be rectified after changes: gather changes into large batches, or switch \
         `api_rectify` of the zone off and rectify it at intervals."
    } else {
        "Set `default-api-rectify=no` in pdns.conf, or `api_rectify` of the zone to false by the API. Then a name that \
         has no records itself and only names below it, as a device with a challenge and no address, is answered with \
         NXDOMAIN until `pdnsutil rectify-zone` runs: publish addresses first."
    };
    Advice { finding, remedy: remedy.to_owned() }
}

fn standing_serial(name: &str) -> Advice {
    Advice {
        finding: format!("The serial of {name} stays as it is when the API changes the zone: secondaries see no change."),
        remedy: "Set `soa_edit_api` of the zone to DEFAULT by the API, or `pdnsutil set-meta ZONE SOA-EDIT-API DEFAULT`."
            .to_owned(),
    }
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
