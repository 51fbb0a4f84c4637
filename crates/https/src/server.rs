//! The listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::{Certificates, Limits};

/// A bound TCP port that serves HTTPS: HTTP/2 and HTTP/1.1, TLS 1.3 and 1.2.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    certificates: Certificates,
}

/// Back-off after a failed `accept`, so that the loop does not spin while resources are exhausted.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

impl Server {
    /// Binds `address`; port 0 takes a free one. Connections wait in the kernel's queue until
    /// [`serve`](Self::serve) is polled.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub async fn bind(address: SocketAddr, certificates: Certificates) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, certificates })
    }

    /// Returns the bound address with its actual port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `shutdown` is cancelled, then closes the port, waits at most [`Limits::shutdown_grace`]
    /// for requests in flight, and returns. Handlers find the peer's address as
    /// [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo).
    ///
    /// Must be polled inside a tokio runtime. **Cancellation.** Dropping the future closes all connections at once.
    pub async fn serve(self, router: Router, limits: Limits, shutdown: CancellationToken) {
        let router = router.layer(DefaultBodyLimit::max(limits.max_body));
        let acceptor = TlsAcceptor::from(Arc::new(tls_config(self.certificates)));
        let slots = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
        let limits = Arc::new(limits);
        let mut connections = JoinSet::new();
        loop {
            // The permit comes before the accept: connections over the limit cost neither memory nor a descriptor.
            let slot = tokio::select! {
                slot = slots.clone().acquire_owned() => slot.expect("the semaphore is never closed"),
                () = shutdown.cancelled() => break,
            };
            let (stream, peer) = tokio::select! {
                accepted = accept(&self.listener) => accepted,
                () = shutdown.cancelled() => break,
            };
            while connections.try_join_next().is_some() {}
            let connection = Connection { peer, router: router.clone(), limits: limits.clone() };
            let (acceptor, shutdown) = (acceptor.clone(), shutdown.clone());
            connections.spawn(async move {
                connection.run(stream, acceptor, shutdown).await;
                drop(slot);
            });
        }
        drop(self.listener);
        while connections.join_next().await.is_some() {}
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

fn tls_config(certificates: Certificates) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(crate::provider())
        .with_safe_default_protocol_versions()
        .expect("the aws-lc-rs provider has cipher suites for the default versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = crate::alpn();
    // A resumed session has no certificate, so a client would continue with the replaced one.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}
