//! Orders as clients see them (RFC 8555 section 7.1.3).

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{LOCATION, RETRY_AFTER};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::answer::{rfc3339, seconds, text};
use crate::objects::{AcmeOrder, Objects, OrderStatus, Progress};
use crate::request::{Caller, from_account};
use crate::shared::ServerState;
use crate::table::Id;
use crate::{Problem, Resource};

pub(crate) async fn show(
    State(shared): State<Arc<ServerState>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (caller, payload) = from_account(&shared, request).await?;
    payload.must_be_empty()?;
    let objects = shared.objects();
    let (id, order) = own(&objects, &caller, &id)?;
    Ok(shown(&shared, &objects, id, order, StatusCode::OK))
}

/// The order at the end of a URL, if it is the caller's.
pub(crate) fn own<'a>(
    objects: &'a Objects,
    caller: &Caller,
    id: &str,
) -> Result<(Id, &'a AcmeOrder), Problem> {
    let not_found = || Problem::not_found("order");
    let id: Id = id.parse().map_err(|_| not_found())?;
    let order = objects.orders.get(id).ok_or_else(not_found)?;
    if order.key.account != caller.id {
        return Err(Problem::unauthorized("the order belongs to another account"));
    }
    Ok((id, order))
}

/// The answer that shows an order.
pub(crate) fn shown(
    shared: &ServerState,
    objects: &Objects,
    id: Id,
    order: &AcmeOrder,
    code: StatusCode,
) -> Response {
    let status = objects.status(order, shared.now());
    let location = [(LOCATION, text(&shared.urls.one(Resource::Order, id)))];
    let mut response = (code, location, Json(document(shared, id, order, status))).into_response();
    if let (OrderStatus::Processing, Some(wait)) = (status, shared.options.order_retry_after) {
        response.headers_mut().insert(RETRY_AFTER, seconds(wait));
    }
    response
}

fn document(shared: &ServerState, id: Id, order: &AcmeOrder, status: OrderStatus) -> Value {
    let urls = &shared.urls;
    let identifiers: Vec<Value> =
        order.key.identifiers.iter().map(|it| json!({ "type": "dns", "value": it })).collect();
    let authorizations: Vec<String> =
        order.authorizations.iter().map(|id| urls.one(Resource::Authorization, *id)).collect();
    let mut document = json!({
        "status": status.as_str(),
        "expires": rfc3339(order.expires),
        "identifiers": identifiers,
        "authorizations": authorizations,
        "finalize": urls.one(Resource::Finalize, id),
    });
    if let Some(profile) = &order.key.profile {
        document["profile"] = json!(profile);
    }
    if let Some(replaces) = &order.replaces {
        document["replaces"] = json!(replaces);
    }
    match &order.progress {
        Progress::Valid { certificate } => {
            document["certificate"] = json!(urls.one(Resource::Certificate, *certificate));
        }
        Progress::Invalid { error } => document["error"] = error.to_json(),
        Progress::Open | Progress::Processing => {}
    }
    document
}
