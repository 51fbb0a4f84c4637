//! The directory and newNonce (RFC 8555 sections 7.1.1 and 7.2).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::Resource;
use crate::shared::ServerState;
use crate::table::Id;

pub(crate) async fn directory(State(shared): State<Arc<ServerState>>) -> Json<Value> {
    let mut directory = Map::new();
    for (name, resource) in [
        ("newNonce", Resource::NewNonce),
        ("newAccount", Resource::NewAccount),
        ("newOrder", Resource::NewOrder),
        ("revokeCert", Resource::RevokeCertificate),
        ("renewalInfo", Resource::RenewalInfo),
    ] {
        directory.insert(name.to_owned(), shared.urls.of(resource).into());
    }
    directory.insert("meta".to_owned(), meta(&shared).into());
    // As Let's Encrypt does it, so that no client comes to depend on the set of members.
    let stranger = Id::random(&*shared.entropy).to_string();
    directory.insert(stranger, "a member that clients must ignore (RFC 8555 section 7.1.1)".into());
    Json(Value::Object(directory))
}

fn meta(shared: &ServerState) -> Map<String, Value> {
    let options = &shared.options;
    let mut meta = Map::new();
    meta.insert("externalAccountRequired".to_owned(), false.into());
    if let Some(terms) = &options.terms_of_service {
        meta.insert("termsOfService".to_owned(), terms.as_str().into());
    }
    if !options.caa_identities.is_empty() {
        meta.insert("caaIdentities".to_owned(), json!(options.caa_identities));
    }
    if !options.profiles.is_empty() {
        meta.insert("profiles".to_owned(), json!(options.profiles));
    }
    meta
}

pub(crate) async fn new_nonce(method: Method) -> StatusCode {
    // The nonce itself comes with the headers that every such answer has.
    if method == Method::HEAD { StatusCode::OK } else { StatusCode::NO_CONTENT }
}
