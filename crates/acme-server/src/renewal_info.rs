//! Renewal information (RFC 9773 section 4).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use fleetcert_x509::CertificateId;
use http::header::RETRY_AFTER;
use serde_json::json;

use crate::Problem;
use crate::answer::{rfc3339, seconds};
use crate::issuer::RenewalInfo;
use crate::shared::ServerState;

/// Six hours, as Let's Encrypt says, there with some jitter.
const ASK_AGAIN: Duration = Duration::from_secs(6 * 3600);

/// It needs no signature, so that anyone who has a certificate can ask.
pub(crate) async fn renewal_info(
    State(shared): State<Arc<ServerState>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: CertificateId = id.parse().map_err(|error| Problem::malformed(format!("{error}")))?;
    let (leaf, revoked) = {
        let objects = shared.objects();
        let certificate = objects
            .certificate_by_id(&id)
            .and_then(|id| objects.certificates.get(id))
            .ok_or_else(|| Problem::not_found("certificate"))?;
        (certificate.chain.leaf().clone(), certificate.revoked)
    };
    let info = if revoked { at_once(&shared) } else { shared.issuer.renewal_info(&leaf).await? };

    let mut document = json!({
        "suggestedWindow": { "start": rfc3339(info.start), "end": rfc3339(info.end) },
    });
    if let Some(url) = info.explanation_url {
        document["explanationURL"] = json!(url);
    }
    Ok(([(RETRY_AFTER, seconds(info.retry_after))], Json(document)).into_response())
}

/// The window of Boulder for what must be renewed now: it is over already.
fn at_once(shared: &ServerState) -> RenewalInfo {
    let ago = |minutes: u64| shared.now() - Duration::from_secs(minutes * 60);
    RenewalInfo { start: ago(60), end: ago(30), explanation_url: None, retry_after: ASK_AGAIN }
}
