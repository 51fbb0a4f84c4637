//! New orders (RFC 8555 section 7.4, RFC 9773 section 5).

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_names::{Identifier, IdentifierSet, NameError};
use fleetcert_x509::CertificateId;
use http::{Request, StatusCode};
use serde::Deserialize;

use crate::issuer::OrderRequest;
use crate::objects::{AcmeOrder, Authorization, AuthorizationState, Objects, OrderKey, Progress};
use crate::order::shown;
use crate::request::{Caller, from_account};
use crate::shared::ServerState;
use crate::table::{Full, Id};
use crate::{Problem, ProblemKind};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewOrder {
    identifiers: Vec<IdentifierObject>,
    not_before: Option<String>,
    not_after: Option<String>,
    profile: Option<String>,
    replaces: Option<String>,
}

#[derive(Deserialize)]
struct IdentifierObject {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

pub(crate) async fn create(
    State(shared): State<Arc<ServerState>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (caller, payload) = from_account(&shared, request).await?;
    let asked: NewOrder = payload.json()?;
    if asked.not_before.is_some() || asked.not_after.is_some() {
        return Err(Problem::malformed("notBefore and notAfter are not supported"));
    }
    let identifiers = identifiers(asked.identifiers, shared.options.max_names)?;
    let replaces = match asked.replaces {
        Some(text) => Some(check_replacement(&shared.objects(), &caller, &identifiers, &text, shared.now())?),
        None => None,
    };
    if let Some(profile) = &asked.profile
        && !shared.options.profiles.contains_key(profile)
    {
        return Err(Problem::new(ProblemKind::InvalidProfile, "the directory has no such profile"));
    }

    let key = OrderKey { account: caller.id, profile: asked.profile, identifiers };
    let order = OrderRequest {
        account_url: &caller.url,
        identifiers: &key.identifiers,
        profile: key.profile.as_deref(),
        replaces: replaces.as_ref(),
    };
    shared.issuer.limit_order(&order).await?;
    let made = reuse_or_open(&shared, &caller, &key, &order).await;
    if made.is_err() {
        shared.issuer.order_not_created(&order);
    }
    made
}

async fn reuse_or_open(
    shared: &ServerState,
    caller: &Caller,
    key: &OrderKey,
    order: &OrderRequest<'_>,
) -> Result<Response, Problem> {
    if let Some(response) = reused(shared, key) {
        return Ok(response);
    }
    shared.issuer.admit_order(order).await?;
    open(shared, caller, key.clone(), order.replaces.cloned())
}

/// Reads the identifiers; all that are refused are named at once.
fn identifiers(objects: Vec<IdentifierObject>, most: usize) -> Result<IdentifierSet, Problem> {
    let most = most.min(IdentifierSet::MAX_IDENTIFIERS);
    if objects.is_empty() || objects.len() > most {
        return Err(Problem::malformed(format!("an order has 1 to {most} identifiers")));
    }
    let (mut identifiers, mut refused) = (Vec::new(), Vec::new());
    for object in objects {
        match identifier(&object) {
            Ok(identifier) => identifiers.push(identifier),
            Err(problem) => refused.push((object.value, problem)),
        }
    }
    match Problem::of_values(refused) {
        Some(problem) => Err(problem),
        None => IdentifierSet::new(identifiers).map_err(|error| Problem::malformed(error.to_string())),
    }
}

fn identifier(identifier: &IdentifierObject) -> Result<Identifier, Problem> {
    if identifier.kind != "dns" {
        return Err(Problem::new(
            ProblemKind::UnsupportedIdentifier,
            "only identifiers of type dns are supported",
        ));
    }
    let rejected = |detail: String| Problem::new(ProblemKind::RejectedIdentifier, detail);
    if identifier.value.ends_with('.') {
        return Err(rejected("an identifier has no dot at its end".to_owned()));
    }
    identifier.value.parse().map_err(|error: NameError| rejected(error.to_string()))
}

/// The checks of Boulder, in its order: a failed one fails the whole order.
fn check_replacement(
    objects: &Objects,
    caller: &Caller,
    identifiers: &IdentifierSet,
    text: &str,
    now: SystemTime,
) -> Result<CertificateId, Problem> {
    let certificate_id: CertificateId =
        text.parse().map_err(|error| Problem::malformed(format!("\"replaces\": {error}")))?;
    let certificate = objects
        .certificate_by_id(&certificate_id)
        .and_then(|id| objects.certificates.get(id))
        .ok_or_else(|| Problem::not_found("certificate as \"replaces\" says"))?;
    if certificate.account != caller.id {
        return Err(Problem::unauthorized("the certificate to be replaced belongs to another account"));
    }
    let replaced = certificate.chain.leaf().identifiers();
    if !replaced.iter().any(|identifier| identifiers.contains(identifier)) {
        return Err(Problem::malformed("the order and the certificate that it replaces share no name"));
    }
    if objects.is_replaced(&certificate_id, now) {
        return Err(already_replaced());
    }
    Ok(certificate_id)
}

fn already_replaced() -> Problem {
    Problem::new(ProblemKind::AlreadyReplaced, "another order replaces this certificate already")
}

fn reused(shared: &ServerState, key: &OrderKey) -> Option<Response> {
    if !shared.options.reuse_orders {
        return None;
    }
    let objects = shared.objects();
    let id = objects.open_order(key, shared.now())?;
    Some(shown(shared, &objects, id, objects.orders.get(id)?, StatusCode::CREATED))
}

/// Makes the order, with an authorization for each identifier: a new one, or one that is valid and may be used again.
fn open(
    shared: &ServerState,
    caller: &Caller,
    key: OrderKey,
    replaces: Option<CertificateId>,
) -> Result<Response, Problem> {
    let now = shared.now();
    let mut objects = shared.objects();
    objects.sweep(now);
    // The issuer was asked in between, and another request may have come first.
    if replaces.as_ref().is_some_and(|certificate| objects.is_replaced(certificate, now)) {
        return Err(already_replaced());
    }
    if !objects.orders.has_room_for(1) || !objects.authorizations.has_room_for(key.identifiers.len()) {
        return Err(Problem::busy());
    }

    let mut expires = now + shared.options.order_lifetime;
    let mut authorizations = Vec::with_capacity(key.identifiers.len());
    for identifier in &key.identifiers {
        let (id, ends) = match valid_authorization(shared, &objects, &key, identifier, now) {
            Some(found) => found,
            None => (new_authorization(shared, &mut objects, caller, &key, identifier, expires)?, expires),
        };
        authorizations.push(id);
        expires = expires.min(ends);
    }
    let id = Id::random(&*shared.entropy);
    let order = AcmeOrder { key, replaces, authorizations, expires, progress: Progress::Open };
    let response = shown(shared, &objects, id, &order, StatusCode::CREATED);
    objects.add_order(id, order).map_err(|Full| Problem::busy())?;
    Ok(response)
}

fn valid_authorization(
    shared: &ServerState,
    objects: &Objects,
    key: &OrderKey,
    identifier: &Identifier,
    now: SystemTime,
) -> Option<(Id, SystemTime)> {
    let one = OrderKey { identifiers: identifier.clone().into(), ..key.clone() };
    let (id, validated) = objects.valid_authorization(&one, now)?;
    let ends = validated + shared.options.authorization_reuse;
    (now < ends).then_some((id, ends))
}

fn new_authorization(
    shared: &ServerState,
    objects: &mut Objects,
    caller: &Caller,
    key: &OrderKey,
    identifier: &Identifier,
    expires: SystemTime,
) -> Result<Id, Problem> {
    let id = Id::random(&*shared.entropy);
    let mut token = [0; 32];
    shared.entropy.fill(&mut token);
    let authorization = Authorization {
        account: caller.id,
        profile: key.profile.clone(),
        identifier: identifier.clone(),
        expires,
        token: URL_SAFE_NO_PAD.encode(token),
        state: AuthorizationState::Pending,
    };
    objects.add_authorization(id, authorization).map_err(|Full| Problem::busy())?;
    Ok(id)
}
