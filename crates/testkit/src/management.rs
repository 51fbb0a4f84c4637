//! What Pebble offers beside ACME: its roots, and renewal information set by hand.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use fleetcert_acme_server::{Problem, ProblemKind, Resource};
use fleetcert_x509::Chain;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use serde::Deserialize;

use crate::Ledger;
use crate::authority::Authority;
use crate::renewal::SetByHand;

#[derive(Debug)]
pub(crate) struct Management {
    pub(crate) authority: Arc<Authority>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) set_by_hand: Arc<SetByHand>,
}

/// A chain, and an answer.
const MAX_BODY: usize = 128 * 1024;

/// The ACME router, with Pebble's other paths beside it.
pub(crate) fn beside(acme: Router, management: Arc<Management>) -> Router {
    let others = Router::new()
        .route("/roots/0", get(root))
        .route("/intermediates/0", get(intermediate))
        .route("/set-renewal-info/", post(set_renewal_info))
        .with_state(management.clone());
    acme.layer(middleware::from_fn_with_state(management, answer_by_hand)).merge(others)
}

async fn root(State(management): State<Arc<Management>>) -> Response {
    pem(management.authority.root_pem())
}

async fn intermediate(State(management): State<Arc<Management>>) -> Response {
    pem(management.authority.intermediate_pem())
}

fn pem(text: &str) -> Response {
    let content_type = [(CONTENT_TYPE, "application/pem-certificate-chain")];
    (content_type, text.to_owned()).into_response()
}

/// Pebble takes the names of the members in any case; these two are in use.
#[derive(Deserialize)]
struct SetRenewalInfo {
    #[serde(alias = "Certificate")]
    certificate: String,
    #[serde(rename = "ariResponse", alias = "ARIResponse")]
    ari_response: String,
}

async fn set_renewal_info(
    State(management): State<Arc<Management>>,
    request: Request<Body>,
) -> Result<StatusCode, Problem> {
    let malformed = |detail: &str| Problem::new(ProblemKind::Malformed, detail);
    let body =
        to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| malformed("the body is too long"))?;
    let asked: SetRenewalInfo =
        serde_json::from_slice(&body).map_err(|_| malformed("Error unmarshaling request body"))?;
    let id = Chain::from_pem(asked.certificate.as_bytes())
        .and_then(|chain| chain.leaf().certificate_id())
        .map_err(|_| malformed("Error decoding certificate PEM"))?;
    if !management.ledger.has_issued(&id) {
        return Err(malformed("the certificate was not issued here").with_status(404));
    }
    if management.set_by_hand.set(id, asked.ari_response) {
        Ok(StatusCode::OK)
    } else {
        Err(Problem::new(ProblemKind::ServerInternal, "too many answers are set by hand"))
    }
}

/// Puts an answer that was set by hand in the place of the computed one, as it is, be it JSON or not.
async fn answer_by_hand(
    State(management): State<Arc<Management>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let id = request
        .uri()
        .path()
        .strip_prefix(Resource::RenewalInfo.path())
        .and_then(|rest| rest.strip_prefix('/')?.parse().ok());
    let mut response = next.run(request).await;
    if response.status() == StatusCode::OK
        && let Some(answer) = id.and_then(|id| management.set_by_hand.get(&id))
    {
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = Body::from(answer);
    }
    response
}
