//! A control server with one device, whose next answers a test can choose.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{head, post};
use fleetcert_ambient::{Entropy, SystemEntropy};
use fleetcert_https::{Certificates, ClientBuilder, Limits, Server};
use fleetcert_jose::Jwk;
use fleetcert_protocol::{
    AddressReport, AddressesAccepted, CertificateRequest, CertificateStatus, DeviceId, Enrolled,
    EnrolmentAnswer, EnrolmentToken, Problem, ProblemKind, StatusRequest, request::SignedRequest, route,
};
use fleetcert_x509::{CsrPolicy, Roots, VerifiedCsr};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

pub(crate) const NAME: &str = "xi8qz.fleet.test";

/// What the server says instead of the truth.
#[derive(Clone)]
pub(crate) enum Reply {
    BadNonce,
    Busy { status: u16, retry_after: &'static str },
    Refused(ProblemKind),
    Rubbish { status: u16 },
    Endless,
    Failed,
    Queued,
}

pub(crate) struct ControlServer {
    pub(crate) url: String,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

struct Shared {
    url: String,
    authority: CertifiedIssuer<'static, KeyPair>,
    token: EnrolmentToken,
    state: Mutex<Known>,
    issued: watch::Sender<usize>,
}

#[derive(Default)]
struct Known {
    nonces: HashSet<String>,
    nonces_asked: usize,
    device: Option<(DeviceId, Jwk)>,
    addresses: Vec<IpAddr>,
    csr: Option<Vec<u8>>,
    chain: Option<String>,
    questions: usize,
    due: bool,
    next: VecDeque<Reply>,
    always: Option<Reply>,
}

impl ControlServer {
    pub(crate) async fn start() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own =
            CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let certificates = Certificates::new(vec![own.der().clone()], key).unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), certificates).await.unwrap();
        let shared = Arc::new(Shared {
            url: format!("https://{}", server.local_addr()),
            authority,
            token: EnrolmentToken::generate(&SystemEntropy),
            state: Mutex::default(),
            issued: watch::Sender::new(0),
        });
        let router = Router::new()
            .route(route::NONCE, head(nonce))
            .route(route::ENROL, post(enrol))
            .route(route::ADDRESSES, post(addresses))
            .route(route::CERTIFICATE, post(certificate))
            .route(route::CERTIFICATE_STATUS, post(status))
            .with_state(shared.clone());
        let serving = tokio::spawn(server.serve(router, Limits::default(), Default::default()));
        Self { url: shared.url.clone(), shared, serving }
    }

    pub(crate) fn client(&self) -> reqwest::Client {
        let pem = self.shared.authority.pem();
        let builder = ClientBuilder::new("agent-test/1").only_roots_pem(pem.as_bytes()).unwrap();
        builder.timeout(Duration::from_secs(5)).build().unwrap()
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::from_pem(self.shared.authority.pem().as_bytes()).unwrap()
    }

    pub(crate) fn token(&self) -> EnrolmentToken {
        self.shared.token.clone()
    }

    pub(crate) fn nonces_asked(&self) -> usize {
        self.shared.lock().nonces_asked
    }

    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.shared.lock().addresses.clone()
    }

    pub(crate) fn chain(&self) -> String {
        self.shared.lock().chain.clone().unwrap()
    }

    pub(crate) fn reply_next(&self, reply: Reply) {
        self.shared.lock().next.push_back(reply);
    }

    pub(crate) fn reply_always(&self, reply: Reply) {
        self.shared.lock().always = Some(reply);
    }

    pub(crate) fn set_due(&self, due: bool) {
        self.shared.lock().due = due;
    }

    pub(crate) fn issued(&self) -> usize {
        *self.shared.issued.borrow()
    }

    pub(crate) async fn until_issued(&self, count: usize) {
        let mut issued = self.shared.issued.subscribe();
        tokio::time::timeout(Duration::from_secs(30), issued.wait_for(|n| *n >= count))
            .await
            .unwrap()
            .unwrap();
    }

    pub(crate) fn sign(&self, csr: &[u8]) -> String {
        self.shared.sign(csr)
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.state.lock()
    }

    fn sign(&self, csr: &[u8]) -> String {
        let mut csr = CertificateSigningRequestParams::from_der(&csr.into()).unwrap();
        csr.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        csr.params.use_authority_key_identifier_extension = true;
        csr.params.serial_number = Some((*self.issued.borrow() as u64 + 1).into());
        csr.signed_by(&self.authority).unwrap().pem()
    }

    fn fresh_nonce(&self) -> String {
        let mut bytes = [0; 8];
        SystemEntropy.fill(&mut bytes);
        let nonce = format!("{:016x}", u64::from_be_bytes(bytes));
        self.lock().nonces.insert(nonce.clone());
        nonce
    }

    /// Verifies `body` as sent to `route` and lets `answer` answer, unless a reply was chosen.
    fn answer<T: DeserializeOwned, A: Serialize>(
        &self,
        route: &str,
        body: &[u8],
        answer: impl FnOnce(T, &Jwk) -> Result<A, Problem>,
    ) -> Response {
        let url = format!("{}{route}", self.url);
        let signed = SignedRequest::parse(body).expect("a well-formed request");
        assert!(self.lock().nonces.remove(signed.nonce()), "a nonce is used once");
        if let Some(reply) = self.chosen() {
            return self.chosen_response(reply);
        }
        let known = self.lock().device.clone();
        let key = match (signed.device(), known) {
            (Some(id), Some((device, key))) if *id == device => key,
            (Some(_), _) => return self.refuse(401, &Problem::new(ProblemKind::Unauthenticated, "unknown")),
            (None, _) => signed.clone().open_enrolment(&url).unwrap().1,
        };
        let opened = signed.open(&key, &url).expect("signed with the device's key for this URL");
        match answer(opened, &key) {
            Ok(answer) => self.respond(200, serde_json::to_vec(&answer).unwrap().into()),
            Err(problem) => self.refuse(403, &problem),
        }
    }

    fn chosen(&self) -> Option<Reply> {
        let mut known = self.lock();
        known.next.pop_front().or_else(|| known.always.clone())
    }

    fn chosen_response(&self, reply: Reply) -> Response {
        match reply {
            Reply::BadNonce => self.refuse(400, &Problem::new(ProblemKind::BadNonce, "again")),
            Reply::Refused(kind) => self.refuse(403, &Problem::new(kind, "no")),
            Reply::Rubbish { status } => self.respond(status, "<html>".into()),
            Reply::Endless => self.respond(200, vec![b'x'; 1 << 20].into()),
            Reply::Busy { status, retry_after } => {
                let mut response = self.refuse(status, &Problem::new(ProblemKind::RateLimited, "later"));
                response.headers_mut().insert(header::RETRY_AFTER, retry_after.parse().unwrap());
                response
            }
            Reply::Failed => {
                let problem = Problem::new(ProblemKind::OrderFailed, "the CA said no");
                let failed = CertificateStatus::Failed { problem, retry_at: None, poll_after: 0 };
                self.respond(200, serde_json::to_vec(&failed).unwrap().into())
            }
            Reply::Queued => self.respond(200, serde_json::to_vec(&queued()).unwrap().into()),
        }
    }

    fn refuse(&self, status: u16, problem: &Problem) -> Response {
        self.respond(status, serde_json::to_vec(problem).unwrap().into())
    }

    fn respond(&self, status: u16, body: Body) -> Response {
        let nonce = [("replay-nonce", self.fresh_nonce())];
        (StatusCode::from_u16(status).unwrap(), nonce, body).into_response()
    }
}

fn queued() -> CertificateStatus {
    CertificateStatus::Queued { position: 0, expected_at: 0, poll_after: 0, waits_for: None }
}

async fn nonce(State(shared): State<Arc<Shared>>) -> Response {
    shared.lock().nonces_asked += 1;
    shared.respond(200, Body::empty())
}

async fn enrol(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    shared.answer(route::ENROL, &body, |request: fleetcert_protocol::EnrolRequest, key| {
        assert_eq!(request.proof.token().unwrap().hash(), shared.token.hash());
        let mut known = shared.lock();
        let (device, owner) =
            known.device.get_or_insert_with(|| (DeviceId::generate(&SystemEntropy), key.clone()));
        if owner != key {
            return Err(Problem::new(ProblemKind::EnrolmentRefused, "used").with_code("token_used"));
        }
        Ok(EnrolmentAnswer::Enrolled(Enrolled { device: device.clone(), name: NAME.parse().unwrap() }))
    })
}

async fn addresses(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    shared.answer(route::ADDRESSES, &body, |report: AddressReport, _| {
        let mut known = shared.lock();
        let changed = known.addresses != report.addresses();
        known.addresses = report.addresses().to_vec();
        Ok(AddressesAccepted { changed })
    })
}

/// A new CSR is queued; the one that was last answered is answered again.
async fn certificate(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    shared.answer(route::CERTIFICATE, &body, |request: CertificateRequest, _| {
        let csr = VerifiedCsr::parse(request.csr.as_bytes(), &CsrPolicy::device()).unwrap();
        let mut known = shared.lock();
        if known.csr.as_deref() != Some(csr.der()) {
            known.csr = Some(csr.der().to_vec());
            (known.chain, known.questions) = (None, 0);
        }
        Ok(state_of(&known))
    })
}

/// Issues at the second question.
async fn status(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    shared.answer(route::CERTIFICATE_STATUS, &body, |_: StatusRequest, _| {
        let mut known = shared.lock();
        known.questions += 1;
        if known.questions == 2 && known.chain.is_none() {
            known.chain = known.csr.as_deref().map(|csr| shared.sign(csr));
            shared.issued.send_modify(|count| *count += 1);
        }
        Ok(state_of(&known))
    })
}

fn state_of(known: &Known) -> CertificateStatus {
    match (&known.chain, &known.csr) {
        (Some(chain), _) => {
            let chain = chain.clone();
            CertificateStatus::Issued { chain, renew_at: None, due: known.due, poll_after: 0 }
        }
        (None, Some(_)) => queued(),
        (None, None) => CertificateStatus::None,
    }
}
