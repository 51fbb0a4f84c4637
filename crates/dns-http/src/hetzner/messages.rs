//! The JSON of the API. Pure.

use fleetcert_dns::BackendErrorKind;
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// `GET /zones/{name}`.
#[derive(Debug, Deserialize)]
pub(super) struct ZoneReply {
    pub(super) zone: ZoneDetails,
}

#[derive(Debug, Deserialize)]
pub(super) struct ZoneDetails {
    pub(super) mode: String,
    /// The time to live of sets that have none of their own.
    pub(super) ttl: u32,
}

/// `GET /zones/{name}/rrsets/{name}/{type}`.
#[derive(Debug, Deserialize)]
pub(super) struct RrsetReply {
    pub(super) rrset: Rrset,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rrset {
    pub(super) ttl: Option<u32>,
    pub(super) records: Vec<Record>,
}

/// One value, in presentation form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) value: String,
}

/// The body of `add_records`, `remove_records` and `set_records`.
#[derive(Debug, Serialize)]
pub(super) struct Records {
    pub(super) records: Vec<Record>,
    /// Only for a set that is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<u32>,
}

/// The body of `change_ttl`.
#[derive(Debug, Serialize)]
pub(super) struct ChangeTtl {
    pub(super) ttl: u32,
}

/// What a change answers with, and `GET /actions/{id}`.
#[derive(Debug, Deserialize)]
pub(super) struct ActionReply {
    pub(super) action: Action,
}

/// A change on its way.
#[derive(Debug, Deserialize)]
pub(super) struct Action {
    pub(super) id: u64,
    pub(super) status: String,
    pub(super) error: Option<ApiCode>,
}

/// What the API calls a fault.
#[derive(Debug, Deserialize)]
pub(super) struct ApiCode {
    pub(super) code: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: ApiCode,
}

/// The kind of a refusal by its code, which says more than the status.
pub(super) fn read_kind(_: StatusCode, body: &[u8]) -> Option<BackendErrorKind> {
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    kind_of(&refusal.error.code)
}

pub(super) fn kind_of(code: &str) -> Option<BackendErrorKind> {
    Some(match code {
        "unauthorized" => BackendErrorKind::Unauthenticated,
        "forbidden" | "token_readonly" | "protected" | "incorrect_zone_mode" => BackendErrorKind::Refused,
        "not_found" => BackendErrorKind::NotInZone,
        // Another process is changing the zone, or was faster.
        "conflict" | "locked" | "uniqueness_error" => BackendErrorKind::Conflict,
        "rate_limit_exceeded" | "resource_limit_exceeded" => BackendErrorKind::Quota,
        "maintenance" | "server_error" | "service_error" | "bad_gateway" | "timeout" | "unknown_error" => {
            BackendErrorKind::Unavailable
        }
        "invalid_input" | "json_error" => BackendErrorKind::InvalidInput,
        _ => return None,
    })
}
