//! The server: its state, its router and its background work.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::{get, post};
use fleetcert_ambient::{Clock, Entropy};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::nonce::Nonces;
use crate::objects::Objects;
use crate::route::Urls;
use crate::work::{self, Job};
use crate::{
    AcmeOptions, Issuer, Problem, Resource, account, authorization, certificate, challenge, directory,
    finalize, front, new_order, order, renewal_info, revoke,
};

/// An ACME server (RFC 8555) over an [`Issuer`].
///
/// It answers through [`router`](Self::router) and works through [`run`](Self::run); the caller owns both. Its
/// objects live in memory and end with it.
#[derive(Debug)]
pub struct AcmeServer {
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<Job>,
}

/// What the handlers and the background work share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) issuer: Arc<dyn Issuer>,
    pub(crate) options: AcmeOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) urls: Urls,
    pub(crate) nonces: Nonces,
    objects: Mutex<Objects>,
    jobs: mpsc::Sender<Job>,
}

/// No object lives longer than this, whatever the options say, so that no date is out of range.
const LONGEST_LIFE: Duration = Duration::from_secs(366 * 86_400);

impl AcmeServer {
    /// A server without accounts. Nothing runs yet.
    pub fn new(
        issuer: Arc<dyn Issuer>,
        mut options: AcmeOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        options.order_lifetime = options.order_lifetime.min(LONGEST_LIFE);
        options.authorization_reuse = options.authorization_reuse.min(LONGEST_LIFE);
        let waiting = options.max_waiting_work.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        let (sender, jobs) = mpsc::channel(waiting);
        let shared = Shared {
            urls: Urls::new(&options.base_url),
            nonces: Nonces::new(options.max_nonces),
            objects: Mutex::new(Objects::new(&options)),
            jobs: sender,
            issuer,
            options,
            clock,
            entropy,
        };
        Self { shared: Arc::new(shared), jobs }
    }

    /// The URL of the directory, with which a client begins.
    pub fn directory_url(&self) -> String {
        self.shared.urls.of(Resource::Directory)
    }

    /// The resources of the server. Can be called more than once; all routers show the same objects.
    ///
    /// It brings its own limit on bodies (50,000 bytes) and reads nothing of a request before the
    /// [`Issuer::admit`] has taken it. Mount it where the base URL points to.
    pub fn router(&self) -> Router {
        let route = |resource: Resource| resource.pattern();
        Router::new()
            .route(&route(Resource::Directory), get(directory::directory))
            .route(&route(Resource::NewNonce), get(directory::new_nonce))
            .route(&route(Resource::NewAccount), post(account::create))
            .route(&route(Resource::Account), post(account::update))
            .route(&route(Resource::NewOrder), post(new_order::create))
            .route(&route(Resource::Order), post(order::show))
            .route(&route(Resource::Finalize), post(finalize::finalize))
            .route(&route(Resource::Authorization), post(authorization::update))
            .route(&route(Resource::Challenge), post(challenge::answer))
            .route(&route(Resource::Certificate), post(certificate::download))
            .route(&route(Resource::RevokeCertificate), post(revoke::revoke))
            .route(&route(Resource::RenewalInfo), get(renewal_info::renewal_info))
            .fallback(front::no_such_resource)
            .method_not_allowed_fallback(front::wrong_method)
            .layer(axum::middleware::from_fn_with_state(self.shared.clone(), front::front))
            .with_state(self.shared.clone())
    }

    /// Validates challenges and has certificates issued, until `shutdown` is cancelled.
    ///
    /// Must be polled inside a tokio runtime, beside the router: without it, challenges and orders stay at
    /// `processing`. At its end, and when the future is dropped, work under way is dropped where it stands.
    pub async fn run(self, shutdown: CancellationToken) {
        work::run(self.shared, self.jobs, shutdown).await;
    }
}

impl Shared {
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        // A panic while the lock is held can leave one object behind another; each is still sound by itself.
        self.objects.lock()
    }

    /// Hands work to [`AcmeServer::run`].
    pub(crate) fn place_for_work(&self) -> Result<mpsc::Permit<'_, Job>, Problem> {
        self.jobs.try_reserve().map_err(|_| Problem::busy())
    }

    pub(crate) fn rejects_good_nonce(&self) -> bool {
        // Sixteen bits make the bias of the remainder too small to matter.
        let mut number = [0; 2];
        self.entropy.fill(&mut number);
        u16::from_le_bytes(number) % 100 < u16::from(self.options.nonce_rejection_percent)
    }
}
