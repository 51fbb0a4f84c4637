//! The CA's objects in the form that the library beneath parses.
//!
//! instant-acme gives up an object for one odd member, though the order behind it is good. What is read here is what an
//! order needs; everything else is ignored.

use bytes::Bytes;
use reqwest::Url;
use serde_json::{Map, Value, json};

use crate::Problem;

/// Returns the body of the reply to `url` with the members that the library reads: URLs absolute, odd members left out,
/// those without which it gives up added. A body that is no JSON object stays as it is.
pub(super) fn for_library(body: &Bytes, url: &Url) -> Bytes {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return body.clone() };
    let strings = |member: &str| object.get(member).and_then(Value::as_array).into_iter().flatten();
    let authorizations = strings("authorizations").filter_map(Value::as_str).map(|it| absolute(url, it));
    let challenges = strings("challenges").filter_map(|it| challenge(it, url));
    let mut kept = json!({
        "type": text(&object, "type").unwrap_or("unknown"),
        "url": absolute(url, text(&object, "url").unwrap_or_default()),
        "finalize": absolute(url, text(&object, "finalize").unwrap_or_default()),
        "authorizations": authorizations.collect::<Vec<_>>(),
        "wildcard": object.get("wildcard").and_then(Value::as_bool).unwrap_or_default(),
        "challenges": challenges.collect::<Vec<_>>(),
    });
    if let Some(certificate) = text(&object, "certificate") {
        kept["certificate"] = absolute(url, certificate).into();
    }
    for member in ["status", "token", "replaces", "profile"] {
        if let Some(text) = text(&object, member) {
            kept[member] = text.into();
        }
    }
    if let Some(identifier) = object.get("identifier") {
        kept["identifier"] = identifier.clone();
    }
    kept.to_string().into()
}

/// Returns the URL, resolved against the URL of the request (RFC 9110 section 10.2.2) if it is relative.
pub(super) fn absolute(base: &Url, text: &str) -> String {
    if text.is_empty() || Url::parse(text).is_ok() {
        return text.to_owned();
    }
    base.join(text).map_or_else(|_| text.to_owned(), String::from)
}

/// Returns a challenge of an authorization, unless its status is of no known kind.
fn challenge(challenge: &Value, url: &Url) -> Option<Value> {
    let challenge = challenge.as_object()?;
    let status = text(challenge, "status")?;
    if !matches!(status, "pending" | "processing" | "valid" | "invalid") {
        return None;
    }
    let problem = challenge.get("error").and_then(Problem::read);
    Some(json!({
        "type": text(challenge, "type")?,
        "url": absolute(url, text(challenge, "url")?),
        "token": text(challenge, "token").unwrap_or_default(),
        "status": status,
        "error": problem.map(|problem| json!({ "type": problem.kind, "detail": problem.detail })),
    }))
}

fn text<'a>(object: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    object.get(member).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url() -> Url {
        Url::parse("https://ca.test/acme/order/1").unwrap()
    }

    fn read(object: &Value) -> Value {
        serde_json::from_slice(&for_library(&object.to_string().into(), &url())).unwrap()
    }

    #[test]
    fn odd_members_are_left_out_and_missing_ones_added() {
        let order = read(&json!({
            "status": "valid", "identifers": [], "error": {}, "certificate": "/cert/1", "replaces": null,
            "authorizations": ["https://ca.test/a", null, "../authz/2"], "expires": 7, "wildcard": null,
        }));
        assert_eq!(order["finalize"], "");
        assert_eq!(order["certificate"], "https://ca.test/cert/1");
        assert_eq!(order["authorizations"], json!(["https://ca.test/a", "https://ca.test/acme/authz/2"]));
        assert_eq!((&order["error"], &order["replaces"]), (&Value::Null, &Value::Null));
        assert_eq!(order["wildcard"], false);
    }

    #[test]
    fn challenge_of_an_unknown_kind_does_not_hide_the_others() {
        let authorization = read(&json!({
            "status": "pending", "identifier": {"type": "dns", "value": "a.test"},
            "challenges": [
                null, {"type": "x-01"}, {"type": "dns-01", "url": "u", "status": "odd"},
                {"type": "dns-01", "url": "../chall/1", "token": null, "status": "invalid",
                 "error": {"detail": "no", "subproblems": [7]}},
            ],
        }));
        let [challenge] = &authorization["challenges"].as_array().unwrap()[..] else {
            panic!("{authorization}")
        };
        assert_eq!(challenge["url"], "https://ca.test/acme/chall/1");
        assert_eq!(challenge["token"], "");
        assert_eq!(challenge["error"], json!({"type": "about:blank", "detail": "no"}));
    }

    #[test]
    fn other_bodies_stay_as_they_are() {
        for body in ["-----BEGIN CERTIFICATE-----", "<html>", "[]", "", "7"] {
            assert_eq!(for_library(&Bytes::from_static(body.as_bytes()), &url()), body.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>, text: String) {
            let _ = for_library(&body.into(), &url());
            let _ = absolute(&url(), &text);
        }
    }
}
