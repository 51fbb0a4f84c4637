//! The routes of the device API.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use fleetcert_ambient::Ambient;
use fleetcert_engine::{Action, Engine, Grant, RequestOrigin, RequestParts};
use fleetcert_protocol::request::{self, SignedRequest};
use fleetcert_protocol::{
    AddressReport, AddressesAccepted, CertificateRequest, CertificateStatus, EnrolmentAnswer, Problem,
    ProblemKind, StatusRequest, route,
};
use fleetcert_schedule::budget::Limit;
use fleetcert_schedule::quota::BAD_SIGNATURES;

use crate::answer::Answers;
use crate::bad_signatures::{self, BadSignatures};
use crate::nonces::{NonceRefusal, Nonces};
use crate::origin::origin;
use crate::refusal::Refusal;

/// The settings of the device API.
#[derive(Clone, Debug)]
pub struct DeviceApiOptions {
    /// URL under which devices reach it, without a slash at the end. A request is accepted only if it was signed for
    /// this and its route, whatever its headers say.
    pub public_base: String,
    /// Lifetime of a nonce. Default: 5 minutes.
    pub nonce_lifetime: Duration,
    /// Requests with a wrong signature, or of an unknown device, that one address (with IPv6 one network of 64 bits)
    /// may send before it has to wait. Default: [`BAD_SIGNATURES`], 20 in a minute. `None` for no limit.
    ///
    /// The address is the [`ClientAddress`](crate::ClientAddress) that a layer of yours inserts, or axum's
    /// [`ConnectInfo`](axum::extract::ConnectInfo), as `fleetcert-https` sets it. Without either nothing is counted.
    /// Behind a proxy, where all devices have its address, insert a `ClientAddress` or set `None`.
    pub bad_signatures: Option<Limit>,
}

impl DeviceApiOptions {
    /// Makes the settings for this public URL, with defaults for everything else.
    pub fn new(public_base: impl Into<String>) -> Self {
        let public_base = public_base.into().trim_end_matches('/').to_owned();
        Self { public_base, nonce_lifetime: Duration::from_secs(300), bad_signatures: Some(BAD_SIGNATURES) }
    }
}

/// Returns the device API as a router: serve it, nest it, or put layers around it.
///
/// Bodies are bounded. The listener bounds how many connections there may be, and how long a request may take to
/// arrive.
///
/// **Mutual TLS.** A listener that authenticates clients inserts a
/// [`TlsClientIdentity`](fleetcert_engine::TlsClientIdentity) as an extension of each request. The engine's
/// authenticator and enroller then see it, and such a client may send a payload without an envelope, with the
/// content type [`application/json`](request::PLAIN_CONTENT_TYPE): the connection authenticates it, so it needs no
/// nonce. Use an authenticator that accepts such requests; the default, `DeviceKeys`, does not.
///
/// **Log.** Each answer with a 5xx status is logged once, at `error`, with its cause. The device does not see the
/// cause.
///
/// ```
/// use fleetcert_ambient::Ambient;
/// use fleetcert_control::{DeviceApiOptions, device_api};
/// use fleetcert_engine::Engine;
///
/// fn app(engine: Engine) -> axum::Router {
///     let options = DeviceApiOptions::new("https://control.example.com");
///     let api = device_api(engine, options, Ambient::system());
///     api.route("/healthz", axum::routing::get(|| async { "ok" }))
/// }
/// ```
pub fn device_api(engine: Engine, options: DeviceApiOptions, ambient: Ambient) -> Router {
    let nonces = Nonces::new(options.nonce_lifetime, ambient.now(), ambient.entropy.as_ref());
    let secret = ambient.random();
    let answers = Arc::new(Answers::new(nonces, ambient));
    let bad_signatures = Arc::new(BadSignatures::new(options.bad_signatures, secret, answers.clone()));
    let api = Arc::new(DeviceApi { engine, options, answers });
    Router::new()
        .route(route::ENROL, post(enrol))
        .route(route::ADDRESSES, post(addresses))
        .route(route::CERTIFICATE, post(certificate))
        .route(route::CERTIFICATE_STATUS, post(certificate_status))
        .route_layer(from_fn_with_state(bad_signatures, bad_signatures::limited))
        .route(route::NONCE, get(nonce).head(nonce))
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(request::MAX_BODY))
        .with_state(api)
}

struct DeviceApi {
    engine: Engine,
    options: DeviceApiOptions,
    answers: Arc<Answers>,
}

async fn nonce(State(api): State<Arc<DeviceApi>>) -> Response {
    api.answers.empty()
}

async fn enrol(State(api): State<Arc<DeviceApi>>, request: Incoming) -> Response {
    api.answers.give_enrolment(api.enrol(request).await)
}

async fn addresses(State(api): State<Arc<DeviceApi>>, request: Incoming) -> Response {
    api.answers.give(api.addresses(request).await)
}

async fn certificate(State(api): State<Arc<DeviceApi>>, request: Incoming) -> Response {
    api.answers.give(api.certificate(request).await)
}

async fn certificate_status(State(api): State<Arc<DeviceApi>>, request: Incoming) -> Response {
    api.answers.give(api.certificate_status(request).await)
}

/// Another method than the route's.
async fn wrong_method(State(api): State<Arc<DeviceApi>>) -> Response {
    let detail = "send requests with POST, and get a nonce with HEAD or GET";
    let refusal = Refusal::new(Problem::new(ProblemKind::Malformed, detail));
    api.answers.refuse(refusal.with_status(StatusCode::METHOD_NOT_ALLOWED))
}

/// A request whose whole body has arrived.
struct Incoming {
    headers: HeaderMap,
    origin: RequestOrigin,
    body: Bytes,
}

impl FromRequest<Arc<DeviceApi>> for Incoming {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Arc<DeviceApi>) -> Result<Self, Response> {
        let (headers, origin) = (request.headers().clone(), origin(request.extensions()));
        match Bytes::from_request(request, api).await {
            Ok(body) => Ok(Self { headers, origin, body }),
            Err(rejection) => Err(api.answers.refuse(without_body(&rejection))),
        }
    }
}

fn without_body(rejection: &BytesRejection) -> Refusal {
    let detail = match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => "the request is too large; a request has at most 64 KiB",
        _ => "the body did not arrive completely; send the request again",
    };
    Refusal::new(Problem::new(ProblemKind::Malformed, detail))
        .with_status(rejection.status())
        .with_cause(rejection)
}

impl DeviceApi {
    async fn enrol(&self, request: Incoming) -> Result<EnrolmentAnswer, Refusal> {
        let envelope = self.envelope(&request)?;
        let (enrolment, key) = envelope.open_enrolment(&self.url(route::ENROL))?;
        Ok(self.engine.enrol(&enrolment, &key, &request.origin).await?)
    }

    async fn addresses(&self, request: Incoming) -> Result<AddressesAccepted, Refusal> {
        let (grant, payload) = self.granted(request, route::ADDRESSES, Action::ReportAddresses).await?;
        let report: AddressReport = request::read(&payload)?;
        Ok(self.engine.report_addresses(&grant, &report).await?)
    }

    async fn certificate(&self, request: Incoming) -> Result<CertificateStatus, Refusal> {
        let (grant, payload) = self.granted(request, route::CERTIFICATE, Action::RequestCertificate).await?;
        let request: CertificateRequest = request::read(&payload)?;
        Ok(self.engine.request_certificate(&grant, &request).await?)
    }

    async fn certificate_status(&self, request: Incoming) -> Result<CertificateStatus, Refusal> {
        let route = route::CERTIFICATE_STATUS;
        let (grant, payload) = self.granted(request, route, Action::ReadCertificate).await?;
        let StatusRequest {} = request::read(&payload)?;
        Ok(self.engine.certificate_status(&grant).await?)
    }

    /// From the bytes to a grant: fresh, authenticated, authorized.
    async fn granted(
        &self,
        request: Incoming,
        route: &str,
        action: Action,
    ) -> Result<(Grant, Vec<u8>), Refusal> {
        let envelope = if is_plain(&request) {
            request::refuse_private_key(&request.body)?;
            None
        } else {
            Some(self.envelope(&request)?)
        };
        let Incoming { origin, body, .. } = request;
        let parts = RequestParts { url: self.url(route), envelope, body: body.into(), origin };
        let caller = self.engine.authenticate(parts).await?;
        let grant = self.engine.authorize(&caller, action).await?;
        Ok((grant, caller.payload().to_vec()))
    }

    /// Reads a well-formed envelope, and spends its nonce.
    fn envelope(&self, request: &Incoming) -> Result<SignedRequest, Refusal> {
        if content_type(request) != Some(request::CONTENT_TYPE) {
            let expected = format!("send the request with the content type {}", request::CONTENT_TYPE);
            return Err(Refusal::new(Problem::new(ProblemKind::Malformed, &expected)));
        }
        let envelope = SignedRequest::parse(&request.body)?;
        match self.answers.redeem(envelope.nonce()) {
            Ok(()) => Ok(envelope),
            Err(NonceRefusal::Bad) => {
                let detail = "the nonce is not valid, or was used; sign again with the nonce of this answer";
                Err(Refusal::new(Problem::new(ProblemKind::BadNonce, detail)))
            }
            Err(NonceRefusal::Full) => {
                let detail = "the control server has too many requests; try again later";
                let wait = self.options.nonce_lifetime.as_secs().max(1);
                let problem = Problem::new(ProblemKind::Unavailable, detail).with_retry_after(wait);
                Err(Refusal::new(problem).with_cause(&"the memory of used nonces is full"))
            }
        }
    }

    fn url(&self, route: &str) -> String {
        format!("{}{route}", self.options.public_base)
    }
}

/// Returns whether a request is a payload without an envelope: only a TLS client certificate allows that.
fn is_plain(request: &Incoming) -> bool {
    request.origin.tls_identity.is_some() && content_type(request) == Some(request::PLAIN_CONTENT_TYPE)
}

fn content_type(request: &Incoming) -> Option<&str> {
    request.headers.get(header::CONTENT_TYPE)?.to_str().ok()
}
