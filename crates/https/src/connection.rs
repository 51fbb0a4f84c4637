//! One connection: handshake, requests and end, each with a deadline.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::Limits;

/// The data that one connection needs.
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) router: Router,
    pub(crate) limits: Arc<Limits>,
}

impl Connection {
    /// Serves until the peer disconnects, exceeds a limit, or `shutdown` is cancelled.
    pub(crate) async fn run(self, stream: TcpStream, acceptor: TlsAcceptor, shutdown: CancellationToken) {
        let peer = self.peer;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
        }
        let handshake = timeout(self.limits.handshake_timeout, acceptor.accept(stream));
        let stream = tokio::select! {
            shaken = handshake => match shaken {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%peer, %error, "handshake failed"),
                Err(_) => return tracing::debug!(%peer, "handshake timed out"),
            },
            () = shutdown.cancelled() => return,
        };
        self.serve(stream, shutdown).await;
    }

    async fn serve(self, stream: TlsStream<TcpStream>, shutdown: CancellationToken) {
        let (peer, limits) = (self.peer, self.limits.clone());
        let builder = http_builder(&limits, is_http2(&stream));
        let open = watch::Sender::new(0);
        let idle = idle(open.subscribe(), limits.idle_timeout);
        let service = hyper::service::service_fn(move |request| {
            let counted = OpenRequest::begin(&open);
            let answer = answer(self.router.clone(), request, peer, self.limits.request_timeout);
            async move {
                let _counted = counted;
                Ok::<_, Infallible>(answer.await)
            }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "connection failed");
                }
                return;
            }
            () = idle => {}
            () = shutdown.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        if timeout(limits.shutdown_grace, connection).await.is_err() {
            tracing::debug!(%peer, "connection closed after the shutdown grace period");
        }
    }
}

fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

/// ALPN has decided the version. The builder would otherwise guess it from the first bytes, without a deadline.
fn http_builder(limits: &Limits, http2: bool) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    let mut builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(limits.max_streams);
    builder
}

async fn answer(router: Router, request: Request<Incoming>, peer: SocketAddr, limit: Duration) -> Response {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    match timeout(limit, router.oneshot(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

/// Counts an open request while it exists.
struct OpenRequest(watch::Sender<usize>);

impl OpenRequest {
    fn begin(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|count| *count += 1);
        Self(open.clone())
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Returns when there was no open request for `limit`.
async fn idle(mut open: watch::Receiver<usize>, limit: Duration) {
    loop {
        let quiet = *open.borrow_and_update() == 0;
        tokio::select! {
            changed = open.changed() => if changed.is_err() { return },
            () = sleep(limit), if quiet => return,
        }
    }
}
