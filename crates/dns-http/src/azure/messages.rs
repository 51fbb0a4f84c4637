//! The messages of the Azure DNS API. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use fleetcert_dns::{RecordType, TxtValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::record_sets::{Spelled, Spelling};

/// A record set as it comes.
#[derive(Debug, Deserialize)]
pub(super) struct RecordSetReply {
    pub(super) etag: String,
    pub(super) properties: Properties,
}

/// What a record set has. Only the records of its own type are there.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Properties {
    #[serde(rename = "TTL")]
    ttl: u32,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
    #[serde(rename = "TXTRecords", skip_serializing_if = "Option::is_none")]
    txt: Option<Vec<Txt>>,
    #[serde(rename = "ARecords", skip_serializing_if = "Option::is_none")]
    v4: Option<Vec<V4>>,
    #[serde(rename = "AAAARecords", skip_serializing_if = "Option::is_none")]
    v6: Option<Vec<V6>>,
    #[serde(rename = "targetResource", default, skip_serializing)]
    target: Target,
}

#[derive(Debug, Serialize, Deserialize)]
struct Txt {
    value: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct V4 {
    #[serde(rename = "ipv4Address")]
    address: Ipv4Addr,
}

#[derive(Debug, Serialize, Deserialize)]
struct V6 {
    #[serde(rename = "ipv6Address")]
    address: Ipv6Addr,
}

#[derive(Debug, Default, Deserialize)]
struct Target {
    id: Option<String>,
}

/// What is sent.
#[derive(Debug, Serialize)]
pub(super) struct SentRecordSet {
    pub(super) properties: Properties,
}

/// A set as it was read: what is needed to write it again, on condition and without losing what is not ours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(super) spelled: Spelled,
    pub(super) etag: String,
    pub(super) metadata: Map<String, Value>,
}

/// A text is spelled as the JSON list of its strings, so that what we did not write keeps its strings.
pub(super) const SPELLING: Spelling = Spelling {
    write: |value| {
        let strings: Vec<_> = value.strings().map(String::from_utf8_lossy).collect();
        serde_json::to_string(&strings).expect("a list of texts is JSON")
    },
    read: |text| {
        let strings: Vec<String> = serde_json::from_str(text).ok()?;
        TxtValue::new(strings.concat().as_bytes()).ok()
    },
};

/// Whether the text can be sent: JSON has no octets, and what Azure makes of characters is not known for others.
pub(super) fn is_printable(value: &TxtValue) -> bool {
    value.as_bytes().iter().all(|octet| (b' '..=b'~').contains(octet))
}

impl RecordSetReply {
    /// `None` for an alias.
    pub(super) fn into_stored(self, record_type: RecordType) -> Option<Stored> {
        let Self { etag, properties } = self;
        if properties.target.id.is_some() {
            return None;
        }
        let values = match record_type {
            RecordType::Txt => properties.txt.iter().flatten().map(|record| spelled(&record.value)).collect(),
            RecordType::A => {
                properties.v4.iter().flatten().map(|record| record.address.to_string()).collect()
            }
            RecordType::Aaaa => {
                properties.v6.iter().flatten().map(|record| record.address.to_string()).collect()
            }
        };
        Some(Stored { spelled: Spelled { ttl: properties.ttl, values }, etag, metadata: properties.metadata })
    }
}

fn spelled(strings: &[String]) -> String {
    serde_json::to_string(strings).expect("a list of texts is JSON")
}

impl SentRecordSet {
    /// The set with this metadata. `None` when it is not spelled as here.
    pub(super) fn new(record_type: RecordType, set: &Spelled, metadata: Map<String, Value>) -> Option<Self> {
        let mut properties = Properties { ttl: set.ttl, metadata, ..Properties::default() };
        let values = set.values.iter();
        match record_type {
            RecordType::Txt => {
                let records = values.map(|text| Some(Txt { value: serde_json::from_str(text).ok()? }));
                properties.txt = Some(records.collect::<Option<_>>()?);
            }
            RecordType::A => {
                let records = values.map(|text| Some(V4 { address: text.parse().ok()? }));
                properties.v4 = Some(records.collect::<Option<_>>()?);
            }
            RecordType::Aaaa => {
                let records = values.map(|text| Some(V6 { address: text.parse().ok()? }));
                properties.v6 = Some(records.collect::<Option<_>>()?);
            }
        }
        Some(Self { properties })
    }
}

/// The code of a refusal; `None` when the answer has none.
pub(super) fn code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct ErrorReply {
        error: Option<ErrorBody>,
        // Some answers have it without the member around it.
        code: Option<String>,
    }
    #[derive(Deserialize)]
    struct ErrorBody {
        code: String,
    }
    let reply: ErrorReply = serde_json::from_slice(body).ok()?;
    let code = reply.error.map(|error| error.code).or(reply.code)?;
    let good = code.len() <= 64 && code.bytes().all(|octet| octet.is_ascii_alphanumeric());
    good.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes() {
        assert_eq!(
            code(br#"{"error": {"code": "NotFound", "message": "why"}}"#),
            Some("NotFound".to_owned())
        );
        assert_eq!(code(br#"{"code": "NotFound", "message": "why"}"#), Some("NotFound".to_owned()));
        for body in ["", "{}", r#"{"error": "no"}"#, r#"{"code": "a b"}"#, "<html>"] {
            assert_eq!(code(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn strings_stay_as_they_are() {
        let text = r#"["for","eign"]"#;
        assert_eq!((SPELLING.read)(text), Some("foreign".parse().unwrap()));
        let set = Spelled { ttl: 1, values: vec![text.to_owned()] };
        let sent = SentRecordSet::new(RecordType::Txt, &set, Map::new()).unwrap();
        assert_eq!(
            serde_json::to_value(sent).unwrap(),
            serde_json::json!({"properties": {"TTL": 1, "TXTRecords": [{"value": ["for", "eign"]}]}})
        );
        let odd = Spelled { ttl: 1, values: vec!["no list".to_owned()] };
        assert!(SentRecordSet::new(RecordType::Txt, &odd, Map::new()).is_none());
    }

    proptest! {
        #[test]
        fn every_printable_value_comes_back(text in "[ -~]{1,1024}") {
            let value: TxtValue = text.parse().unwrap();
            prop_assert!(is_printable(&value));
            let spelled = (SPELLING.write)(&value);
            let strings: Vec<String> = serde_json::from_str(&spelled).unwrap();
            prop_assert!(strings.iter().all(|string| string.len() <= 255));
            prop_assert_eq!((SPELLING.read)(&spelled), Some(value));
        }

        #[test]
        fn no_other_value_is_sent(octet in prop_oneof![0u8..0x20, 0x7fu8..=0xff]) {
            prop_assert!(!is_printable(&TxtValue::new(&[b'a', octet]).unwrap()));
        }
    }
}
