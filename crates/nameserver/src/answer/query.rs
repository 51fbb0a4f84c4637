//! Answers to queries (RFC 1034 section 4.3.2, for a zone without delegations, aliases and wildcards).

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::HINFO;
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};

use crate::server::Core;
use crate::zone::{NameKey, Node};

impl Core {
    pub(super) fn answer_query(&self, question: &Query, reply: &mut Message) {
        match self.find_answer(question, reply) {
            Ok(()) => reply.metadata.authoritative = true,
            Err(code) => reply.metadata.response_code = code,
        }
    }

    /// Adds the records of our zones. The error is the response code if no zone has the name.
    fn find_answer(&self, question: &Query, reply: &mut Message) -> Result<(), ResponseCode> {
        match question.query_class() {
            DNSClass::IN => {}
            DNSClass::ANY | DNSClass::NONE => return Err(ResponseCode::FormErr),
            // This includes version.bind and similar names: we do not reveal what we run.
            _ => return Err(ResponseCode::Refused),
        }
        let (name, wanted) = (question.name(), question.query_type());
        if is_meta(wanted) {
            return Err(ResponseCode::Refused);
        }
        let key = NameKey::of_wire(name);
        let zone = self.zones.enclosing(&key).ok_or(ResponseCode::Refused)?;
        let snapshot = zone.snapshot();
        let node = snapshot.node(&key);
        if wanted == RecordType::ANY && node.is_some_and(|node| has_records(node) || key == *zone.apex()) {
            // RFC 8482 section 4.2: an answer so short that asking for ANY gains nothing.
            let hinfo = RData::HINFO(HINFO::new("RFC8482".to_owned(), String::new()));
            reply.add_answer(Record::from_rdata(name.clone(), 3600, hinfo));
            return Ok(());
        }
        reply.answers = zone.records(&snapshot, &key, name, wanted);
        if wanted == RecordType::NS && !reply.answers.is_empty() {
            reply.additionals = zone.glue(&snapshot);
        }
        if reply.answers.is_empty() {
            reply.add_authority(zone.negative_soa(&snapshot));
            if node.is_none() {
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
        }
        Ok(())
    }
}

pub(super) fn has_records(node: &Node) -> bool {
    !node.sets.is_empty()
}

/// Returns whether no record can have this type: OPT, and the types of RFC 6895 section 3.1 except ANY.
pub(super) fn is_meta(record_type: RecordType) -> bool {
    record_type != RecordType::ANY && matches!(u16::from(record_type), 0 | 41 | 128..=255)
}
