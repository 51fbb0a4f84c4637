//! Authorizations (RFC 8555 section 7.5).

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::Request;
use http::header::RETRY_AFTER;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::challenge;
use crate::objects::{Authorization, AuthorizationState, Objects};
use crate::order::rfc3339;
use crate::problem::seconds;
use crate::request::{Caller, from_account};
use crate::server::Shared;
use crate::table::Id;
use crate::{Problem, ProblemKind};

#[derive(Deserialize)]
struct Update {
    status: String,
}

pub(crate) async fn update(
    State(shared): State<Arc<Shared>>,
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
    if let Some(wait) = challenge::retry_after(&shared, authorization) {
        response.headers_mut().insert(RETRY_AFTER, seconds(wait));
    }
    Ok(response)
}

/// The authorization at the end of a URL, if it is the caller's and has not expired.
pub(crate) fn own(shared: &Shared, objects: &Objects, caller: &Caller, id: &str) -> Result<Id, Problem> {
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

fn document(shared: &Shared, id: Id, authorization: &Authorization) -> Value {
    let mut document = json!({
        "identifier": { "type": "dns", "value": authorization.identifier.base() },
        "status": status(&authorization.state),
        "expires": rfc3339(authorization.expires),
        "challenges": [challenge::document(shared, id, authorization)],
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
