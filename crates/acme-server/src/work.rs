//! Validation and issuance, outside the requests that ask for them.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_ambient::timeout;
use fleetcert_x509::{Chain, VerifiedCsr};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::issuer::{Dns01Challenge, IssueRequest};
use crate::objects::{AuthorizationState, Certificate, Progress};
use crate::shared::{Job, ServerState};
use crate::table::{Full, Id};
use crate::{Problem, ProblemKind, Resource};

pub(crate) async fn run(
    shared: Arc<ServerState>,
    mut jobs: mpsc::Receiver<Job>,
    shutdown: CancellationToken,
) {
    let most = shared.options.max_parallel_work.max(1);
    let mut running = JoinSet::new();
    loop {
        let job = tokio::select! {
            job = jobs.recv(), if running.len() < most => job,
            _ = running.join_next(), if !running.is_empty() => continue,
            () = shutdown.cancelled() => break,
        };
        match job {
            Some(Job::Validate { authorization }) => {
                running.spawn(validate(shared.clone(), authorization));
            }
            Some(Job::Issue { order, csr, done }) => {
                let shared = shared.clone();
                running.spawn(async move {
                    issue(&shared, order, *csr).await;
                    let _ = done.send(());
                });
            }
            None => break,
        }
    }
}

async fn validate(shared: Arc<ServerState>, id: Id) {
    let Some(challenge) = challenge(&shared, id) else { return };
    let validation = shared.issuer.validate(&challenge);
    let outcome = timeout(&*shared.clock, shared.options.validation_timeout, validation)
        .await
        .unwrap_or_else(|_| Err(Problem::new(ProblemKind::Dns, "the validation took too long")));

    let now = shared.now();
    let mut objects = shared.objects();
    // The client may have deactivated it meanwhile.
    let is_validating = objects
        .authorizations
        .get(id)
        .is_some_and(|authorization| authorization.state == AuthorizationState::Validating);
    if !is_validating {
        return;
    }
    match outcome {
        Ok(()) => objects.authorize(id, now, now + shared.options.authorization_reuse),
        Err(error) => {
            if let Some(authorization) = objects.authorizations.get_mut(id) {
                authorization.state = AuthorizationState::Invalid { error };
            }
        }
    }
}

fn challenge(shared: &ServerState, id: Id) -> Option<Dns01Challenge> {
    let objects = shared.objects();
    let authorization = objects.authorizations.get(id)?;
    let account = objects.accounts.get(authorization.account)?;
    let key_authorization = format!("{}.{}", authorization.token, account.thumbprint);
    Some(Dns01Challenge {
        identifier: authorization.identifier.clone(),
        txt_value: URL_SAFE_NO_PAD.encode(digest(&SHA256, key_authorization.as_bytes())),
        account_url: shared.urls.one(Resource::Account, authorization.account),
    })
}

async fn issue(shared: &ServerState, id: Id, csr: VerifiedCsr) {
    let Some(request) = issue_request(shared, id, csr) else { return };
    let issuance = shared.issuer.issue(&request);
    let outcome = timeout(&*shared.clock, shared.options.issuance_timeout, issuance)
        .await
        .unwrap_or_else(|_| Err(internal("the issuance took too long")))
        .and_then(|chain| record(shared, id, chain));

    if let Some(order) = shared.objects().orders.get_mut(id) {
        order.progress = match outcome {
            Ok(certificate) => Progress::Valid { certificate },
            Err(error) => Progress::Invalid { error },
        };
    }
}

fn issue_request(shared: &ServerState, id: Id, csr: VerifiedCsr) -> Option<IssueRequest> {
    let objects = shared.objects();
    let order = objects.orders.get(id)?;
    Some(IssueRequest {
        csr,
        identifiers: order.key.identifiers.clone(),
        profile: order.key.profile.clone(),
        account_url: shared.urls.one(Resource::Account, order.key.account),
        replaces: order.replaces.clone(),
    })
}

/// Keeps what was issued; `Err` when it is not what the server can hand out.
fn record(shared: &ServerState, order: Id, chain: Chain) -> Result<Id, Problem> {
    let certificate_id = chain.leaf().certificate_id().map_err(|error| internal(&error.to_string()))?;
    let mut objects = shared.objects();
    let account = objects.orders.get(order).ok_or_else(|| internal("the order has ended"))?.key.account;
    let id = Id::random(&*shared.entropy);
    objects
        .add_certificate(id, certificate_id, Certificate { account, chain, revoked: false })
        .map_err(|Full| internal("there is no room for one more certificate"))?;
    Ok(id)
}

fn internal(detail: &str) -> Problem {
    Problem::new(ProblemKind::ServerInternal, detail)
}
