//! The server: its router and its background work.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use fleetcert_ambient::{Clock, Entropy};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::shared::{Job, ServerState};
use crate::{
    AcmeOptions, Issuer, Resource, account, authorization, certificate, directory, finalize, front,
    new_order, order, renewal_info, revoke, work,
};

/// An ACME server (RFC 8555) over an [`Issuer`].
///
/// It answers through [`router`](Self::router) and works through [`run`](Self::run); the caller owns both. Its
/// objects live in memory and end with it.
#[derive(Debug)]
pub struct AcmeServer {
    shared: Arc<ServerState>,
    jobs: mpsc::Receiver<Job>,
}

/// No object lives longer than this, whatever the options say, so that no date is out of range.
const MAX_LIFE: Duration = Duration::from_secs(366 * 86_400);

impl AcmeServer {
    /// A server without accounts. Nothing runs yet.
    pub fn new(
        issuer: Arc<dyn Issuer>,
        mut options: AcmeOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        options.order_lifetime = options.order_lifetime.min(MAX_LIFE);
        options.authorization_reuse = options.authorization_reuse.min(MAX_LIFE);
        let (shared, jobs) = ServerState::new(issuer, options, clock, entropy);
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
            .route(&route(Resource::Challenge), post(authorization::answer))
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
