//! Whole messages: decoded without trust in their counts, and encoded within 64 KiB.

use fleetcert_names::DomainName;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::RecordType;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};

/// Octets of a header (RFC 1035 section 4.1.1).
pub const HEADER_LEN: usize = 12;

/// Maximum octets of a UDP message that we send or ask for, so that no packet is fragmented (DNS flag day 2020; RFC
/// 9715 allows up to 1,400).
pub const UDP_MAX_LEN: u16 = 1232;

/// Returns a query for one name and type: class IN, EDNS with [`UDP_MAX_LEN`], no recursion desired.
///
/// `id` must be random if the answer is not signed (RFC 5452 section 9.1).
pub fn query(id: u16, name: &DomainName, record_type: RecordType) -> Message {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(crate::name::to_wire(name), record_type));
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_MAX_LEN);
    message.set_edns(edns);
    message
}

/// Decodes a message.
///
/// Unlike the codec, it rejects more than one question (RFC 9619) before it allocates memory for them, and octets
/// after the end.
///
/// # Errors
/// [`DecodeError`]: the sender's fault; answer a query with FORMERR.
pub fn decode(octets: &[u8]) -> Result<Message, DecodeError> {
    // The codec allocates memory for all questions that the header claims.
    if octets.get(4..6).is_none_or(|count| count > [0, 1].as_slice()) {
        return Err(DecodeError);
    }
    let mut decoder = BinDecoder::new(octets);
    let message = Message::read(&mut decoder).map_err(|_| DecodeError)?;
    if decoder.is_empty() { Ok(message) } else { Err(DecodeError) }
}

/// Encodes a message.
///
/// # Errors
/// [`EncodeError`] if the message does not fit into 65,535 octets or cannot be encoded.
pub fn encode(message: &Message) -> Result<Vec<u8>, EncodeError> {
    let mut octets = Vec::with_capacity(512);
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_max_size(u16::MAX);
    message.emit(&mut encoder).map_err(|_| EncodeError)?;
    // The codec truncates what does not fit and sets the TC bit, which callers do not expect.
    let cut = octets.get(2).is_some_and(|flags| flags & 0b10 != 0) && !message.truncation;
    if cut { Err(EncodeError) } else { Ok(octets) }
}

/// The error for octets that are not a valid DNS message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the octets are not a valid DNS message")]
pub struct DecodeError;

/// The error for a message that does not fit into 65,535 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message does not fit into 65,535 octets")]
pub struct EncodeError;

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::{Name, RData, Record, rdata::TXT};
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        encode(&query(1, &"xi8qz.fleet.test".parse().unwrap(), RecordType::TXT)).unwrap()
    }

    #[test]
    fn query_survives_a_round_trip() {
        let message = decode(&sample()).unwrap();
        assert_eq!(message.queries[0].query_type(), RecordType::TXT);
        assert_eq!(message.max_payload(), 1232);
        assert!(!message.recursion_desired);
    }

    #[test]
    fn excessive_counts_are_rejected_at_once() {
        let mut header = [0xff; HEADER_LEN];
        header[2] = 0;
        assert_eq!(decode(&header), Err(DecodeError));
        for len in 0..HEADER_LEN {
            assert_eq!(decode(&vec![0; len]), Err(DecodeError));
        }
    }

    #[test]
    fn octets_after_the_end_are_rejected() {
        let mut octets = sample();
        octets.push(0);
        assert_eq!(decode(&octets), Err(DecodeError));
    }

    #[test]
    fn oversized_message_is_an_error() {
        let mut message = query(1, &"a.test".parse().unwrap(), RecordType::TXT);
        let text = RData::TXT(TXT::from_bytes(vec![&[b'a'; 255]; 4]));
        let record = Record::from_rdata(Name::from_ascii("a.test.").unwrap(), 1, text);
        message.add_answers(vec![record; 80]);
        assert_eq!(encode(&message), Err(EncodeError));
    }

    #[test]
    fn long_chain_of_pointers_ends() {
        let mut octets = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        while octets.len() < 16_000 {
            let target = octets.len() - if octets.len() == 13 { 1 } else { 2 };
            octets.extend((0xc000 | u16::try_from(target).unwrap()).to_be_bytes());
        }
        octets.extend([0, 1, 0, 1]);
        let _ = decode(&octets);
    }

    proptest! {
        #[test]
        fn arbitrary_octets_do_not_panic(octets in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = decode(&octets);
        }

        #[test]
        fn flipped_bits_do_not_panic(flips in prop::collection::vec((0usize..64, 0u8..8), 1..8)) {
            let mut octets = sample();
            for (at, bit) in flips {
                let at = at % octets.len();
                octets[at] ^= 1 << bit;
            }
            if let Ok(message) = decode(&octets) {
                let _ = encode(&message);
            }
        }
    }
}
