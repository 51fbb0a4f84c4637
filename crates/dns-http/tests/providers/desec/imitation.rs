//! A server that imitates deSEC, as far as this crate needs it. It is an imitation: what deSEC itself does is known
//! from its documentation only.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::fixture::{SECRET, serve};

/// Sets by name below the zone and type.
type Zone = Arc<Mutex<BTreeMap<(String, String), Value>>>;

const DOMAIN: &str = "fleet.test";
const PAGE: usize = 50;
const MINIMUM_TTL: u64 = 60;

/// Starts it with one empty domain, `fleet.test`.
pub(super) async fn start() -> SocketAddr {
    let router = Router::new()
        .route("/domains/{name}/", get(domain))
        .route("/domains/{name}/rrsets/", get(list).patch(patch))
        .route("/domains/{name}/rrsets/{subname}/{type}/", get(one))
        .with_state(Zone::default());
    serve(router).await.0
}

fn refusal(headers: &HeaderMap, domain: &str) -> Option<Response> {
    if headers.get("authorization").is_none_or(|value| value != &format!("Token {SECRET}")) {
        return Some((StatusCode::UNAUTHORIZED, Json(json!({"detail": "Invalid token."}))).into_response());
    }
    (domain != DOMAIN).then(not_found)
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"detail": "Not found."}))).into_response()
}

async fn domain(headers: HeaderMap, Path(name): Path<String>) -> Response {
    refusal(&headers, &name)
        .unwrap_or_else(|| Json(json!({"name": name, "minimum_ttl": MINIMUM_TTL})).into_response())
}

async fn one(
    State(zone): State<Zone>,
    headers: HeaderMap,
    Path((domain, subname, record_type)): Path<(String, String, String)>,
) -> Response {
    if let Some(refusal) = refusal(&headers, &domain) {
        return refusal;
    }
    let subname = if subname == "@" { String::new() } else { subname };
    zone.lock().get(&(subname, record_type)).map_or_else(not_found, |set| Json(set).into_response())
}

async fn list(
    State(zone): State<Zone>,
    headers: HeaderMap,
    Path(domain): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if let Some(refusal) = refusal(&headers, &domain) {
        return refusal;
    }
    let zone = zone.lock();
    let of_type: Vec<_> =
        zone.values().filter(|set| set["type"] == query["type"].as_str()).cloned().collect();
    let Some(cursor) = query.get("cursor") else {
        return if of_type.len() <= PAGE {
            Json(of_type).into_response()
        } else {
            (StatusCode::BAD_REQUEST, Json(json!({"detail": "Pagination required."}))).into_response()
        };
    };
    let start: usize = cursor.parse().unwrap_or(0);
    let page: Vec<_> = of_type.iter().skip(start).take(PAGE).cloned().collect();
    let mut response = Json(page).into_response();
    if start + PAGE < of_type.len() {
        let host = headers["host"].to_str().unwrap();
        let url = format!("http://{host}/domains/{domain}/rrsets/");
        let link = format!(
            "<{url}?cursor=>; rel=\"first\", <{url}?type={}&cursor={}>; rel=\"next\"",
            query["type"],
            start + PAGE
        );
        response.headers_mut().insert("link", link.parse().unwrap());
    }
    response
}

async fn patch(
    State(zone): State<Zone>,
    headers: HeaderMap,
    Path(domain): Path<String>,
    Json(sets): Json<Vec<Value>>,
) -> Response {
    if let Some(refusal) = refusal(&headers, &domain) {
        return refusal;
    }
    let faults: Vec<Value> = sets
        .iter()
        .map(|set| {
            let too_short = set["ttl"].as_u64().is_none_or(|ttl| ttl < MINIMUM_TTL);
            if too_short {
                json!({"ttl": ["Ensure this value is greater than or equal to 60."]})
            } else {
                json!({})
            }
        })
        .collect();
    if faults.iter().any(|fault| fault != &json!({})) {
        return (StatusCode::BAD_REQUEST, Json(faults)).into_response();
    }
    let mut zone = zone.lock();
    for set in sets {
        let text = |field: &str| set[field].as_str().unwrap().to_owned();
        let key = (text("subname"), text("type"));
        if set["records"].as_array().unwrap().is_empty() {
            zone.remove(&key);
        } else {
            zone.insert(key, set);
        }
    }
    Json(json!([])).into_response()
}
