//! Check of large answers: whether a record set that exceeds a datagram arrives complete.

use std::net::SocketAddr;

use fleetcert_dns::{DnsBackend, TxtValue};
use fleetcert_names::DomainName;

use super::left;
use crate::diagnose::ask::{self, Probe};
use crate::diagnose::diagnosis::worst;
use crate::diagnose::watch::{Until, watch};
use crate::diagnose::{Changer, Check, Diagnose, Finding, Seen, Status};
use crate::{Families, QueryType, Transport};

/// Number of values: together they exceed a datagram.
const LARGE_VALUES: usize = 6;
const LARGE_VALUE_LEN: usize = 255;

impl Diagnose {
    pub(super) async fn large_answers(
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
        let arrived =
            watch(&visibility, &records[LARGE_VALUES - 1], Until::Seen, within, &*self.ambient.clock).await;
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

    fn large_value(&self) -> TxtValue {
        let text = format!("{}{:a>LARGE_VALUE_LEN$}", self.random_label(), "");
        TxtValue::new(&text.as_bytes()[..LARGE_VALUE_LEN]).expect("it has 255 octets")
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
