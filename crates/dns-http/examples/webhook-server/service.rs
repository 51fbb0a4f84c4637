//! The three requests of docs/webhook.md over any backend, with axum.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use fleetcert_ambient::Clock;
use fleetcert_dns::{BackendError, DnsBackend};
use fleetcert_dns_http::webhook::messages::{
    ApplyRequest, CapabilitiesAnswer, ErrorAnswer, ErrorKind, ReadAnswer, ReadRequest,
};
use fleetcert_dns_http::webhook::{SIGNATURE_HEADER, SignatureVerifier, WebhookSecret};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Maximum octets of a request body. A list of a thousand changes has about 200 KB.
const MAX_BODY: usize = 1 << 20;
/// Maximum difference between the time of a signature and the clock.
const MAX_AGE: Duration = Duration::from_secs(300);

struct Service {
    backend: Arc<dyn DnsBackend>,
    check: RequestCheck,
    clock: Arc<dyn Clock>,
}

/// How a request shows that its sender knows the secret.
enum RequestCheck {
    Token(SecretString),
    Signature(SignatureVerifier),
}

/// Returns the routes over this backend, for clients that know the secret.
pub(crate) fn router(backend: Arc<dyn DnsBackend>, secret: WebhookSecret, clock: Arc<dyn Clock>) -> Router {
    let check = match secret {
        WebhookSecret::Bearer(token) => RequestCheck::Token(token),
        WebhookSecret::Hmac(key) => RequestCheck::Signature(SignatureVerifier::new(key, MAX_AGE)),
    };
    let service = Arc::new(Service { backend, check, clock });
    Router::new()
        .route("/apply", post(apply))
        .route("/read", post(read))
        .route("/capabilities", get(capabilities))
        .layer(from_fn_with_state(service.clone(), authenticate))
        .with_state(service)
}

/// Passes a request on to the handlers if its sender knows the secret.
async fn authenticate(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return refusal(ErrorKind::InvalidInput, "the body is too long or was cut");
    };
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let verdict = match &service.check {
        RequestCheck::Token(token) => {
            let given = text(header::AUTHORIZATION.as_str()).strip_prefix("Bearer ").unwrap_or_default();
            // The comparison takes the same time for every token of this length.
            let wanted = token.expose_secret().as_bytes();
            aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), wanted)
                .map_err(|_| "the token is not known".to_owned())
        }
        RequestCheck::Signature(verifier) => {
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
            let (header, now) = (text(SIGNATURE_HEADER), service.clock.now());
            verifier
                .verify(head.method.as_str(), target, header, &body, now)
                .map_err(|fault| fault.to_string())
        }
    };
    match verdict {
        Ok(()) => next.run(Request::from_parts(head, Body::from(body))).await,
        Err(why) => refusal(ErrorKind::Unauthenticated, &why),
    }
}

async fn apply(State(service): State<Arc<Service>>, Json(request): Json<ApplyRequest>) -> Response {
    let changes = match request.changes() {
        Ok(changes) => changes,
        Err(error) => return refusal(ErrorKind::InvalidInput, &error.to_string()),
    };
    match service.backend.apply(&request.zone, &changes).await {
        Ok(()) => Json(serde_json::json!({})).into_response(),
        Err(error) => failure(&error),
    }
}

async fn read(State(service): State<Arc<Service>>, Json(request): Json<ReadRequest>) -> Response {
    match service.backend.read(&request.zone, &request.name, request.record_type.into()).await {
        Ok(set) => Json(ReadAnswer::new(set.as_ref())).into_response(),
        Err(error) => failure(&error),
    }
}

#[derive(Deserialize)]
struct ZoneQuery {
    zone: fleetcert_names::DomainName,
}

async fn capabilities(State(service): State<Arc<Service>>, Query(asked): Query<ZoneQuery>) -> Response {
    // A read at the zone's own name shows whether the backend has the zone.
    match service.backend.read(&asked.zone, &asked.zone, fleetcert_dns::RecordType::Txt).await {
        Ok(_) => Json(CapabilitiesAnswer::from(service.backend.capabilities())).into_response(),
        Err(error) => failure(&error),
    }
}

/// Returns the answer for an error of the backend.
fn failure(error: &BackendError) -> Response {
    let answer = ErrorAnswer::new(error);
    let mut headers = HeaderMap::new();
    if let Some(wait) = error.retry_after().filter(|wait| !wait.is_zero()) {
        headers.insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
    }
    (status(answer.error.kind), headers, Json(answer)).into_response()
}

fn refusal(kind: ErrorKind, why: &str) -> Response {
    (status(kind), Json(ErrorAnswer::of_kind(kind, why))).into_response()
}

fn status(kind: ErrorKind) -> StatusCode {
    StatusCode::from_u16(kind.status()).expect("the statuses of the kinds are statuses")
}
