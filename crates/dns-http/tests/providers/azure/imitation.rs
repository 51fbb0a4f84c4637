//! An imitation of the Azure DNS API in memory, for tests. It is written from the API reference; it is not Azure.

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

#[derive(Default)]
struct Zone {
    sets: BTreeMap<(String, String), (u64, Value)>,
    last_etag: u64,
}

/// A subscription `s` with a resource group `g` that has the zone `fleet.test`; tokens are given out at the same URL,
/// which is returned.
pub(super) async fn resource_group() -> String {
    let zone: Arc<Mutex<Zone>> = Arc::default();
    let router = Router::new().fallback(move |request: Request| answer(zone.clone(), request));
    format!("http://{}", serve(router).await.0)
}

async fn answer(zone: Arc<Mutex<Zone>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let path: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    if let ["t", "oauth2", "v2.0", "token"] = path[..] {
        return json_reply(200, &json!({"access_token": "tok", "expires_in": 3599, "token_type": "Bearer"}));
    }
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    if header("authorization").as_deref() != Some("Bearer tok") {
        return error(401, "InvalidAuthenticationToken");
    }
    assert_eq!(head.uri.query(), Some("api-version=2018-05-01"));
    let [
        "subscriptions",
        "s",
        "resourceGroups",
        "g",
        "providers",
        "Microsoft.Network",
        "dnsZones",
        name,
        rest @ ..,
    ] = &path[..]
    else {
        return error(404, "ResourceGroupNotFound");
    };
    if *name != "fleet.test" {
        return error(404, "ParentResourceNotFound");
    }
    let [record_type, label] = rest else { return error(404, "InvalidResourceType") };
    let key = (record_type.to_string(), label.to_string());
    let mut zone = zone.lock();
    let etag = zone.sets.get(&key).map(|(etag, _)| format!("tag-{etag}"));
    let met = match (header("if-match"), header("if-none-match").as_deref()) {
        (Some(wanted), None) => etag.as_deref() == Some(wanted.as_str()),
        (None, Some("*")) => etag.is_none(),
        (None, None) => head.method == Method::GET,
        other => panic!("{other:?} is no condition"),
    };
    if !met {
        return error(412, "PreconditionFailed");
    }
    match head.method {
        Method::GET => zone.sets.get(&key).map_or_else(|| error(404, "NotFound"), |set| reply(200, set)),
        Method::DELETE => {
            zone.sets.remove(&key);
            StatusCode::OK.into_response()
        }
        Method::PUT => {
            let sent: Value = serde_json::from_slice(&body).unwrap();
            let records = &sent["properties"][format!("{record_type}Records")];
            if !(1..=20).contains(&records.as_array().unwrap().len())
                || sent["properties"]["TTL"].as_u64().unwrap() == 0
            {
                return error(400, "BadRequest");
            }
            zone.last_etag += 1;
            let set = (zone.last_etag, sent["properties"].clone());
            let status = if zone.sets.insert(key, set.clone()).is_some() { 200 } else { 201 };
            reply(status, &set)
        }
        _ => error(405, "MethodNotAllowed"),
    }
}

fn reply(status: u16, (etag, properties): &(u64, Value)) -> Response {
    json_reply(status, &json!({"etag": format!("tag-{etag}"), "properties": properties}))
}

fn json_reply(status: u16, value: &Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], value.to_string())
        .into_response()
}

fn error(status: u16, code: &str) -> Response {
    json_reply(status, &json!({"error": {"code": code, "message": "…"}}))
}
