//! The challenge of an authorization: dns-01 and no other (RFC 8555 sections 7.5.1 and 8.4).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::Request;
use http::header::{LINK, RETRY_AFTER};
use serde_json::{Map, Value, json};

use crate::authorization::own;
use crate::front::link;
use crate::objects::{Authorization, AuthorizationState};
use crate::order::rfc3339;
use crate::problem::seconds;
use crate::request::from_account;
use crate::server::Shared;
use crate::table::Id;
use crate::work::Job;
use crate::{Problem, Resource};

pub(crate) async fn answer(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (caller, payload) = from_account(&shared, request).await?;
    if !payload.is_empty() {
        // An empty object starts the validation; members of older drafts are ignored.
        let _: Map<String, Value> = payload.json()?;
    }

    let mut objects = shared.objects();
    let id = own(&shared, &objects, &caller, &id)?;
    let authorization = objects.authorizations.get_mut(id).ok_or_else(|| Problem::not_found("challenge"))?;
    // Answered again, a challenge is shown as it stands: a client may repeat a request whose answer it lost.
    if !payload.is_empty() && authorization.state == AuthorizationState::Pending {
        let place = shared.place_for_work()?;
        authorization.state = AuthorizationState::Validating;
        place.send(Job::Validate { authorization: id });
    }

    let mut response = Json(document(&shared, id, authorization)).into_response();
    let headers = response.headers_mut();
    headers.append(LINK, link(&shared.urls.one(Resource::Authorization, id), "up"));
    if let Some(wait) = retry_after(&shared, authorization) {
        headers.insert(RETRY_AFTER, seconds(wait));
    }
    Ok(response)
}

/// What an answer that shows this authorization says about asking again.
pub(crate) fn retry_after(shared: &Shared, authorization: &Authorization) -> Option<Duration> {
    match authorization.state {
        AuthorizationState::Pending | AuthorizationState::Validating => shared.options.challenge_retry_after,
        _ => None,
    }
}

pub(crate) fn document(shared: &Shared, id: Id, authorization: &Authorization) -> Value {
    let mut document = json!({
        "type": "dns-01",
        "url": shared.urls.one(Resource::Challenge, id),
        "status": status(&authorization.state),
        "token": authorization.token,
    });
    match &authorization.state {
        AuthorizationState::Valid { at } => document["validated"] = json!(rfc3339(*at)),
        AuthorizationState::Invalid { error } => document["error"] = error.to_json(),
        _ => {}
    }
    document
}

fn status(state: &AuthorizationState) -> &'static str {
    match state {
        AuthorizationState::Pending | AuthorizationState::Deactivated => "pending",
        AuthorizationState::Validating => "processing",
        AuthorizationState::Valid { .. } => "valid",
        AuthorizationState::Invalid { .. } => "invalid",
    }
}
