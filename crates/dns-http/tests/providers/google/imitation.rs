//! An imitation of the Google Cloud DNS API in memory, for tests. It is written from the API reference; it is not
//! Google's.

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

type Zone = BTreeMap<(String, String), Value>;

/// A project `p` with a managed zone `fleet` for `fleet.test`, and a token endpoint at `/token`. Returns its base URL.
pub(super) async fn managed_zone() -> String {
    let zone: Arc<Mutex<Zone>> = Arc::default();
    let router = Router::new().fallback(move |request: Request| answer(zone.clone(), request));
    format!("http://{}", serve(router).await.0)
}

async fn answer(zone: Arc<Mutex<Zone>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let url: url::Url = format!("http://localhost{}", head.uri).parse().unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let path: Vec<&str> = url.path().split('/').skip(1).collect();
    if path == ["token"] {
        let form: BTreeMap<_, _> = url::form_urlencoded::parse(&body).into_owned().collect();
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
        assert_eq!((form["assertion"].split('.').count(), form.len()), (3, 2));
        return json_reply(&json!({"access_token": "tok", "expires_in": 3599, "token_type": "Bearer"}));
    }
    if head.headers.get("authorization").is_none_or(|value| value != "Bearer tok") {
        return error(401, "authError");
    }
    match (&head.method, &path[..]) {
        (&Method::GET, ["dns", "v1", "projects", "p", "managedZones"]) => {
            let zone = |visibility: &str, name: &str| json!({"name": name, "dnsName": "fleet.test.", "visibility": visibility});
            let zones = if query["dnsName"] == "fleet.test." {
                vec![zone("private", "inside"), zone("public", "fleet")]
            } else {
                vec![]
            };
            json_reply(&json!({"kind": "dns#managedZonesListResponse", "managedZones": zones}))
        }
        (&Method::GET, ["dns", "v1", "projects", "p", "managedZones", "fleet", "rrsets"]) => {
            let key = (query["name"].clone(), query["type"].clone());
            let sets: Vec<Value> = zone.lock().get(&key).cloned().into_iter().collect();
            json_reply(&json!({"kind": "dns#resourceRecordSetsListResponse", "rrsets": sets}))
        }
        (&Method::POST, ["dns", "v1", "projects", "p", "managedZones", "fleet", "changes"]) => {
            change(&mut zone.lock(), &serde_json::from_slice(&body).unwrap())
        }
        _ => error(404, "notFound"),
    }
}

fn change(zone: &mut Zone, change: &Value) -> Response {
    let mut copy = zone.clone();
    for set in change["deletions"].as_array().unwrap() {
        match copy.remove(&key(set)) {
            None => return error(404, "notFound"),
            Some(held) if sorted(&held) != sorted(set) => return error(412, "conditionNotMet"),
            Some(_) => {}
        }
    }
    for set in change["additions"].as_array().unwrap() {
        let values = set["rrdatas"].as_array().unwrap();
        if values.is_empty() || values.len() > 100 {
            return error(400, "invalid");
        }
        if copy.insert(key(set), set.clone()).is_some() {
            return error(409, "alreadyExists");
        }
    }
    *zone = copy;
    json_reply(&json!({"kind": "dns#change", "id": "1", "status": "pending"}))
}

fn key(set: &Value) -> (String, String) {
    (set["name"].as_str().unwrap().to_owned(), set["type"].as_str().unwrap().to_owned())
}

fn sorted(set: &Value) -> (u64, Vec<String>) {
    let texts = set["rrdatas"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
    let mut texts: Vec<_> = texts.collect();
    texts.sort();
    (set["ttl"].as_u64().unwrap(), texts)
}

fn json_reply(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

fn error(code: u16, reason: &str) -> Response {
    let body =
        json!({"error": {"code": code, "message": "…", "errors": [{"domain": "global", "reason": reason}]}});
    (StatusCode::from_u16(code).unwrap(), json_reply(&body)).into_response()
}
