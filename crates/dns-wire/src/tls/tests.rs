use fleetcert_ambient::SystemClock;
use hickory_proto::rr::RecordType;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::error::Error;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{ExchangeErrorKind, frame, message};

const TEST_TIMEOUT: Duration = Duration::from_secs(10);

fn test_ca() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate for `ns1.example.net` that answers every message.
async fn serve(issuer: &CertifiedIssuer<'static, KeyPair>, change: fn(&mut CertificateParams)) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["ns1.example.net".to_owned()]).unwrap();
    change(&mut params);
    let certificate = params.signed_by(&key, issuer).unwrap();
    let mut config =
        ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
    config.alpn_protocols = vec![b"dot".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust us ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            while let Ok(Some(request)) = frame::read(&mut stream).await {
                let reply = message::decode(&request).unwrap().into_response();
                frame::write(&mut stream, &message::encode(&reply).unwrap()).await.unwrap();
            }
        }
    });
    address
}

fn trusting(name: &str, issuer: &CertifiedIssuer<'static, KeyPair>) -> Tls {
    Tls::trusting_pem(name, issuer.pem().as_bytes()).unwrap()
}

async fn ask(tls: &Tls, server: SocketAddr) -> Result<Vec<u8>, ExchangeError> {
    let query = message::query(7, &"fleet.test".parse().unwrap(), RecordType::SOA);
    tls.exchange(server, &message::encode(&query).unwrap(), TEST_TIMEOUT, &SystemClock).await
}

#[tokio::test]
async fn server_with_the_expected_name_is_queried() {
    let issuer = test_ca();
    let server = serve(&issuer, |_| {}).await;
    let reply = ask(&trusting("ns1.example.net", &issuer), server).await.unwrap();
    assert_eq!(message::decode(&reply).unwrap().metadata.id, 7);
}

#[tokio::test]
async fn foreign_name_error_has_both_names_and_advice() {
    let issuer = test_ca();
    let server = serve(&issuer, |_| {}).await;
    let error = ask(&trusting("ns2.example.net", &issuer), server).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.tls_name()),
        (ExchangeErrorKind::ForeignCertificate, Some("ns2.example.net"))
    );
    let text = error.to_string();
    for part in ["ns2.example.net", "ns1.example.net", "for another name: ask for a name that it has"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(error.source().is_some());
}

#[tokio::test]
async fn unknown_issuers_and_expired_certificates_are_rejected() {
    let (issuer, stranger) = (test_ca(), test_ca());
    let by_stranger = serve(&stranger, |_| {}).await;
    let old = serve(&issuer, |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1)).await;
    for server in [by_stranger, old] {
        let error = ask(&trusting("ns1.example.net", &issuer), server).await.unwrap_err();
        assert_eq!(error.kind(), ExchangeErrorKind::UntrustedCertificate, "{error}");
        assert!(error.to_string().contains("check its dates"), "{error}");
    }
}

#[tokio::test]
async fn server_without_tls_is_distinguished_from_a_dead_one() {
    let issuer = test_ca();
    let tls = trusting("ns1.example.net", &issuer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-OpenSSH_10.0\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    assert_eq!(ask(&tls, plain).await.unwrap_err().kind(), ExchangeErrorKind::NoTls);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs_up = listener.local_addr().unwrap();
    tokio::spawn(async move { drop(listener.accept().await.unwrap()) });
    assert_eq!(ask(&tls, hangs_up).await.unwrap_err().kind(), ExchangeErrorKind::BrokenOff);

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(ask(&tls, nobody).await.unwrap_err().kind(), ExchangeErrorKind::Unreachable);
}

#[test]
fn invalid_settings_are_rejected() {
    let kind = |name: &str, pem: &str| Tls::trusting_pem(name, pem.as_bytes()).unwrap_err().kind();
    let pem = test_ca().pem();
    assert_eq!(kind("not a name", &pem), TlsSettingsErrorKind::ServerName);
    assert_eq!(kind("192.0.2.1", ""), TlsSettingsErrorKind::NoRoots);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(kind("ns1.example.net", broken), TlsSettingsErrorKind::BadRoot);
}
