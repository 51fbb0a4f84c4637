//! The part of a request that its reply repeats.

use hickory_proto::op::{Header, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// The part of a message that its reply repeats.
#[derive(Debug)]
pub(crate) struct Asked {
    id: u16,
    message_type: MessageType,
    op_code: OpCode,
    response_code: ResponseCode,
    question: Option<Query>,
}

impl Asked {
    /// Returns `None` for octets that are not a message with at most one question.
    pub(crate) fn of(message: &[u8]) -> Option<Self> {
        let mut decoder = BinDecoder::new(message);
        let header = Header::read(&mut decoder).ok()?;
        let question = match header.counts.queries {
            0 => None,
            1 => Some(Query::read(&mut decoder).ok()?),
            _ => return None,
        };
        let Header { metadata, .. } = header;
        Some(Self {
            id: metadata.id,
            message_type: metadata.message_type,
            op_code: metadata.op_code,
            response_code: metadata.response_code,
            question,
        })
    }

    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    /// Returns whether `reply` is a reply to this request: QR set, the same id and opcode, and the same question (RFC
    /// 5452 section 9.1), without regard to case.
    ///
    /// A reply without a question also matches where servers send it: to an update (RFC 2136 section 3.8) and with an
    /// error code.
    pub(crate) fn is_answered_by(&self, reply: &[u8]) -> bool {
        let Some(answered) = Self::of(reply) else {
            return false;
        };
        let may_lack_question =
            self.op_code == OpCode::Update || answered.response_code != ResponseCode::NoError;
        answered.message_type == MessageType::Response
            && answered.id == self.id
            && answered.op_code == self.op_code
            && (answered.question == self.question || (answered.question.is_none() && may_lack_question))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message;
    use hickory_proto::op::Message;
    use hickory_proto::rr::RecordType;
    use proptest::prelude::*;

    fn question(id: u16) -> Vec<u8> {
        message::encode(&message::query(id, &"xi8qz.fleet.test".parse().unwrap(), RecordType::A)).unwrap()
    }

    fn is_reply(request: &[u8], reply: &[u8]) -> bool {
        Asked::of(request).is_some_and(|asked| asked.is_answered_by(reply))
    }

    #[test]
    fn only_replies_to_the_request_match() {
        let request = question(5);
        let mut reply = message::decode(&request).unwrap().into_response();
        let fits = |reply: &Message| is_reply(&request, &message::encode(reply).unwrap());
        assert!(fits(&reply));
        assert!(!is_reply(&question(6), &message::encode(&reply).unwrap()), "different id");
        reply.queries.clear();
        assert!(!fits(&reply), "an answer to no question");
        reply.metadata.response_code = ResponseCode::FormErr;
        assert!(fits(&reply));
        reply.metadata.op_code = OpCode::Update;
        assert!(!fits(&reply));
        // Upper and lower case are equal: some servers change them.
        let shouted = message::query(5, &"xi8qz.fleet.test".parse().unwrap(), RecordType::A).into_response();
        let mut shouted = message::encode(&shouted).unwrap();
        shouted[13] = b'X';
        assert!(is_reply(&request, &shouted));
    }

    proptest! {
        #[test]
        fn arbitrary_octets_do_not_panic(octets in prop::collection::vec(any::<u8>(), 0..100)) {
            is_reply(&question(1), &octets);
            is_reply(&octets, &octets);
        }
    }
}
