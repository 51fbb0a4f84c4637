//! Accounts (RFC 8555 section 7.3).

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use fleetcert_jose::Thumbprint;
use http::header::LOCATION;
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::text;
use crate::front::peer;
use crate::objects::{Account, Objects};
use crate::request::{from_account, from_key};
use crate::shared::ServerState;
use crate::table::{Full, Id};
use crate::{Problem, ProblemKind, Resource};

/// As many as Boulder takes.
const MAX_CONTACTS: usize = 10;
const MAX_CONTACT: usize = 320;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewAccount {
    #[serde(default)]
    contact: Vec<String>,
    #[serde(default)]
    terms_of_service_agreed: bool,
    #[serde(default)]
    only_return_existing: bool,
}

pub(crate) async fn create(
    State(shared): State<Arc<ServerState>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let from = peer(&request);
    let (key, payload) = from_key(&shared, request).await?;
    let asked: NewAccount = payload.json()?;
    let thumbprint = key.thumbprint();

    if let Some(answer) = existing(&shared, &shared.objects(), &thumbprint) {
        return answer;
    }
    if asked.only_return_existing {
        return Err(Problem::new(ProblemKind::AccountDoesNotExist, "no account has this key"));
    }
    if shared.options.terms_of_service.is_some() && !asked.terms_of_service_agreed {
        return Err(Problem::malformed("a new account must agree to the terms of service"));
    }
    check_contacts(&asked.contact)?;
    shared.issuer.admit_account(from).await?;
    let mut objects = shared.objects();
    // The issuer was asked in between, and another request may have come first.
    if let Some(answer) = existing(&shared, &objects, &thumbprint) {
        shared.issuer.account_not_created(from);
        return answer;
    }
    let account = Account { key, thumbprint, contact: asked.contact, deactivated: false };
    let id = Id::random(&*shared.entropy);
    let response = shown(&shared, id, &account, StatusCode::CREATED);
    objects.add_account(id, account).map_err(|Full| {
        shared.issuer.account_not_created(from);
        Problem::busy()
    })?;
    Ok(response)
}

/// Returns the answer that shows an account.
fn existing(
    shared: &ServerState,
    objects: &Objects,
    thumbprint: &Thumbprint,
) -> Option<Result<Response, Problem>> {
    let id = objects.account_by_key(thumbprint)?;
    let account = objects.accounts.get(id)?;
    Some(if account.deactivated {
        Err(Problem::unauthorized("the account is deactivated"))
    } else {
        Ok(shown(shared, id, account, StatusCode::OK))
    })
}

#[derive(Deserialize)]
struct Update {
    contact: Option<Vec<String>>,
    status: Option<String>,
}

pub(crate) async fn update(
    State(shared): State<Arc<ServerState>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (caller, payload) = from_account(&shared, request).await?;
    if id.parse::<Id>().ok() != Some(caller.id) {
        return Err(Problem::unauthorized("this is not the account that signed the request"));
    }
    let change = if payload.is_empty() { Update { contact: None, status: None } } else { payload.json()? };
    if let Some(contact) = &change.contact {
        check_contacts(contact)?;
    }

    let mut objects = shared.objects();
    let account = objects.accounts.get_mut(caller.id).ok_or_else(|| Problem::not_found("account"))?;
    match change.status.as_deref() {
        None | Some("valid") => {}
        Some("deactivated") => account.deactivated = true,
        Some(_) => return Err(Problem::malformed("an account can become \"deactivated\" and nothing else")),
    }
    if let Some(contact) = change.contact {
        account.contact = contact;
    }
    Ok(shown(&shared, caller.id, account, StatusCode::OK))
}

fn check_contacts(contacts: &[String]) -> Result<(), Problem> {
    if contacts.len() > MAX_CONTACTS {
        return Err(Problem::malformed(format!("more than {MAX_CONTACTS} contacts")));
    }
    for contact in contacts {
        let Some(address) = contact.strip_prefix("mailto:") else {
            return Err(Problem::new(ProblemKind::UnsupportedContact, "a contact must be a mailto: URL"));
        };
        let is_one_address = address.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !address.contains([',', '?', ' '])
        });
        if !is_one_address || !address.is_ascii() || contact.len() > MAX_CONTACT {
            return Err(Problem::new(
                ProblemKind::InvalidContact,
                "a contact must have one address and no more",
            ));
        }
    }
    Ok(())
}

fn shown(shared: &ServerState, id: Id, account: &Account, status: StatusCode) -> Response {
    let location = shared.urls.one(Resource::Account, id);
    (status, [(LOCATION, text(&location))], Json(document(account))).into_response()
}

fn document(account: &Account) -> Value {
    json!({
        "status": if account.deactivated { "deactivated" } else { "valid" },
        "contact": account.contact,
        "key": account.key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts() {
        let check = |contact: &str| check_contacts(&[contact.to_owned()]).map_err(|problem| problem.kind());
        assert_eq!(check("mailto:ops@example.com"), Ok(()));
        assert_eq!(check("tel:+1"), Err(ProblemKind::UnsupportedContact));
        for bad in ["mailto:", "mailto:a@b,c@d", "mailto:a@b?x=y", "mailto:@b", "mailto:ü@b"] {
            assert_eq!(check(bad), Err(ProblemKind::InvalidContact), "{bad}");
        }
        assert!(check_contacts(&vec!["mailto:a@b".to_owned(); 11]).is_err());
    }
}
