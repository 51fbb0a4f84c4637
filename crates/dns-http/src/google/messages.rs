//! What is sent to Google Cloud DNS and what it answers.

use fleetcert_dns::{BackendErrorKind, RecordType};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::record_sets::{Spelled, type_name};

/// A `ResourceRecordSet`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RrSet {
    name: String,
    #[serde(rename = "type")]
    record_type: String,
    #[serde(default)]
    ttl: u32,
    #[serde(default)]
    rrdatas: Vec<String>,
    #[serde(rename = "routingPolicy", skip_serializing)]
    routing_policy: Option<serde::de::IgnoredAny>,
}

impl RrSet {
    pub(super) fn new(name: &str, record_type: RecordType, set: &Spelled) -> Self {
        Self {
            name: format!("{name}."),
            record_type: type_name(record_type).to_owned(),
            ttl: set.ttl,
            rrdatas: set.values.clone(),
            routing_policy: None,
        }
    }

    pub(super) fn is_at(&self, name: &str, record_type: RecordType) -> bool {
        self.name.trim_end_matches('.').eq_ignore_ascii_case(name)
            && self.record_type == type_name(record_type)
    }

    pub(super) fn has_routing_policy(&self) -> bool {
        self.routing_policy.is_some()
    }

    pub(super) fn into_spelled(self) -> Spelled {
        Spelled { ttl: self.ttl, values: self.rrdatas }
    }
}

/// A page of `resourceRecordSets.list`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RrSetPage {
    /// It must say what it is: an empty list has no other member.
    #[serde(rename = "kind")]
    _kind: RrSetListKind,
    #[serde(default)]
    pub(super) rrsets: Vec<RrSet>,
    pub(super) next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
enum RrSetListKind {
    #[serde(rename = "dns#resourceRecordSetsListResponse")]
    This,
}

/// A page of `managedZones.list`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ZonePage {
    #[serde(rename = "kind")]
    _kind: ZoneListKind,
    #[serde(default)]
    pub(super) managed_zones: Vec<ManagedZone>,
    pub(super) next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
enum ZoneListKind {
    #[serde(rename = "dns#managedZonesListResponse")]
    This,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManagedZone {
    pub(super) name: String,
    dns_name: String,
    visibility: Option<String>,
}

impl ManagedZone {
    pub(super) fn is_public_zone(&self, zone: &str) -> bool {
        self.dns_name.trim_end_matches('.').eq_ignore_ascii_case(zone)
            && self.visibility.as_deref() != Some("private")
    }
}

/// A `Change`, as it is sent.
#[derive(Debug, Default, Serialize)]
pub(super) struct SentChange {
    pub(super) deletions: Vec<RrSet>,
    pub(super) additions: Vec<RrSet>,
}

/// A `Change`, as it comes back.
#[derive(Debug, Deserialize)]
pub(super) struct MadeChange {
    #[serde(rename = "status")]
    _status: String,
}

/// What a refusal means, by its reason.
pub(super) fn kind_of(_: StatusCode, body: &[u8]) -> Option<BackendErrorKind> {
    #[derive(Deserialize)]
    struct ErrorReply {
        error: ErrorBody,
    }
    #[derive(Deserialize)]
    struct ErrorBody {
        #[serde(default)]
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        reason: String,
    }
    let reply: ErrorReply = serde_json::from_slice(body).ok()?;
    match reply.error.errors.first()?.reason.as_str() {
        "rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded" | "dailyLimitExceeded" => {
            Some(BackendErrorKind::Quota)
        }
        "authError" => Some(BackendErrorKind::Unauthenticated),
        "alreadyExists" | "conditionNotMet" => Some(BackendErrorKind::Conflict),
        _ => None,
    }
}
