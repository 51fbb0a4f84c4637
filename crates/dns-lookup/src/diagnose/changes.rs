//! Whether the backend takes changes, and the servers show them.

use std::net::SocketAddr;

use fleetcert_ambient::timeout;
use fleetcert_dns::challenge::{ChallengeError, ChallengeRecord};
use fleetcert_dns::{BackendError, BackendErrorKind, Change, DnsBackend, TxtValue, Verdict};
use fleetcert_names::{DomainName, Label};

use super::ask::{self, Probe};
use super::diagnosis::worst;
use super::watch::{Until, watch};
use super::{Changer, Check, Diagnose, Finding, Seen, Status};
use crate::{Families, QueryType, Transport};

/// Together more than a datagram holds, in strings of the longest kind.
const LARGE_VALUES: usize = 6;
const LARGE_VALUE_LEN: usize = 255;

impl Diagnose {
    /// The checks that go through the backend. Each is harmless by itself: the first removes a value that is not there,
    /// the others add values at a name of their own and remove them.
    pub(super) async fn changes(
        &self,
        working: &[(SocketAddr, Transport)],
        families: Families,
    ) -> Vec<Finding> {
        let not_run = |why: &str| {
            let checks = [Check::Update, Check::RoundTrip, Check::LargeAnswers, Check::Advice];
            checks.map(|check| Finding::not_run(check, why)).to_vec()
        };
        let Some(changer) = &self.changer else { return not_run("no backend was given") };
        let name = self.options.probe.clone().or_else(|| self.random_name("_acme-challenge."));
        let Some(name) = name else { return not_run("the zone's name leaves no room below it") };
        if self.options.probe.is_none() && !changer.backend.capabilities().any_name {
            return not_run("the backend takes registered names only: give one of them as the probe's name");
        }
        let update = self.update(changer, &name).await;
        let (round_trip, large) = match update.status {
            Status::Ok if working.is_empty() => {
                let why = "no server answers for the zone, so nobody can be asked for a value";
                (Finding::not_run(Check::RoundTrip, why), Finding::not_run(Check::LargeAnswers, why))
            }
            Status::Ok => {
                let round_trip = self.round_trip(changer, &name, families).await;
                (round_trip, self.large_answers(changer, &name, working, families).await)
            }
            _ => {
                let why = if update.status == Status::NotRun {
                    &update.summary
                } else {
                    "the backend takes no change"
                };
                (Finding::not_run(Check::RoundTrip, why), Finding::not_run(Check::LargeAnswers, why))
            }
        };
        let mut findings = vec![update, round_trip, large];
        findings.extend(self.advice(changer).await);
        findings
    }

    async fn update(&self, changer: &Changer, name: &DomainName) -> Finding {
        if !changer.backend.capabilities().removes {
            return Finding::not_run(Check::Update, "the backend cannot remove values, and none is to stay");
        }
        let change = [Change::RemoveTxt { name: name.clone(), value: self.random_value() }];
        let applied = changer.backend.apply(&self.zone, &change);
        match timeout(&*self.clock, self.options.change_within, applied).await {
            Ok(Ok(())) => {
                let summary = "the backend takes a change (the removal of a value that is not there)";
                Finding::new(Check::Update, Status::Ok, summary)
            }
            Ok(Err(error)) => refused(&error),
            Err(_) => Finding::new(Check::Update, Status::Problem, "the backend does not answer in time")
                .remedy("see whether the server of the backend runs and can be reached from here"),
        }
    }

    async fn round_trip(&self, changer: &Changer, name: &DomainName, families: Families) -> Finding {
        let record = self.record(name, self.random_value());
        let visibility = self.visibility(families);
        let published = match changer.challenges.publish(vec![record.clone()]).await {
            Ok(published) => published,
            Err(error) => return self.not_added(changer, Check::RoundTrip, &error).await,
        };
        let within = self.options.visible_within;
        let seen = watch(&visibility, &record, Until::Seen, within, &*self.clock).await;
        if let Err(error) = published.withdraw().await {
            return left(Check::RoundTrip, &error);
        }
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                let summary =
                    format!("the value was added and removed, and no server could be asked for it: {error}");
                return Finding::new(Check::RoundTrip, Status::Problem, summary)
                    .remedy("see what the findings on the delegation and the servers say");
            }
        };
        let gone = watch(&visibility, &record, Until::Gone, within, &*self.clock).await.unwrap_or_default();
        let mut lines = Vec::new();
        for (server, line) in seen {
            let gone = gone.get(&server).and_then(|line| line.after);
            lines.push(match (line.after, gone) {
                (Some(after), Some(gone)) => {
                    let said =
                        format!("seen after {} ms, gone after {} ms", after.as_millis(), gone.as_millis());
                    Seen::new(server, Status::Ok, said)
                }
                (Some(after), None) => {
                    let said = format!("seen after {} ms, and still there", after.as_millis());
                    Seen::new(server, Status::Warning, said)
                }
                (None, _) => Seen::new(server, Status::Problem, not_seen(&line.last)),
            });
        }
        let finding = match worst(&lines) {
            Status::Ok => Finding::new(Check::RoundTrip, Status::Ok, "a value was added, seen everywhere, and removed"),
            Status::Warning => Finding::new(Check::RoundTrip, Status::Warning, "a removed value is still to be seen")
                .remedy("see whether these servers are told of changes in time (NOTIFY), or answer from a cache"),
            _ => Finding::new(Check::RoundTrip, Status::Problem, "a value was added, and not seen everywhere in time")
                .remedy(
                    "see that these servers follow the one that takes the changes; if their network has its own view of \
                     the zone (split horizon), ask servers outside",
                ),
        };
        finding.with_seen(lines)
    }

    async fn large_answers(
        &self,
        changer: &Changer,
        name: &DomainName,
        working: &[(SocketAddr, Transport)],
        families: Families,
    ) -> Finding {
        let check = Check::LargeAnswers;
        let capabilities = changer.backend.capabilities();
        if !capabilities.any_text || capabilities.max_values < LARGE_VALUES {
            return Finding::not_run(check, "the backend takes no texts that make an answer large");
        }
        let records: Vec<_> = (0..LARGE_VALUES).map(|_| self.record(name, self.large_value())).collect();
        let published = match changer.challenges.publish(records.clone()).await {
            Ok(published) => published,
            Err(error) => return self.not_added(changer, check, &error).await,
        };
        let visibility = self.visibility(families);
        let within = self.options.visible_within;
        let arrived = watch(&visibility, &records[LARGE_VALUES - 1], Until::Seen, within, &*self.clock).await;
        let ways =
            working.iter().flat_map(|(server, _)| [(*server, Transport::Udp), (*server, Transport::Tcp)]);
        let probes = ask::all(&self.asker, name, QueryType::Txt, ways).await;
        if let Err(error) = published.withdraw().await {
            return left(check, &error);
        }
        if arrived.is_err() || probes.is_empty() {
            return Finding::not_run(check, "no server could be asked");
        }
        let seen: Vec<_> = probes.iter().map(|probe| large_answer(probe, name)).collect();
        if worst(&seen) == Status::Ok {
            let summary = "an answer too long for a datagram comes whole over TCP";
            return Finding::new(check, Status::Ok, summary).with_seen(seen);
        }
        Finding::new(check, Status::Problem, "a long answer does not come whole")
            .with_seen(seen)
            .remedy("let TCP to port 53 in at these servers, and take away what cuts or drops long answers on the way")
    }

    async fn advice(&self, changer: &Changer) -> Vec<Finding> {
        let advice =
            timeout(&*self.clock, self.options.change_within, changer.backend.advice(&self.zone)).await;
        match advice {
            Err(_) => vec![Finding::not_run(Check::Advice, "the backend does not answer in time")],
            Ok(Err(error)) => vec![Finding::not_run(Check::Advice, error.to_string())],
            Ok(Ok(advice)) if advice.is_empty() => {
                vec![Finding::new(
                    Check::Advice,
                    Status::Ok,
                    "the backend has nothing to say against the zone",
                )]
            }
            Ok(Ok(advice)) => advice
                .into_iter()
                .map(|one| Finding::new(Check::Advice, Status::Warning, one.finding).remedy(one.remedy))
                .collect(),
        }
    }

    async fn not_added(&self, changer: &Changer, check: Check, error: &ChallengeError) -> Finding {
        // What did not answer may have been made.
        let swept = changer.challenges.sweep().await;
        let finding = Finding::new(check, Status::Problem, format!("the value was not added: {error}"));
        match (swept, error.backend_error()) {
            (Err(left), _) => finding.remedy(format!("remove what may be left: {left}")),
            (Ok(_), Some(error)) => finding.remedy(remedy(error)),
            (Ok(_), None) => {
                finding.remedy("see whether the server of the backend runs and can be reached from here")
            }
        }
    }

    fn record(&self, name: &DomainName, value: TxtValue) -> ChallengeRecord {
        ChallengeRecord {
            zone: self.zone.clone(),
            name: name.clone(),
            value,
            owner: "diagnose".parse().expect("the owner's text is short and printable"),
            expires: self.clock.now() + self.options.visible_within + self.options.change_within,
        }
    }

    /// 43 characters of base64url, as a dns-01 value has them.
    fn random_value(&self) -> TxtValue {
        format!("fc-{}{}", self.random_label(), self.random_label()).parse().expect("it has 43 octets")
    }

    fn large_value(&self) -> TxtValue {
        let text = format!("{}{:a>LARGE_VALUE_LEN$}", self.random_label(), "");
        TxtValue::new(&text.as_bytes()[..LARGE_VALUE_LEN]).expect("it has 255 octets")
    }

    fn random_label(&self) -> Label {
        let mut octets = [0; 32];
        self.entropy.fill(&mut octets);
        Label::from_entropy(octets)
    }
}

fn not_seen(last: &Verdict) -> String {
    match last {
        Verdict::Failed(why) => why.clone(),
        _ => "does not show the value".to_owned(),
    }
}

fn large_answer(probe: &Probe, name: &DomainName) -> Seen {
    let (status, said) = match (&probe.answer, probe.transport) {
        (Err(error), _) => (Status::Problem, error.kind().to_string()),
        (Ok(answer), Transport::Udp) if answer.truncated => (Status::Ok, "cut, and says so".to_owned()),
        (Ok(answer), _) if answer.texts(name).len() >= LARGE_VALUES => (Status::Ok, "whole".to_owned()),
        (Ok(answer), _) => {
            let count = answer.texts(name).len();
            (Status::Problem, format!("{count} of {LARGE_VALUES} values, and does not say that it is cut"))
        }
    };
    Seen::new(probe.at(), status, said)
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
        BackendErrorKind::Unauthenticated if error.clock_skew().is_some() => "the clocks are apart",
        BackendErrorKind::Unauthenticated => "the server does not accept our key",
        BackendErrorKind::Refused => "the server knows the key and does not allow the change",
        BackendErrorKind::NotInZone => "the server does not have the zone, or not this name in it",
        BackendErrorKind::Quota => "the server has had enough of us",
        BackendErrorKind::Unavailable => "the server cannot be reached, or cannot do it now",
        _ => "the server does not take the change",
    }
}

fn remedy(error: &BackendError) -> String {
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

fn left(check: Check, error: &ChallengeError) -> Finding {
    let names: Vec<_> = error
        .unfinished()
        .iter()
        .map(|left| format!("{} TXT {}", left.record.name, left.record.value))
        .collect();
    Finding::new(check, Status::Problem, format!("the value was not removed: {error}"))
        .remedy(format!("let the key remove what it adds, and remove by hand: {}", names.join(", ")))
}
