//! What a signed request must be (RFC 8555 section 6).

use axum::body::{Body, to_bytes};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleetcert_jose::{Algorithm, JoseError, Jwk, KeyReference, UnverifiedJws, VerifiedJws};
use http::Request;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::shared::ServerState;
use crate::table::Id;
use crate::{Problem, ProblemKind, Resource};

/// As much as Boulder reads. A CSR with 100 names fits.
const MAX_BODY: usize = 50_000;
/// What Let's Encrypt takes: no EdDSA, and no MAC outside an account binding.
pub(crate) const ALGORITHMS: &[&str] = &["RS256", "ES256", "ES384"];

/// The account that signed a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) id: Id,
    pub(crate) url: String,
    pub(crate) key: Jwk,
}

/// Who signed a request.
#[derive(Debug)]
pub(crate) enum Signer {
    Account(Caller),
    Key(Jwk),
}

/// What was signed.
#[derive(Debug)]
pub(crate) struct Payload(VerifiedJws);

impl Payload {
    /// The payload as JSON; unknown members are ignored.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(self.0.payload())
            .map_err(|error| Problem::malformed(format!("the payload is not what is expected here: {error}")))
    }

    /// Whether the request is a POST-as-GET (RFC 8555 section 6.3).
    pub(crate) fn is_empty(&self) -> bool {
        self.0.payload().is_empty()
    }

    /// Refuses everything but a POST-as-GET.
    pub(crate) fn must_be_empty(&self) -> Result<(), Problem> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Problem::malformed("this resource is read by POST-as-GET, with an empty payload"))
        }
    }
}

/// Takes a request that must be signed by an account.
pub(crate) async fn from_account(
    shared: &ServerState,
    request: Request<Body>,
) -> Result<(Caller, Payload), Problem> {
    match from_anyone(shared, request).await? {
        (Signer::Account(caller), payload) => Ok((caller, payload)),
        (Signer::Key(_), _) => Err(Problem::malformed("this request needs a \"kid\", not a \"jwk\"")),
    }
}

/// Takes a request that must be signed by the key that it shows.
pub(crate) async fn from_key(
    shared: &ServerState,
    request: Request<Body>,
) -> Result<(Jwk, Payload), Problem> {
    match from_anyone(shared, request).await? {
        (Signer::Key(key), payload) => Ok((key, payload)),
        (Signer::Account(_), _) => Err(Problem::malformed("this request needs a \"jwk\", not a \"kid\"")),
    }
}

/// Takes a request that is signed by an account or by a key that it shows.
///
/// The nonce is used up only by a request that is well-formed, and before the signature is checked, so that a
/// request cannot be tried again with another signature.
pub(crate) async fn from_anyone(
    shared: &ServerState,
    request: Request<Body>,
) -> Result<(Signer, Payload), Problem> {
    let url = shared.urls.signed(request.uri().path_and_query().map_or("/", |path| path.as_str()));
    let jws = read(request).await?;
    check_header(shared, &jws, &url)?;
    let signer = match &jws.header().key {
        KeyReference::Jwk(key) => Signer::Key(key.clone()),
        KeyReference::Kid(kid) => Signer::Account(account(shared, kid)?),
    };
    let key = match &signer {
        Signer::Key(key) => key,
        Signer::Account(caller) => &caller.key,
    };
    let verified =
        jws.verify(key).map_err(|error| Problem::malformed(format!("the signature is not good: {error}")))?;
    Ok((signer, Payload(verified)))
}

async fn read(request: Request<Body>) -> Result<UnverifiedJws, Problem> {
    let content_type =
        request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    if !media_type.eq_ignore_ascii_case("application/jose+json") {
        return Err(Problem::malformed("the content type must be application/jose+json").with_status(415));
    }
    let body = to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| {
        Problem::malformed(format!("the body is longer than {MAX_BODY} bytes or broke off")).with_status(413)
    })?;
    UnverifiedJws::parse(&body).map_err(|error| unreadable(&body, &error))
}

/// Why a body is no signed request that we understand. The header is looked into once more, as RFC 8555 section 6.2
/// has an error type for a foreign algorithm, and one for a foreign key.
fn unreadable(body: &[u8], error: &JoseError) -> Problem {
    let header = || -> Option<Value> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let protected = URL_SAFE_NO_PAD.decode(body.get("protected")?.as_str()?).ok()?;
        serde_json::from_slice(&protected).ok()
    };
    let header = header().unwrap_or_default();
    if header["alg"].as_str().is_some_and(|algorithm| !ALGORITHMS.contains(&algorithm)) {
        return bad_algorithm();
    }
    if header["jwk"].is_object() && serde_json::from_value::<Jwk>(header["jwk"].clone()).is_err() {
        return Problem::new(ProblemKind::BadPublicKey, format!("the key is not supported: {error}"));
    }
    Problem::malformed(format!("the body is not a signed request: {error}"))
}

fn check_header(shared: &ServerState, jws: &UnverifiedJws, url: &str) -> Result<(), Problem> {
    let header = jws.header();
    if !matches!(header.alg, Algorithm::Rs256 | Algorithm::Es256 | Algorithm::Es384) {
        return Err(bad_algorithm());
    }
    match &header.url {
        Some(signed) if signed == url => {}
        Some(_) => {
            return Err(Problem::unauthorized("the \"url\" in the header is not the URL of the request"));
        }
        None => return Err(Problem::malformed("the header has no \"url\"")),
    }
    let bad_nonce = |detail: &str| Problem::new(ProblemKind::BadNonce, detail);
    match &header.nonce {
        Some(nonce) if !shared.nonces.take(nonce) => Err(bad_nonce("the nonce is unknown or was used")),
        Some(_) if shared.rejects_good_nonce() => {
            Err(bad_nonce("the nonce was good, but some are refused at random here"))
        }
        Some(_) => Ok(()),
        None => Err(bad_nonce("the header has no \"nonce\"")),
    }
}

fn account(shared: &ServerState, kid: &str) -> Result<Caller, Problem> {
    let id = shared.urls.id_of(Resource::Account, kid);
    let found = id.and_then(|id| shared.objects().accounts.get(id).cloned().map(|account| (id, account)));
    match found {
        None => Err(Problem::new(ProblemKind::AccountDoesNotExist, "there is no account at the \"kid\"")),
        // RFC 8555 section 7.3.6 asks for this status.
        Some((_, account)) if account.deactivated => {
            Err(Problem::unauthorized("the account is deactivated").with_status(401))
        }
        Some((id, account)) => Ok(Caller { id, url: kid.to_owned(), key: account.key }),
    }
}

fn bad_algorithm() -> Problem {
    Problem::new(ProblemKind::BadSignatureAlgorithm, "requests are signed by RS256, ES256 or ES384")
}
