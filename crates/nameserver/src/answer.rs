//! Answers requests: from the octets of a request to the octets of its answer, without sockets.

mod prerequisites;
mod query;
mod update;

use fleetcert_dns_wire::message::{self, UDP_MAX_LEN};
use fleetcert_dns_wire::tsig::{self, Checked};
use fleetcert_dns_wire::{Transport, TsigKey};
use hickory_proto::op::{Edns, Header, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::server::Core;

/// The sender of a message, as far as its signature proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The message is not signed with one of our keys.
    Anybody,
    /// The message is signed with one of our keys.
    KeyHolder,
}

impl Core {
    /// Returns the answer to these octets. Returns `None` for what must not be answered: fewer octets than a header,
    /// and answers, as two servers could answer each other forever.
    pub(crate) fn answer(&self, request: &[u8], transport: Transport) -> Option<Vec<u8>> {
        self.answer_and_sender(request, transport).map(|(answer, _)| answer)
    }

    /// As [`answer`](Self::answer), with the sender of the request.
    pub(crate) fn answer_and_sender(
        &self,
        request: &[u8],
        transport: Transport,
    ) -> Option<(Vec<u8>, Sender)> {
        let header = Header::read(&mut BinDecoder::new(request)).ok()?.metadata;
        if header.message_type == MessageType::Response {
            return None;
        }
        let bare = |code| bare(&header, code).map(|answer| (answer, Sender::Anybody));
        match header.op_code {
            OpCode::Query | OpCode::Update => {}
            // We accept no zone transfers, so NOTIFY is not for us.
            OpCode::Notify => return bare(ResponseCode::Refused),
            _ => return bare(ResponseCode::NotImp),
        }
        let Some(decoded) = message::decode(request).ok().filter(|decoded| decoded.queries.len() == 1) else {
            return bare(ResponseCode::FormErr);
        };
        let keys = self.options.grants.iter().map(|grant| &grant.key);
        let Ok(checked) = tsig::verify_request(request, keys, self.ambient.now()) else {
            return bare(ResponseCode::FormErr);
        };
        let reply = self.reply(&decoded, &checked);
        let sender = match checked {
            Checked::Signed(_) => Sender::KeyHolder,
            Checked::Unsigned | Checked::Refused(_) => Sender::Anybody,
        };
        let answer = self.finish(reply, &decoded, &checked, transport).map(|answer| (answer, sender));
        answer.or_else(|| bare(ResponseCode::ServFail))
    }

    fn reply(&self, request: &Message, checked: &Checked<'_>) -> Message {
        let mut reply = Message::new(request.id, MessageType::Response, request.op_code);
        reply.metadata.recursion_desired = request.recursion_desired;
        reply.queries.clone_from(&request.queries);
        if matches!(checked, Checked::Refused(_)) {
            reply.metadata.response_code = ResponseCode::NotAuth;
        } else if request.version() > 0 {
            reply.metadata.response_code = ResponseCode::BADVERS;
        } else if request.op_code == OpCode::Update {
            let outcome = self.update(request, checked);
            reply.metadata.response_code = outcome.map_or_else(|code| code, |()| ResponseCode::NoError);
        } else {
            self.answer_query(&request.queries[0], &mut reply);
        }
        reply
    }

    /// Encodes the answer, truncates it to what the client accepts, and signs it.
    fn finish(
        &self,
        mut reply: Message,
        request: &Message,
        checked: &Checked<'_>,
        transport: Transport,
    ) -> Option<Vec<u8>> {
        if let Some(asked) = &request.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_MAX_LEN);
            edns.set_dnssec_ok(asked.flags().dnssec_ok); // RFC 3225 section 3
            reply.set_edns(edns);
        }
        let limit = usize::from(match transport {
            Transport::Tcp => u16::MAX,
            Transport::Udp => request.max_payload().clamp(512, UDP_MAX_LEN),
        });
        let signature_len = match checked {
            Checked::Signed(request) => request.signature_len(),
            Checked::Unsigned | Checked::Refused(_) => 0,
        };
        let mut octets = message::encode(&reply).ok();
        if octets.as_ref().is_none_or(|octets| octets.len() + signature_len > limit) {
            // Only the question: half a record set would be useless.
            reply.answers.clear();
            reply.authorities.clear();
            reply.additionals.clear();
            reply.metadata.truncation = true;
            octets = message::encode(&reply).ok();
        }
        let octets = octets?;
        let now = self.ambient.now();
        let octets = match checked {
            Checked::Unsigned => octets,
            Checked::Signed(request) => request.sign_response(&octets, now).ok()?,
            Checked::Refused(request) => request.sign_response(&octets, now).ok()?,
        };
        (octets.len() <= limit).then_some(octets)
    }

    /// Returns the grants of this key.
    fn grants_of<'k>(&'k self, key: &'k TsigKey) -> impl Iterator<Item = &'k crate::UpdateGrant> {
        self.options.grants.iter().filter(move |grant| grant.key.name() == key.name())
    }
}

/// Returns an answer that consists of its header only.
fn bare(request: &Metadata, code: ResponseCode) -> Option<Vec<u8>> {
    let mut reply = Message::new(request.id, MessageType::Response, request.op_code);
    reply.metadata.recursion_desired = request.recursion_desired;
    reply.metadata.response_code = code;
    message::encode(&reply).ok()
}

#[cfg(test)]
mod tests;
