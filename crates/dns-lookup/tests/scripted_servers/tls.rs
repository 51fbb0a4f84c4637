//! Resolvers over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use fleetcert_dns_lookup::{LookupErrorKind, QueryType, Resolver, Resolvers, Tls, Transport};
use fleetcert_dns_wire::frame;
use hickory_proto::op::Message;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

use crate::records::Records;
use crate::server::{Answer, nobody, reply};
use crate::{asker, domain};

/// A server with a certificate for `dns.test`, and the root that it is from.
async fn serve(answer: impl Fn(&Message) -> Message + Send + Sync + 'static) -> (SocketAddr, String) {
    let answer: Arc<Answer> = Arc::new(move |_, query: &Message| Some(answer(query)));
    let made = rcgen::generate_simple_self_signed(["dns.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust us breaks the handshake off.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let query = frame::read(&mut stream).await.unwrap().unwrap();
            let reply = reply(&*answer, Transport::Tcp, &query).unwrap();
            frame::write(&mut stream, &reply).await.unwrap();
        }
    });
    (address, made.cert.pem())
}

fn knowing(query: &Message) -> Message {
    Records::new("a.test TXT 1").resolved(query)
}

async fn ask(server: SocketAddr, name: &str, root: &str) -> Result<usize, LookupErrorKind> {
    let resolver = Resolver::tls(server, Tls::trusting_pem(name, root.as_bytes()).unwrap());
    let name = domain("a.test");
    let answer = asker().resolve(&resolver.into(), &name, QueryType::Txt).await;
    answer.map(|answer| answer.texts(&name).len()).map_err(|error| error.kind())
}

#[tokio::test]
async fn a_server_that_proves_its_name_is_asked() {
    let (server, root) = serve(knowing).await;
    assert_eq!(ask(server, "dns.test", &root).await, Ok(1));
}

#[tokio::test]
async fn a_server_that_does_not_is_not() {
    let (server, root) = serve(knowing).await;
    assert_eq!(ask(server, "other.test", &root).await, Err(LookupErrorKind::ForeignCertificate));
    let (_, other_root) = serve(knowing).await;
    assert_eq!(ask(server, "dns.test", &other_root).await, Err(LookupErrorKind::UntrustedCertificate));
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let without_tls = plain.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        frame::write(&mut stream, b"What do you want?").await.unwrap();
        std::future::pending::<()>().await;
    });
    assert_eq!(ask(without_tls, "dns.test", &root).await, Err(LookupErrorKind::NoTls));
    assert_eq!(ask(nobody(), "dns.test", &root).await, Err(LookupErrorKind::Unreachable));
}

#[tokio::test]
async fn the_answer_to_another_question_is_none() {
    let (server, root) = serve(|query| {
        let mut reply = knowing(query);
        reply.metadata.id ^= 1;
        reply
    })
    .await;
    assert_eq!(ask(server, "dns.test", &root).await, Err(LookupErrorKind::BadAnswer));
}

#[tokio::test]
async fn one_that_fails_over_tls_gives_way_to_another() {
    let (server, root) = serve(knowing).await;
    let named = |name| Resolver::tls(server, Tls::trusting_pem(name, root.as_bytes()).unwrap());
    let both = Resolvers::new(vec![named("other.test"), named("dns.test")]).unwrap();
    assert!(asker().resolve(&both, &domain("a.test"), QueryType::Txt).await.is_ok());
    let one = Resolvers::from(named("other.test"));
    let error = asker().resolve(&one, &domain("a.test"), QueryType::Txt).await.unwrap_err();
    let expected = format!("asked for a.test, {server} tls as other.test has a certificate for another name");
    assert_eq!(error.to_string(), expected);
}
