//! A server that imitates Hetzner's API, as far as this crate needs it. It is an imitation: what Hetzner itself does
//! is known from its reference and its client only.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::fixture::{SECRET, serve};

/// Values and time to live by name below the zone and type.
type Sets = BTreeMap<(String, String), (Vec<String>, u64)>;

#[derive(Default)]
struct Project {
    sets: Mutex<Sets>,
    actions: AtomicU64,
}

type Shared = State<Arc<Project>>;

/// Starts it with one empty zone, `fleet.test`.
pub(super) async fn start() -> SocketAddr {
    let router = Router::new()
        .route("/zones/{zone}", get(zone))
        .route("/zones/{zone}/rrsets/{name}/{type}", get(one))
        .route("/zones/{zone}/rrsets/{name}/{type}/actions/{action}", post(act))
        .route("/actions/{id}", get(action))
        .with_state(Arc::<Project>::default());
    serve(router).await.0
}

fn refusal(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({"error": {"code": code, "message": "…", "details": null}}))).into_response()
}

fn gate(headers: &HeaderMap, zone: &str) -> Option<Response> {
    if headers.get("authorization").is_none_or(|value| value != &format!("Bearer {SECRET}")) {
        return Some(refusal(StatusCode::UNAUTHORIZED, "unauthorized"));
    }
    (zone != "fleet.test").then(|| refusal(StatusCode::NOT_FOUND, "not_found"))
}

async fn zone(headers: HeaderMap, Path(zone): Path<String>) -> Response {
    gate(&headers, &zone).unwrap_or_else(|| {
        Json(json!({"zone": {"id": 1, "name": zone, "mode": "primary", "ttl": 3600}})).into_response()
    })
}

async fn one(
    State(project): Shared,
    headers: HeaderMap,
    Path((zone, name, record_type)): Path<(String, String, String)>,
) -> Response {
    if let Some(refusal) = gate(&headers, &zone) {
        return refusal;
    }
    match project.sets.lock().get(&(name.clone(), record_type.clone())) {
        None => refusal(StatusCode::NOT_FOUND, "not_found"),
        Some((values, ttl)) => {
            let records: Vec<_> = values.iter().map(|value| json!({"value": value, "comment": ""})).collect();
            let rrset = json!({"id": format!("{name}/{record_type}"), "name": name, "type": record_type, "ttl": ttl,
                               "records": records});
            Json(json!({"rrset": rrset})).into_response()
        }
    }
}

async fn act(
    State(project): Shared,
    headers: HeaderMap,
    Path((zone, name, record_type, action)): Path<(String, String, String, String)>,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refusal) = gate(&headers, &zone) {
        return refusal;
    }
    let key = (name, record_type);
    let mut sets = project.sets.lock();
    let given: Vec<String> = body["records"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|record| record["value"].as_str().unwrap().to_owned())
        .collect();
    let held = sets.get(&key).map(|(values, _)| values.clone()).unwrap_or_default();
    let not_found = || refusal(StatusCode::NOT_FOUND, "not_found");
    match action.as_str() {
        "add_records" if given.iter().any(|value| held.contains(value)) => {
            return refusal(StatusCode::CONFLICT, "uniqueness_error");
        }
        "add_records" => {
            let ttl = body["ttl"].as_u64();
            if ttl.is_some_and(|ttl| ttl < 60) {
                return refusal(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input");
            }
            match (sets.get_mut(&key), ttl) {
                (Some((_, held)), Some(ttl)) if *held != ttl => {
                    return refusal(StatusCode::CONFLICT, "conflict");
                }
                (Some((values, _)), _) => values.extend(given),
                (None, ttl) => drop(sets.insert(key, (given, ttl.unwrap_or(3600)))),
            }
        }
        "remove_records" if !given.iter().all(|value| held.contains(value)) => return not_found(),
        "remove_records" => {
            let (values, _) = sets.get_mut(&key).unwrap();
            values.retain(|value| !given.contains(value));
            if values.is_empty() {
                sets.remove(&key);
            }
        }
        "set_records" => match sets.get_mut(&key) {
            None => return not_found(),
            Some((values, _)) => *values = given,
        },
        "change_ttl" => match sets.get_mut(&key) {
            None => return not_found(),
            Some((_, ttl)) => *ttl = body["ttl"].as_u64().unwrap(),
        },
        _ => return not_found(),
    }
    // Every other action is done at once.
    let id = project.actions.fetch_add(1, Ordering::Relaxed);
    let status = if id.is_multiple_of(2) { "running" } else { "success" };
    (StatusCode::CREATED, Json(json!({"action": {"id": id, "status": status, "error": null}})))
        .into_response()
}

async fn action(Path(id): Path<u64>) -> Response {
    Json(json!({"action": {"id": id, "status": "success", "error": null}})).into_response()
}
