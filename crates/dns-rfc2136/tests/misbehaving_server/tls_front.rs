//! TLS in front of a server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_ambient::Ambient;
use fleetcert_dns_rfc2136::{Prerequisite, Rfc2136Backend, Rfc2136Options, Server};
use fleetcert_dns_wire::{Tls, Transport};
use futures_util::future::join_all;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::script::{key, serve_seen, success, update};

/// Starts TLS with a certificate for `ns1.example.net` in front of `server`. Returns the root as PEM.
pub(crate) async fn tls_front(server: SocketAddr) -> (SocketAddr, String) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["ns1.example.net".to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us ends the handshake.
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    (address, root.pem())
}

/// Returns a backend that uses TLS and expects this name.
pub(crate) fn over_tls(address: SocketAddr, name: &str, root: &str) -> Rfc2136Backend {
    let tls = Some(Tls::trusting_pem(name, root.as_bytes()).unwrap());
    let options = Rfc2136Options {
        // Ignored with TLS.
        transport: Transport::Udp,
        call_within: Duration::from_secs(5),
        ..Rfc2136Options::for_servers(Server { address, tls }, key())
    };
    Rfc2136Backend::new(options, Ambient::system())
}

#[tokio::test]
async fn updates_share_one_tls_connection() {
    let (server, seen) = serve_seen(Arc::new(|request: &[u8]| vec![success(request)])).await;
    let (front, root) = tls_front(server).await;
    let backend = over_tls(front, "ns1.example.net", &root);
    for made in join_all((0..50).map(|_| update(&backend))).await {
        made.unwrap();
    }
    assert_eq!((seen.connections(), seen.requests()), (1, 50));
    // With prerequisites it has a separate connection, also over TLS.
    let (zone, name) = ("fleet.test".parse().unwrap(), "a.fleet.test".parse().unwrap());
    backend.apply_if(&zone, &[Prerequisite::NameInUse { name }], &[]).await.unwrap();
    assert_eq!((seen.connections(), seen.requests()), (2, 51));
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_without_a_valid_certificate() {
    let (server, seen) = serve_seen(Arc::new(|request: &[u8]| vec![success(request)])).await;
    let (front, root) = tls_front(server).await;
    let error = update(&over_tls(front, "ns2.example.net", &root)).await.unwrap_err();
    assert!(error.to_string().contains("certificate is for another name"), "{error}");
    assert_eq!((error.attempt(), seen.connections()), (1, 0));
}
