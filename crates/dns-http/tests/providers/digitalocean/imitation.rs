//! A server that imitates DigitalOcean's API, as far as this crate needs it. It is an imitation: what DigitalOcean
//! itself does is known from its documentation only.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::fixture::{SECRET, serve};

#[derive(Default)]
struct Domain {
    next_id: u64,
    records: BTreeMap<u64, Value>,
}

type Shared = State<Arc<Mutex<Domain>>>;

/// A page is shorter than what the backend asks for, so that there are several.
const PAGE: usize = 20;

/// Starts it with one empty domain, `fleet.test`.
pub(super) async fn start() -> SocketAddr {
    let router = Router::new()
        .route("/domains/{domain}/records", get(list).post(create))
        .route("/domains/{domain}/records/{id}", delete(remove))
        .with_state(Arc::<Mutex<Domain>>::default());
    serve(router).await.0
}

fn gate(headers: &HeaderMap, domain: &str) -> Option<Response> {
    if headers.get("authorization").is_none_or(|value| value != &format!("Bearer {SECRET}")) {
        let body = Json(json!({"id": "Unauthorized", "message": "Unable to authenticate you"}));
        return Some((StatusCode::UNAUTHORIZED, body).into_response());
    }
    (domain != "fleet.test").then(not_found)
}

fn not_found() -> Response {
    let body =
        Json(json!({"id": "not_found", "message": "The resource you were accessing could not be found."}));
    (StatusCode::NOT_FOUND, body).into_response()
}

async fn list(
    State(domain): Shared,
    headers: HeaderMap,
    Path(zone): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if let Some(refusal) = gate(&headers, &zone) {
        return refusal;
    }
    let own = query["name"].strip_suffix("fleet.test").unwrap().trim_end_matches('.');
    let own = if own.is_empty() { "@" } else { own };
    let domain = domain.lock();
    let found: Vec<_> = domain.records.values().filter(|record| record["name"] == own).cloned().collect();
    let page: usize = query.get("page").map_or(1, |page| page.parse().unwrap());
    let records: Vec<_> = found.iter().skip((page - 1) * PAGE).take(PAGE).collect();
    let mut links = json!({});
    if page * PAGE < found.len() {
        let host = headers["host"].to_str().unwrap();
        let next = format!("http://{host}/domains/{zone}/records?name={}&page={}", query["name"], page + 1);
        links["pages"] = json!({"next": next, "last": "…"});
    }
    Json(json!({"domain_records": records, "links": links, "meta": {"total": found.len()}})).into_response()
}

async fn create(
    State(domain): Shared,
    headers: HeaderMap,
    Path(zone): Path<String>,
    Json(mut record): Json<Value>,
) -> Response {
    if let Some(refusal) = gate(&headers, &zone) {
        return refusal;
    }
    if record["ttl"].as_u64().is_none_or(|ttl| ttl < 30) {
        let body = Json(json!({"id": "unprocessable_entity", "message": "TTL must be at least 30"}));
        return (StatusCode::UNPROCESSABLE_ENTITY, body).into_response();
    }
    let mut domain = domain.lock();
    domain.next_id += 1;
    let id = domain.next_id;
    record["id"] = id.into();
    domain.records.insert(id, record.clone());
    (StatusCode::CREATED, Json(json!({"domain_record": record}))).into_response()
}

async fn remove(
    State(domain): Shared,
    headers: HeaderMap,
    Path((zone, id)): Path<(String, u64)>,
) -> Response {
    if let Some(refusal) = gate(&headers, &zone) {
        return refusal;
    }
    match domain.lock().records.remove(&id) {
        None => not_found(),
        Some(_) => StatusCode::NO_CONTENT.into_response(),
    }
}
