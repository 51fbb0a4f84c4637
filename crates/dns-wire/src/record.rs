//! Conversion of record types and values to and from hickory's.

use fleetcert_dns::{RecordData, RecordType, TxtValue};
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::{A, AAAA, TXT};

/// Returns the type as hickory's.
pub fn type_to_wire(record_type: RecordType) -> hickory_proto::rr::RecordType {
    match record_type {
        RecordType::A => hickory_proto::rr::RecordType::A,
        RecordType::Aaaa => hickory_proto::rr::RecordType::AAAA,
        RecordType::Txt => hickory_proto::rr::RecordType::TXT,
    }
}

/// Returns the type as ours; `None` for a type that devices do not have.
pub fn type_from_wire(record_type: hickory_proto::rr::RecordType) -> Option<RecordType> {
    match record_type {
        hickory_proto::rr::RecordType::A => Some(RecordType::A),
        hickory_proto::rr::RecordType::AAAA => Some(RecordType::Aaaa),
        hickory_proto::rr::RecordType::TXT => Some(RecordType::Txt),
        _ => None,
    }
}

/// Returns the value as hickory's; text is split into strings of 255 octets.
pub fn to_wire(data: &RecordData) -> RData {
    match data {
        RecordData::A(address) => RData::A(A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(AAAA(*address)),
        RecordData::Txt(value) => RData::TXT(TXT::from_bytes(value.strings().collect())),
    }
}

/// Returns the value as ours; the strings of a text are concatenated.
///
/// # Errors
/// [`ForeignValue`] for another type, for no value, or for a text that is empty or longer than [`TxtValue::MAX_LEN`]
/// octets.
pub fn from_wire(data: &RData) -> Result<RecordData, ForeignValue> {
    match data {
        RData::A(A(address)) => Ok(RecordData::A(*address)),
        RData::AAAA(AAAA(address)) => Ok(RecordData::Aaaa(*address)),
        RData::TXT(text) => {
            TxtValue::new(&text.txt_data.concat()).map(RecordData::Txt).map_err(|_| ForeignValue)
        }
        _ => Err(ForeignValue),
    }
}

/// The error for a value that is valid in the DNS, but not as a [`RecordData`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the type or value of the record is not supported")]
pub struct ForeignValue;

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::rdata::NS;
    use proptest::prelude::*;

    #[test]
    fn foreign_values_are_rejected() {
        assert_eq!(from_wire(&RData::NS(NS(hickory_proto::rr::Name::root()))), Err(ForeignValue));
        assert_eq!(from_wire(&RData::Update0(hickory_proto::rr::RecordType::A)), Err(ForeignValue));
        assert_eq!(from_wire(&RData::TXT(TXT::from_bytes(vec![b""]))), Err(ForeignValue));
        let long = [b'a'; 255];
        assert_eq!(from_wire(&RData::TXT(TXT::from_bytes(vec![&long; 5]))), Err(ForeignValue));
    }

    #[test]
    fn types_survive_a_round_trip() {
        for record_type in [RecordType::A, RecordType::Aaaa, RecordType::Txt] {
            assert_eq!(type_from_wire(type_to_wire(record_type)), Some(record_type));
        }
        assert_eq!(type_from_wire(hickory_proto::rr::RecordType::ANY), None);
    }

    proptest! {
        #[test]
        fn values_survive_a_round_trip(v4: [u8; 4], v6: [u8; 16], text in prop::collection::vec(any::<u8>(), 1..=1024)) {
            for data in [
                RecordData::A(v4.into()),
                RecordData::Aaaa(v6.into()),
                RecordData::Txt(TxtValue::new(&text).unwrap()),
            ] {
                prop_assert_eq!(from_wire(&to_wire(&data)).unwrap(), data);
            }
        }
    }
}
