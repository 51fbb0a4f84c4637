//! Download (RFC 8555 section 7.4.2).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::Request;
use http::header::CONTENT_TYPE;

use crate::Problem;
use crate::request::from_account;
use crate::shared::ServerState;
use crate::table::Id;

pub(crate) async fn download(
    State(shared): State<Arc<ServerState>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (caller, payload) = from_account(&shared, request).await?;
    payload.must_be_empty()?;
    let not_found = || Problem::not_found("certificate");
    let id: Id = id.parse().map_err(|_| not_found())?;
    let objects = shared.objects();
    let certificate = objects.certificates.get(id).ok_or_else(not_found)?;
    if certificate.account != caller.id {
        return Err(Problem::unauthorized("the certificate belongs to another account"));
    }
    let content_type = [(CONTENT_TYPE, "application/pem-certificate-chain")];
    Ok((content_type, certificate.chain.to_pem()).into_response())
}
