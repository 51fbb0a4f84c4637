//! From a ready order and a CSR to a certificate (RFC 8555 section 7.4).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::timeout;
use fleetcert_names::IdentifierSet;
use fleetcert_x509::{CsrPolicy, CsrRefusalCode, NameGrant, VerifiedCsr};
use http::{Request, StatusCode};
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::objects::{OrderStatus, Progress};
use crate::order::{own, shown};
use crate::request::{Caller, from_account};
use crate::shared::{Job, ServerState};
use crate::{Problem, ProblemKind};

#[derive(Deserialize)]
struct Finalize {
    csr: String,
}

pub(crate) async fn finalize(
    State(shared): State<Arc<ServerState>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (caller, payload) = from_account(&shared, request).await?;
    let asked: Finalize = payload.json()?;
    let is_done = start(&shared, &caller, &id, &asked.csr)?;
    // Whether it is done in time or not, the order says how it stands.
    let _ = timeout(&*shared.clock, shared.options.finalize_wait, is_done).await;

    let objects = shared.objects();
    let (id, order) = own(&objects, &caller, &id)?;
    Ok(shown(&shared, &objects, id, order, StatusCode::OK))
}

/// Hands the CSR to the issuer. What is returned resolves when the issuer is done.
fn start(
    shared: &ServerState,
    caller: &Caller,
    id: &str,
    csr: &str,
) -> Result<oneshot::Receiver<()>, Problem> {
    let mut objects = shared.objects();
    let (id, order) = own(&objects, caller, id)?;
    let status = objects.status(order, shared.now());
    if status != OrderStatus::Ready {
        let detail = format!("the order is not ready to be finalized, it is {}", status.as_str());
        return Err(Problem::new(ProblemKind::OrderNotReady, detail));
    }
    let csr = verified(csr, caller, &order.key.identifiers)?;

    objects.sweep(shared.now());
    if !objects.certificates.has_room_for(1) {
        return Err(Problem::busy());
    }
    let place = shared.place_for_work()?;
    let order = objects.orders.get_mut(id).ok_or_else(|| Problem::not_found("order"))?;
    order.progress = Progress::Processing;
    let (done, is_done) = oneshot::channel();
    place.send(Job::Issue { order: id, csr: Box::new(csr), done });
    Ok(is_done)
}

/// Checks a CSR against the rules of public CAs, and that it is for exactly the identifiers.
fn verified(csr: &str, caller: &Caller, identifiers: &IdentifierSet) -> Result<VerifiedCsr, Problem> {
    /// The tag of a SEQUENCE: what is encoded must be DER and not PEM.
    const SEQUENCE: u8 = 0x30;

    let refused = |detail: String| Problem::new(ProblemKind::BadCsr, detail);
    let der = URL_SAFE_NO_PAD
        .decode(csr)
        .map_err(|_| Problem::malformed("the CSR is not in base64url without padding"))?;
    if der.first() != Some(&SEQUENCE) {
        return Err(refused("the CSR is not in DER".to_owned()));
    }
    let policy = CsrPolicy::lets_encrypt().with_grant(NameGrant::exact(identifiers));
    let csr = VerifiedCsr::parse(&der, &policy).map_err(|refusal| match refusal.code() {
        CsrRefusalCode::NameNotGranted | CsrRefusalCode::WildcardNotGranted | CsrRefusalCode::SanTooMany => {
            differs(&refusal.to_string())
        }
        code => refused(format!("{refusal} ({code})")),
    })?;
    if csr.spki() == caller.key.spki_der() {
        return Err(refused("the key of the certificate must not be the key of the account".to_owned()));
    }
    Ok(csr)
}

fn differs(how: &str) -> Problem {
    Problem::unauthorized(format!("the CSR and the order differ in their identifiers: {how}"))
}
