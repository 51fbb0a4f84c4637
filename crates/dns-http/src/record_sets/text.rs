//! Record data as text (RFC 1035 section 5.1), the form of most APIs.

use fleetcert_dns::{RecordData, RecordType};

use crate::txt;

/// Returns the data as text.
#[cfg(any(feature = "__spelling", feature = "cloudflare", feature = "powerdns"))]
pub(crate) fn content(data: &RecordData) -> String {
    match data {
        RecordData::A(address) => address.to_string(),
        RecordData::Aaaa(address) => address.to_string(),
        RecordData::Txt(value) => txt::quoted(value),
    }
}

/// Returns the data of a text; `None` if the contract has no value for it, such as an empty TXT string.
pub(crate) fn parsed(record_type: RecordType, content: &str) -> Option<RecordData> {
    match record_type {
        RecordType::A => content.parse().ok().map(RecordData::A),
        RecordType::Aaaa => content.parse().ok().map(RecordData::Aaaa),
        RecordType::Txt => txt::unquoted(content).map(RecordData::Txt),
    }
}

/// Returns the name of the type.
pub(crate) fn type_name(record_type: RecordType) -> &'static str {
    match record_type {
        RecordType::A => "A",
        RecordType::Aaaa => "AAAA",
        RecordType::Txt => "TXT",
    }
}
