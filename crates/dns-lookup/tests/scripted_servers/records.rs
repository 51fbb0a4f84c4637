//! Servers that answer from a list of records, as a resolver or with authority.

use std::str::FromStr;
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::server::{record, reply_to};

/// Records of a little world, one on a line: `fleet.test NS ns1.fleet.test`, `fleet.test SOA serial negative-ttl`,
/// `fleet.test CAA flags tag value`.
#[derive(Clone, Debug)]
pub(crate) struct Records(Arc<Vec<Record>>);

impl Records {
    pub(crate) fn new(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Self(Arc::new(lines.map(parsed).collect()))
    }

    /// A resolver's answer: aliases followed, whatever zone they lead to.
    pub(crate) fn resolved(&self, query: &Message) -> Message {
        assert!(query.metadata.recursion_desired);
        let mut reply = self.answered(query, &|_| true);
        reply.metadata.authoritative = false;
        reply.metadata.recursion_available = true;
        reply
    }

    /// The answer of a server that has these zones: with authority in them, a referral below, REFUSED elsewhere.
    pub(crate) fn authoritative(&self, query: &Message, zones: &[&str]) -> Message {
        let asked = query.queries[0].name();
        let zones: Vec<_> = zones.iter().map(|zone| Name::from_str(&format!("{zone}.")).unwrap()).collect();
        let has = |name: &Name| zones.iter().any(|zone| zone.zone_of(name));
        let Some(zone) = zones.iter().filter(|zone| zone.zone_of(asked)).max_by_key(|zone| zone.num_labels())
        else {
            let mut reply = reply_to(query);
            reply.metadata.authoritative = false;
            reply.metadata.response_code = ResponseCode::Refused;
            return reply;
        };
        let is_cut = |record: &&Record| {
            record.record_type() == RecordType::NS && record.name.zone_of(asked) && record.name != *zone
        };
        let referral: Vec<_> = self.0.iter().filter(is_cut).cloned().collect();
        if referral.is_empty() {
            return self.answered(query, &has);
        }
        let mut reply = reply_to(query);
        reply.metadata.authoritative = false;
        for cut in &referral {
            if let RData::NS(server) = &cut.data {
                let glue = |record: &&Record| record.name == server.0 && cut.name.zone_of(&server.0);
                reply.add_additionals(self.0.iter().filter(glue).cloned());
            }
        }
        reply.add_authorities(referral);
        reply
    }

    fn answered(&self, query: &Message, has: &dyn Fn(&Name) -> bool) -> Message {
        let mut reply = reply_to(query);
        if query.edns.is_some() {
            reply.set_edns(Edns::new());
        }
        let kind = query.queries[0].query_type();
        let mut name = query.queries[0].name().clone();
        for _ in 0..10 {
            let here = |of: RecordType| {
                let name = name.clone();
                self.0.iter().filter(move |record| record.name == name && record.record_type() == of)
            };
            let found: Vec<_> = here(kind).cloned().collect();
            if !found.is_empty() {
                reply.add_answers(found);
                return reply;
            }
            let Some(alias) = here(RecordType::CNAME).next() else { break };
            reply.add_answer(alias.clone());
            let RData::CNAME(target) = &alias.data else { unreachable!() };
            name = target.0.clone();
            if !has(&name) {
                return reply;
            }
        }
        if !self.0.iter().any(|record| name.zone_of(&record.name)) {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        let above = |record: &&Record| record.record_type() == RecordType::SOA && record.name.zone_of(&name);
        let start = self.0.iter().filter(above).max_by_key(|record| record.name.num_labels());
        reply.add_authorities(start.cloned());
        reply
    }
}

fn parsed(line: &str) -> Record {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().unwrap();
    let name = |text: &str| Name::from_str(&format!("{text}.")).unwrap();
    let (owner, kind, value) = (name(word()), word(), word());
    let data = match kind {
        "A" => RData::A(A(value.parse().unwrap())),
        "AAAA" => RData::AAAA(AAAA(value.parse().unwrap())),
        "NS" => RData::NS(NS(name(value))),
        "CNAME" => RData::CNAME(CNAME(name(value))),
        "TXT" => RData::TXT(TXT::from_bytes(vec![value.as_bytes()])),
        "SOA" => {
            let (serial, negative) = value.split_once(' ').unwrap();
            let (serial, negative) = (serial.parse().unwrap(), negative.parse().unwrap());
            RData::SOA(SOA::new(owner.clone(), owner.clone(), serial, 1, 1, 1, negative))
        }
        "CAA" => {
            let mut parts = value.splitn(3, ' ');
            let mut part = || parts.next().unwrap();
            let mut caa = hickory_proto::rr::rdata::CAA::new_issue(part() == "128", None, vec![]);
            caa.tag = part().to_owned();
            caa.value = part().into();
            RData::CAA(caa)
        }
        other => panic!("no such type: {other}"),
    };
    record(&owner, data)
}
