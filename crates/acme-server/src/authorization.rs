//! Authorizations and their challenge, dns-01 (RFC 8555 sections 7.5 and 8.4).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::Request;
use http::header::{LINK, RETRY_AFTER};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer::{link, rfc3339, seconds};
use crate::objects::{Authorization, AuthorizationState, Objects};
use crate::request::{Caller, from_account};
use crate::shared::{Job, ServerState};
use crate::table::Id;
use crate::{Problem, ProblemKind, Resource};

#[derive(Deserialize)]
struct Update {
    status: String,
}

pub(crate) async fn update(
    State(shared): State<Arc<ServerState>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (caller, payload) = from_account(&shared, request).await?;
    let mut objects = shared.objects();
    let id = own(&shared, &objects, &caller, &id)?;
    let authorization = objects.authorizations.get_mut(id).ok_or_else(not_found)?;
    if !payload.is_empty() {
        let update: Update = payload.json()?;
        if update.status != "deactivated" {
            return Err(Problem::malformed("an authorization can become \"deactivated\" and nothing else"));
        }
        if matches!(authorization.state, AuthorizationState::Invalid { .. }) {
            return Err(Problem::new(ProblemKind::Malformed, "the authorization is invalid already"));
        }
        authorization.state = AuthorizationState::Deactivated;
    }

    let mut response = Json(document(&shared, id, authorization)).into_response();
    if let Some(wait) = retry_after(&shared, authorization) {
        response.headers_mut().insert(RETRY_AFTER, seconds(wait));
    }
    Ok(response)
}

/// The authorization at the end of a URL, if it is the caller's and has not expired.
fn own(shared: &ServerState, objects: &Objects, caller: &Caller, id: &str) -> Result<Id, Problem> {
    let id: Id = id.parse().map_err(|_| not_found())?;
    let authorization = objects.authorizations.get(id).ok_or_else(not_found)?;
    if authorization.account != caller.id {
        return Err(Problem::unauthorized("the authorization belongs to another account"));
    }
    if authorization.expires <= shared.now() {
        return Err(Problem::malformed("the authorization has expired").with_status(404));
    }
    Ok(id)
}

fn not_found() -> Problem {
    Problem::not_found("authorization")
}

fn document(shared: &ServerState, id: Id, authorization: &Authorization) -> Value {
    let mut document = json!({
        "identifier": { "type": "dns", "value": authorization.identifier.base() },
        "status": status(&authorization.state),
        "expires": rfc3339(authorization.expires),
        "challenges": [challenge_document(shared, id, authorization)],
    });
    if authorization.identifier.is_wildcard() {
        document["wildcard"] = json!(true);
    }
    document
}

fn status(state: &AuthorizationState) -> &'static str {
    match state {
        AuthorizationState::Pending | AuthorizationState::Validating => "pending",
        AuthorizationState::Valid { .. } => "valid",
        AuthorizationState::Invalid { .. } => "invalid",
        AuthorizationState::Deactivated => "deactivated",
    }
}

pub(crate) async fn answer(
    State(shared): State<Arc<ServerState>>,
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

    let mut response = Json(challenge_document(&shared, id, authorization)).into_response();
    let headers = response.headers_mut();
    headers.append(LINK, link(&shared.urls.one(Resource::Authorization, id), "up"));
    if let Some(wait) = retry_after(&shared, authorization) {
        headers.insert(RETRY_AFTER, seconds(wait));
    }
    Ok(response)
}

/// What an answer that shows this authorization says about asking again.
fn retry_after(shared: &ServerState, authorization: &Authorization) -> Option<Duration> {
    match authorization.state {
        AuthorizationState::Pending | AuthorizationState::Validating => shared.options.challenge_retry_after,
        _ => None,
    }
}

fn challenge_document(shared: &ServerState, id: Id, authorization: &Authorization) -> Value {
    let mut document = json!({
        "type": "dns-01",
        "url": shared.urls.one(Resource::Challenge, id),
        "status": challenge_status(&authorization.state),
        "token": authorization.token,
    });
    match &authorization.state {
        AuthorizationState::Valid { at } => document["validated"] = json!(rfc3339(*at)),
        AuthorizationState::Invalid { error } => document["error"] = error.to_json(),
        _ => {}
    }
    document
}

fn challenge_status(state: &AuthorizationState) -> &'static str {
    match state {
        AuthorizationState::Pending | AuthorizationState::Deactivated => "pending",
        AuthorizationState::Validating => "processing",
        AuthorizationState::Valid { .. } => "valid",
        AuthorizationState::Invalid { .. } => "invalid",
    }
}
