//! An imitation of the Cloudflare API in memory, for tests. It is written from the API reference; it is not Cloudflare.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::serve;

#[derive(Clone, Default)]
struct Zone {
    records: BTreeMap<String, Value>,
    last_id: u64,
}

/// A zone `fleet.test` with the id `fleet-id` on the free plan. Returns its base URL.
pub(super) async fn free_zone() -> String {
    let zone: Arc<Mutex<Zone>> = Arc::default();
    let router = Router::new().fallback(move |request: Request| answer(zone.clone(), request));
    format!("http://{}/client/v4", serve(router).await.0)
}

async fn answer(zone: Arc<Mutex<Zone>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    if head.headers.get("authorization").is_none_or(|value| value != "Bearer the token") {
        return error(403, 9109);
    }
    let url: url::Url = format!("http://localhost{}", head.uri).parse().unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let path: Vec<&str> = url.path().split('/').skip(1).collect();
    match (&head.method, &path[..]) {
        (&Method::GET, ["client", "v4", "zones"]) => {
            let zones = if query["name"] == "fleet.test" {
                vec![json!({"id": "fleet-id", "name": "fleet.test"})]
            } else {
                vec![]
            };
            success(&json!(zones), Some(&json!({"page": 1, "per_page": 50, "total_pages": 1})))
        }
        (&Method::GET, ["client", "v4", "zones", "fleet-id", "dns_records"]) => list(&zone.lock(), &query),
        (&Method::POST, ["client", "v4", "zones", "fleet-id", "dns_records", "batch"]) => {
            let mut zone = zone.lock();
            let mut copy = zone.clone();
            match batch(&mut copy, &serde_json::from_slice(&body).unwrap()) {
                Ok(()) => {
                    *zone = copy;
                    success(&json!({}), None)
                }
                Err((status, code)) => error(status, code),
            }
        }
        _ => error(404, 7003),
    }
}

fn list(zone: &Zone, query: &BTreeMap<String, String>) -> Response {
    let is_wanted = |record: &&Value| {
        let name = record["name"].as_str().unwrap();
        query.get("name.exact").is_none_or(|wanted| name == wanted)
            && query.get("name.startswith").is_none_or(|start| name.starts_with(start))
            && query.get("type").is_none_or(|wanted| record["type"] == **wanted)
    };
    let found: Vec<&Value> = zone.records.values().filter(is_wanted).collect();
    // Smaller pages than asked for, so that there are several.
    let (page, per_page) = (query["page"].parse::<usize>().unwrap(), 50);
    assert_eq!(query["per_page"], "1000");
    let pages = found.len().div_ceil(per_page);
    let shown: Vec<_> = found.into_iter().skip((page - 1) * per_page).take(per_page).collect();
    success(&json!(shown), Some(&json!({"page": page, "per_page": per_page, "total_pages": pages})))
}

/// In the order that the API has for the kinds of operations.
fn batch(zone: &mut Zone, batch: &Value) -> Result<(), (u16, u32)> {
    let all = |kind: &str| batch[kind].as_array().cloned().unwrap_or_default();
    let operations = ["deletes", "patches", "posts"].iter().map(|kind| all(kind).len()).sum::<usize>();
    if !(1..=200).contains(&operations) {
        return Err((400, 9999));
    }
    for deleted in all("deletes") {
        zone.records.remove(deleted["id"].as_str().unwrap()).ok_or((404, 81044))?;
    }
    for patched in all("patches") {
        let record = zone.records.get_mut(patched["id"].as_str().unwrap()).ok_or((404, 81044))?;
        record["ttl"] = patched["ttl"].clone();
    }
    for mut posted in all("posts") {
        let same = |record: &&Value| {
            ["name", "type", "content"].iter().all(|member| record[*member] == posted[*member])
        };
        if zone.records.values().find(same).is_some() {
            return Err((400, 81058));
        }
        if posted["ttl"].as_u64().unwrap() < 60 {
            return Err((400, 9021));
        }
        zone.last_id += 1;
        let id = format!("id-{:06}", zone.last_id);
        posted["id"] = json!(id);
        zone.records.insert(id, posted);
    }
    Ok(())
}

fn success(result: &Value, info: Option<&Value>) -> Response {
    json_reply(
        200,
        &json!({"success": true, "errors": [], "messages": [], "result": result, "result_info": info}),
    )
}

fn error(status: u16, code: u32) -> Response {
    json_reply(status, &json!({"success": false, "errors": [{"code": code, "message": "…"}], "result": null}))
}

fn json_reply(status: u16, value: &Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], value.to_string())
        .into_response()
}
