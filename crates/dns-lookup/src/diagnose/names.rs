//! Check of the zone's name against public CAs and their limits.

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
    match (public_refusal(&host.into()), registered_domain(zone)) {
        // A fleet whose zone is on the public suffix list has this.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_zones() {
        for (zone, status, text) in [
            ("fleet.example.co.uk", Status::Ok, "registered domain example.co.uk"),
            ("github.io", Status::Ok, "is a public suffix"),
            ("co.uk", Status::Ok, "is a public suffix"),
            ("fleet.test", Status::Warning, "not a public one"),
            ("a.b.c.d.e.f.g.h.i.example.com", Status::Warning, "more than ten labels"),
            ("_zone.example.com", Status::Warning, "none that a certificate can have"),
        ] {
            let finding = public(&zone.parse().unwrap());
            assert_eq!(finding.status, status, "{finding}");
            assert!(finding.summary.contains(text), "{finding}");
        }
    }
}
