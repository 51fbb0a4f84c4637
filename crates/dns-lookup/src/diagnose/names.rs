//! What public CAs and their limits make of the zone's name.

use fleetcert_names::{DomainName, HostName, PublicRefusal, public_refusal, registered_domain};

use super::{Check, Finding, Status};

pub(super) fn public(zone: &DomainName) -> Finding {
    let Ok(host) = zone.as_str().parse::<HostName>() else {
        return Finding::new(
            Check::Name,
            Status::Warning,
            "the zone's own name is none that a certificate can have",
        );
    };
    match (public_refusal(&host), registered_domain(zone)) {
        // Names below a public suffix are what a fleet that is on the list has.
        (Some(PublicRefusal::IsPublicSuffix), _) | (None, None) => Finding::new(
            Check::Name,
            Status::Ok,
            "the zone is a public suffix, so each device's name has the CA's limits for itself",
        ),
        (Some(refusal), _) => {
            Finding::new(Check::Name, Status::Warning, format!("no public CA issues below: {refusal}"))
                .remedy(
                    "this is fine with a CA of your own; else take a zone below a public top-level domain",
                )
        }
        (None, Some(domain)) => Finding::new(
            Check::Name,
            Status::Ok,
            format!("certificates count for the registered domain {domain} at the CA"),
        ),
    }
}
