//! The exchange of one signed request and its answer.

use std::collections::VecDeque;
use std::time::Duration;

use fleetcert_https::read_body;
use fleetcert_jose::{KeyReference, Signer};
use fleetcert_protocol::{Problem, ProblemKind, request, route};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{AgentError, AgentErrorKind as Kind, AgentStep};

/// Talks to one control server.
#[derive(Debug)]
pub(crate) struct Exchange {
    http: reqwest::Client,
    base: String,
    nonces: VecDeque<String>,
}

/// Maximum attempts of one request that the server refuses for its nonce.
const MAX_ATTEMPTS: usize = 10;
/// Maximum nonces kept for later requests. One request is under way at a time.
const MAX_NONCES: usize = 4;
const MAX_NONCE_LENGTH: usize = 256;
/// Maximum size of an answer: room for a chain of more than ten certificates.
const MAX_ANSWER: usize = 256 * 1024;
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

impl Exchange {
    /// Makes the exchange with the server at `base`, which must be an HTTPS URL.
    pub(crate) fn new(http: reqwest::Client, base: &str) -> Result<Self, AgentError> {
        let invalid = |why: String| AgentError::because(AgentStep::Open, Kind::InvalidInput, why);
        let url = reqwest::Url::parse(base);
        let url = url.map_err(|error| invalid(format!("the server URL {base:?} is not a URL: {error}")))?;
        if url.scheme() != "https" {
            return Err(invalid(format!("the server URL {base} does not begin with https://; use HTTPS")));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid(format!("the server URL {base} has a query or a fragment; leave them out")));
        }
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), nonces: VecDeque::new() })
    }

    /// Sends `payload` to `route`, signed, and reads the answer.
    pub(crate) async fn post<T: DeserializeOwned>(
        &mut self,
        step: AgentStep,
        route: &str,
        sender: &KeyReference,
        payload: &impl Serialize,
        signer: &dyn Signer,
    ) -> Result<T, AgentError> {
        let url = format!("{}{route}", self.base);
        let mut refused = None;
        for _ in 0..MAX_ATTEMPTS {
            let nonce = self.nonce(step).await?;
            let body = request::sign(&url, &nonce, sender, payload, signer)
                .map_err(|error| AgentError::because(step, Kind::Crypto, error))?;
            let sent =
                self.http.post(&url).header(CONTENT_TYPE, request::CONTENT_TYPE).body(body).send().await;
            let response = sent.map_err(|error| unreachable(step, error))?;
            self.keep_nonce(response.headers());
            match answer(step, response).await? {
                Answer::Ok(body) => {
                    return serde_json::from_slice(&body)
                        .map_err(|error| AgentError::because(step, Kind::Protocol, error));
                }
                Answer::BadNonce(problem, fresh) => {
                    // The kept ones are older than this answer: likely bad as well.
                    self.nonces = fresh.into_iter().collect();
                    refused = Some(problem);
                }
            }
        }
        Err(AgentError::of_server(step, Kind::Protocol, refused, None))
    }

    async fn nonce(&mut self, step: AgentStep) -> Result<String, AgentError> {
        if let Some(nonce) = self.nonces.pop_front() {
            return Ok(nonce);
        }
        let url = format!("{}{}", self.base, route::NONCE);
        let response = self.http.head(url).send().await.map_err(|error| unreachable(step, error))?;
        if let Some(nonce) = nonce_in(response.headers()) {
            return Ok(nonce);
        }
        answer(step, response).await?;
        Err(AgentError::new(step, Kind::Protocol))
    }

    fn keep_nonce(&mut self, headers: &HeaderMap) {
        if self.nonces.len() < MAX_NONCES {
            self.nonces.extend(nonce_in(headers));
        }
    }
}

enum Answer {
    Ok(Vec<u8>),
    BadNonce(Problem, Option<String>),
}

async fn answer(step: AgentStep, response: Response) -> Result<Answer, AgentError> {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let nonce = nonce_in(response.headers());
    let body = read_body(response, MAX_ANSWER).await.map_err(|error| match error {
        fleetcert_https::BodyError::TooLarge { .. } => AgentError::because(step, Kind::Protocol, error),
        broken => unreachable(step, broken),
    })?;
    if status.is_success() {
        return Ok(Answer::Ok(body));
    }
    // An answer without a problem document comes from something in between, such as a proxy; its status still counts.
    let problem = match serde_json::from_slice::<Problem>(&body).ok() {
        Some(problem) if problem.kind == ProblemKind::BadNonce => {
            return Ok(Answer::BadNonce(problem, nonce));
        }
        problem => problem,
    };
    let told = problem.as_ref().and_then(|problem| problem.retry_after).map(Duration::from_secs);
    let retry_after = retry_after.max(told).map(|wait| wait.min(MAX_RETRY_AFTER));
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Kind::Busy,
        _ if problem.is_some() && status.is_client_error() => Kind::Refused,
        _ => Kind::Protocol,
    };
    Err(AgentError::of_server(step, kind, problem, retry_after))
}

fn nonce_in(headers: &HeaderMap) -> Option<String> {
    let nonce = headers.get(request::REPLAY_NONCE)?.to_str().ok()?;
    (!nonce.is_empty() && nonce.len() <= MAX_NONCE_LENGTH).then(|| nonce.to_owned())
}

/// Returns a wait in seconds. The other form, a date, would have to be compared with a clock that cannot be trusted.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

fn unreachable(step: AgentStep, error: impl std::error::Error + Send + Sync + 'static) -> AgentError {
    AgentError::because(step, Kind::Unreachable, error)
}
