//! The listener: accepts up to a cap, and ends.

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

/// A bound TCP port that will speak HTTPS: HTTP/2 and HTTP/1.1, TLS 1.3 and 1.2.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    certificates: Certificates,
}

/// The pause after an `accept` that failed for want of resources; without one the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Binds `address`; port 0 takes a free one. Connections wait in the kernel's queue until
    /// [`serve`](Self::serve) is polled.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn bind(address: SocketAddr, certificates: Certificates) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, certificates })
    }

    /// The bound address, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `shutdown` is cancelled, then closes the port, lets requests under way go on for
    /// [`Limits::shutdown_grace`] at most, and returns. Handlers find the peer's address as
    /// [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo).
    ///
    /// Must be polled inside a tokio runtime. Dropping the future cuts all connections at once.
    pub async fn serve(self, router: Router, limits: Limits, shutdown: CancellationToken) {
        let router = router.layer(DefaultBodyLimit::max(limits.max_body));
        let acceptor = TlsAcceptor::from(Arc::new(tls_config(self.certificates)));
        let slots = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
        let limits = Arc::new(limits);
        let mut connections = JoinSet::new();
        loop {
            // The slot comes before the accept: what is over the cap costs us neither memory nor a descriptor.
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
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
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
    // A resumed session shows no certificate, so a client would go on with the replaced one.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}
