//! Revocation (RFC 8555 section 7.6).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_x509::Leaf;
use http::{Request, StatusCode};
use serde::Deserialize;

use crate::request::{Signer, from_anyone};
use crate::shared::ServerState;
use crate::{Problem, ProblemKind};

#[derive(Deserialize)]
struct Revocation {
    certificate: String,
    #[serde(default)]
    reason: u64,
}

/// unspecified, keyCompromise, superseded, cessationOfOperation (RFC 5280 section 5.3.1): those of Let's Encrypt.
const REASONS: [u64; 4] = [0, 1, 4, 5];

/// The account that ordered the certificate may revoke it, and any holder of its key.
pub(crate) async fn revoke(
    State(shared): State<Arc<ServerState>>,
    request: Request<Body>,
) -> Result<StatusCode, Problem> {
    let (signer, payload) = from_anyone(&shared, request).await?;
    let asked: Revocation = payload.json()?;
    let malformed = || Problem::malformed("\"certificate\" is not a certificate in DER and base64url");
    let der = URL_SAFE_NO_PAD.decode(&asked.certificate).map_err(|_| malformed())?;
    let id = Leaf::from_der(&der).and_then(|leaf| leaf.certificate_id()).map_err(|_| malformed())?;

    let mut objects = shared.objects();
    let certificate = objects
        .certificate_by_id(&id)
        .and_then(|id| objects.certificates.get_mut(id))
        .filter(|certificate| certificate.chain.certificates().first().is_some_and(|leaf| **leaf == *der))
        .ok_or_else(|| Problem::not_found("certificate"))?;
    let may = match &signer {
        Signer::Account(caller) => caller.id == certificate.account,
        Signer::Key(key) => key.spki_der() == certificate.chain.leaf().spki(),
    };
    if !may {
        return Err(Problem::unauthorized("neither this account's certificate nor signed by its key"));
    }
    if !REASONS.contains(&asked.reason) {
        return Err(Problem::new(ProblemKind::BadRevocationReason, "the reason must be 0, 1, 4 or 5"));
    }
    if std::mem::replace(&mut certificate.revoked, true) {
        return Err(Problem::new(ProblemKind::AlreadyRevoked, "the certificate was revoked already"));
    }
    Ok(StatusCode::OK)
}
