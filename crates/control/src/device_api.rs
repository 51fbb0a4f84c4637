//! The routes of the device API.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use fleetcert_ambient::Ambient;
use fleetcert_engine::{Action, Engine, Grant, RequestView};
use fleetcert_protocol::request::{self, SignedRequest};
use fleetcert_protocol::{AddressReport, CertificateRequest, Problem, ProblemKind, StatusRequest, route};
use fleetcert_schedule::budget::Limit;
use fleetcert_schedule::quota::BAD_SIGNATURES;
use serde::Serialize;

use crate::answer::Answers;
use crate::bad_signatures::{self, BadSignatures};
use crate::nonces::{NonceRefusal, Nonces};
use crate::problem;

/// The settings of the device API.
#[derive(Clone, Debug)]
pub struct DeviceApiOptions {
    /// The URL under which devices reach it, without a slash at the end. A request is accepted only if it was
    /// signed for this and its route, whatever its headers say.
    pub public_base: String,
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
    /// How many requests with a wrong signature, or of a device that is not known, are heard from one address (with IPv6
    /// from one network of 64 bits) before it is told to wait. Default: [`BAD_SIGNATURES`], 20 in a minute. Set `None`
    /// behind a proxy, where all devices have its address. The server says whose address it is by axum's
    /// [`ConnectInfo`](axum::extract::ConnectInfo), as `fleetcert-https` does; without, nobody is counted.
    pub bad_signatures: Option<Limit>,
}

impl DeviceApiOptions {
    /// The settings for this public URL that everything else has a default for.
    pub fn new(public_base: impl Into<String>) -> Self {
        let public_base = public_base.into().trim_end_matches('/').to_owned();
        Self { public_base, nonce_lifetime: Duration::from_secs(300), bad_signatures: Some(BAD_SIGNATURES) }
    }
}

/// The device API. Bodies are bounded; how many connections there may be and how long a request may take to
/// arrive is for the listener to bound.
pub fn device_api(engine: Engine, options: DeviceApiOptions, ambient: Ambient) -> Router {
    let nonces = Nonces::new(options.nonce_lifetime, ambient.clock.now(), ambient.entropy.as_ref());
    let bad_signatures = BadSignatures::new(options.bad_signatures, ambient.entropy.as_ref());
    let answers = Answers::new(nonces, ambient);
    let api = Arc::new(Api { engine, options, answers, bad_signatures });
    Router::new()
        .route(route::ENROL, post(enrol))
        .route(route::ADDRESSES, post(addresses))
        .route(route::CERTIFICATE, post(certificate))
        .route(route::CERTIFICATE_STATUS, post(certificate_status))
        .route_layer(from_fn_with_state(api.clone(), bad_signatures::limited))
        .route(route::NONCE, get(nonce).head(nonce))
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(request::MAX_BODY))
        .with_state(api)
}

pub(crate) struct Api {
    engine: Engine,
    options: DeviceApiOptions,
    pub(crate) answers: Answers,
    pub(crate) bad_signatures: BadSignatures,
}

async fn nonce(State(api): State<Arc<Api>>) -> Response {
    api.answers.empty()
}

async fn enrol(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    match body {
        Ok(body) => api.answers.give(api.enrol(&headers, &body).await),
        Err(rejection) => api.without_body(&rejection),
    }
}

async fn addresses(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    match body {
        Ok(body) => api.answers.give(api.addresses(&headers, &body).await),
        Err(rejection) => api.without_body(&rejection),
    }
}

async fn certificate(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    match body {
        Ok(body) => api.answers.give(api.certificate(&headers, &body).await),
        Err(rejection) => api.without_body(&rejection),
    }
}

async fn certificate_status(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    match body {
        Ok(body) => api.answers.give(api.certificate_status(&headers, &body).await),
        Err(rejection) => api.without_body(&rejection),
    }
}

/// Another method than the route's.
async fn wrong_method(State(api): State<Arc<Api>>) -> Response {
    let problem =
        Problem::new(ProblemKind::Malformed, "requests are sent with POST, nonces had with HEAD or GET");
    api.answers.refuse(StatusCode::METHOD_NOT_ALLOWED, &problem)
}

/// The whole body, or why there is none.
type Body = Result<Bytes, BytesRejection>;

impl Api {
    async fn enrol(&self, headers: &HeaderMap, body: &[u8]) -> Result<impl Serialize + use<>, Problem> {
        let request = self.fresh(headers, body)?;
        let opened = request.open_enrolment(&self.url(route::ENROL));
        let (enrolment, key) = opened.map_err(|error| problem::of_request(&error))?;
        self.engine.enrol(&enrolment, &key).await.map_err(|error| problem::of_engine(&error))
    }

    async fn addresses(&self, headers: &HeaderMap, body: &[u8]) -> Result<impl Serialize + use<>, Problem> {
        let (grant, payload) = self.granted(headers, body, route::ADDRESSES, Action::ReportAddresses).await?;
        let report: AddressReport = parse(&payload)?;
        self.engine.report_addresses(&grant, &report).await.map_err(|error| problem::of_engine(&error))
    }

    async fn certificate(&self, headers: &HeaderMap, body: &[u8]) -> Result<impl Serialize + use<>, Problem> {
        let (grant, payload) =
            self.granted(headers, body, route::CERTIFICATE, Action::RequestCertificate).await?;
        let request: CertificateRequest = parse(&payload)?;
        self.engine.request_certificate(&grant, &request).await.map_err(|error| problem::of_engine(&error))
    }

    async fn certificate_status(
        &self,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<impl Serialize + use<>, Problem> {
        let (grant, payload) =
            self.granted(headers, body, route::CERTIFICATE_STATUS, Action::ReadCertificate).await?;
        let StatusRequest {} = parse(&payload)?;
        self.engine.certificate_status(&grant).await.map_err(|error| problem::of_engine(&error))
    }

    fn without_body(&self, rejection: &BytesRejection) -> Response {
        let detail = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "a request has at most 64 KiB",
            _ => "the body did not arrive as a whole",
        };
        self.answers.refuse(rejection.status(), &Problem::new(ProblemKind::Malformed, detail))
    }

    /// From the bytes to a grant: fresh, authenticated, authorised.
    async fn granted(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        route: &str,
        action: Action,
    ) -> Result<(Grant, Vec<u8>), Problem> {
        let view = RequestView { request: self.fresh(headers, body)?, url: self.url(route) };
        let caller = self.engine.authenticate(view).await.map_err(|error| problem::of_engine(&error))?;
        let grant =
            self.engine.authorize(&caller, action).await.map_err(|error| problem::of_engine(&error))?;
        Ok((grant, caller.payload().to_vec()))
    }

    /// A well-formed request whose nonce is now spent.
    fn fresh(&self, headers: &HeaderMap, body: &[u8]) -> Result<SignedRequest, Problem> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if content_type != Some(request::CONTENT_TYPE) {
            let expected = format!("the content type of a request is {}", request::CONTENT_TYPE);
            return Err(Problem::new(ProblemKind::Malformed, &expected));
        }
        let request = SignedRequest::parse(body).map_err(|error| problem::of_request(&error))?;
        self.answers.redeem(request.nonce()).map_err(|refusal| match refusal {
            NonceRefusal::Bad => Problem::new(ProblemKind::BadNonce, "take the nonce of this answer"),
            NonceRefusal::Full => Problem::new(ProblemKind::Unavailable, "too many requests at the moment")
                .with_retry_after(self.options.nonce_lifetime.as_secs().max(1)),
        })?;
        Ok(request)
    }

    fn url(&self, route: &str) -> String {
        format!("{}{route}", self.options.public_base)
    }
}

fn parse<T: serde::de::DeserializeOwned>(payload: &[u8]) -> Result<T, Problem> {
    request::read(payload).map_err(|error| problem::of_request(&error))
}
