//! The messages of the Cloudflare API. Pure.

use fleetcert_dns::{BackendErrorKind, RecordData, RecordSet, RecordType, Ttl};
use fleetcert_names::DomainName;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::record_sets::{content, parsed, type_name};

/// What is around every answer of success.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    /// It must be there: other JSON has it not.
    #[serde(rename = "success")]
    _success: Success,
    pub(super) result: T,
    result_info: Option<ResultInfo>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "bool")]
struct Success;

impl TryFrom<bool> for Success {
    type Error = &'static str;

    fn try_from(success: bool) -> Result<Self, &'static str> {
        if success { Ok(Self) } else { Err("an answer of success says that it is none") }
    }
}

#[derive(Debug, Deserialize)]
struct ResultInfo {
    page: u64,
    total_pages: u64,
}

impl<T> Envelope<T> {
    /// The number of the next page.
    pub(super) fn next_page(&self) -> Option<u64> {
        let info = self.result_info.as_ref()?;
        (info.page < info.total_pages).then(|| info.page + 1)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ListedZone {
    pub(super) id: String,
    pub(super) name: String,
}

/// A record as it is listed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Listed {
    id: String,
    name: String,
    #[serde(rename = "type")]
    record_type: String,
    /// Some types have their data elsewhere.
    #[serde(default)]
    content: String,
    #[serde(default)]
    ttl: u32,
}

/// A time to live that Cloudflare calls automatic, and what it is.
const AUTOMATIC: u32 = 1;
const AUTOMATIC_TTL: u32 = 300;

impl Listed {
    pub(super) fn is_at(&self, name: &DomainName, record_type: RecordType) -> bool {
        self.name.trim_end_matches('.').eq_ignore_ascii_case(name.as_str())
            && self.record_type == type_name(record_type)
    }

    fn data(&self, record_type: RecordType) -> Option<RecordData> {
        parsed(record_type, &self.content)
    }

    fn ttl(&self) -> Ttl {
        let seconds = if self.ttl == AUTOMATIC { AUTOMATIC_TTL } else { self.ttl };
        Ttl::from_secs(seconds).unwrap_or(Ttl::ZERO)
    }
}

/// The records as a set. What we have no value for is not in it.
pub(super) fn record_set(records: &[Listed], record_type: RecordType) -> RecordSet {
    let values = records.iter().filter_map(|record| record.data(record_type)).collect();
    RecordSet { ttl: records.iter().map(Listed::ttl).min().unwrap_or(Ttl::ZERO), values }
}

/// A batch, as it grows.
#[derive(Debug, Default, Serialize)]
pub(super) struct Batch {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deletes: Vec<Deleted>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patches: Vec<Patched>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    posts: Vec<Posted>,
}

#[derive(Debug, Serialize)]
struct Deleted {
    id: String,
}

#[derive(Debug, Serialize)]
struct Patched {
    id: String,
    ttl: u32,
}

#[derive(Debug, Serialize)]
struct Posted {
    name: String,
    #[serde(rename = "type")]
    record_type: &'static str,
    content: String,
    ttl: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxied: Option<bool>,
}

impl Batch {
    /// Brings the records of one name and type to the set.
    pub(super) fn change(
        &mut self,
        name: &DomainName,
        record_type: RecordType,
        before: &[Listed],
        after: Option<&RecordSet>,
    ) {
        let wanted = |data: &RecordData| after.is_some_and(|set| set.values.contains(data));
        let mut held = Vec::new();
        for record in before {
            // What we have no value for is not ours.
            let Some(data) = record.data(record_type) else { continue };
            if !wanted(&data) || held.contains(&data) {
                self.deletes.push(Deleted { id: record.id.clone() });
                continue;
            }
            // Texts keep their time to live: they may belong to another process.
            if let (Some(set), RecordType::A | RecordType::Aaaa) = (after, record_type)
                && set.ttl != record.ttl()
            {
                self.patches.push(Patched { id: record.id.clone(), ttl: set.ttl.as_secs() });
            }
            held.push(data);
        }
        let Some(set) = after else { return };
        for data in set.values.iter().filter(|data| !held.contains(data)) {
            self.posts.push(Posted {
                name: name.to_string(),
                record_type: type_name(record_type),
                content: content(data),
                ttl: set.ttl.as_secs(),
                proxied: (record_type != RecordType::Txt).then_some(false),
            });
        }
    }

    pub(super) fn operations(&self) -> usize {
        self.deletes.len() + self.patches.len() + self.posts.len()
    }
}

/// What a refusal means, by its code.
pub(super) fn kind_of(_: StatusCode, body: &[u8]) -> Option<BackendErrorKind> {
    #[derive(Deserialize)]
    struct ErrorReply {
        errors: Vec<ErrorBody>,
    }
    #[derive(Deserialize)]
    struct ErrorBody {
        code: u32,
    }
    let reply: ErrorReply = serde_json::from_slice(body).ok()?;
    match reply.errors.first()?.code {
        // The token is not in the form of one, unknown, expired or not active.
        1000 | 6003 | 6111 | 9106 | 9109 => Some(BackendErrorKind::Unauthenticated),
        // There is no zone with this id.
        1001 | 7000 | 7003 => Some(BackendErrorKind::NotInZone),
        // A record is not there any more, or one like it is there already.
        81044 | 81057 | 81058 => Some(BackendErrorKind::Conflict),
        // The zone has as many records as its plan allows.
        81045 => Some(BackendErrorKind::Quota),
        _ => None,
    }
}
