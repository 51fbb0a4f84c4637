//! Check of one change through the backend.

use fleetcert_ambient::timeout;
use fleetcert_dns::{BackendError, BackendErrorKind, Change, DnsBackend};
use fleetcert_names::DomainName;

use crate::diagnose::{Changer, Check, Diagnose, Finding, Seen, Status};

impl Diagnose {
    pub(super) async fn update(&self, changer: &Changer, name: &DomainName) -> Finding {
        if !changer.backend.capabilities().removes {
            return Finding::not_run(Check::Update, "the backend cannot remove values, and none is to stay");
        }
        let change = [Change::RemoveTxt { name: name.clone(), value: self.random_value() }];
        let applied = changer.backend.apply(&self.zone, &change);
        match timeout(&*self.ambient.clock, self.options.change_within, applied).await {
            Ok(Ok(())) => {
                let summary = "the backend takes a change (the removal of a value that is not there)";
                Finding::new(Check::Update, Status::Ok, summary)
            }
            Ok(Err(error)) => refused(&error),
            Err(_) => Finding::new(Check::Update, Status::Problem, "the backend does not answer in time")
                .remedy("see whether the server of the backend runs and can be reached from here"),
        }
    }
}

fn refused(error: &BackendError) -> Finding {
    let server = error.server().unwrap_or("the backend");
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    Finding::new(Check::Update, Status::Problem, outcome(error))
        .with_seen(vec![Seen::new(server, Status::Problem, cause)])
        .remedy(remedy(error))
}

fn outcome(error: &BackendError) -> &'static str {
    match error.kind() {
        BackendErrorKind::Unauthenticated if error.clock_skew().is_some() => "the clocks differ too much",
        BackendErrorKind::Unauthenticated => "the server does not accept our key",
        BackendErrorKind::Refused => "the server knows the key and does not allow the change",
        BackendErrorKind::NotInZone => "the server does not have the zone, or not this name in it",
        BackendErrorKind::Quota => "the server's rate limit or quota is exhausted",
        BackendErrorKind::Unavailable => "the server cannot be reached, or is temporarily unavailable",
        _ => "the server does not take the change",
    }
}

pub(super) fn remedy(error: &BackendError) -> String {
    match (error.kind(), error.clock_skew()) {
        (BackendErrorKind::Unauthenticated, Some(seconds)) => {
            format!("set the clocks right: the server's is {seconds} seconds ahead of ours")
        }
        (BackendErrorKind::Unauthenticated, None) => {
            "compare the key's name, algorithm and secret with the server's; in BIND, the key statement".to_owned()
        }
        (BackendErrorKind::Refused, _) => "let the key change TXT, A and AAAA records in this zone: in BIND update-policy, \
                                           in Knot an acl with action update, in PowerDNS TSIG-ALLOW-DNSUPDATE"
            .to_owned(),
        (BackendErrorKind::NotInZone, _) => {
            "compare the zone's name, and send changes to the primary server of the zone".to_owned()
        }
        (BackendErrorKind::Quota, _) => "wait, or have the limit raised".to_owned(),
        (BackendErrorKind::Unavailable, _) => {
            "see whether the server runs, takes updates at this address and port, and can be reached from here".to_owned()
        }
        _ => "see what the server's log says about this change".to_owned(),
    }
}
