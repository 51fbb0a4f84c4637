//! Resolvers over HTTPS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use fleetcert_ambient::Ambient;
use fleetcert_dns_lookup::{
    Asker, LookupErrorKind, QueryType, Rcode, Resolver, ResolverError, Resolvers, Transport,
};
use fleetcert_https::{Certificates, ClientBuilder, Limits, Server};
use hickory_proto::op::{Message, ResponseCode};

use crate::domain;
use crate::records::Records;
use crate::server::{Answer, nobody, reply};

/// A server with a certificate for `dns.test`, and the root that it is from.
async fn serve(router: axum::Router) -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["dns.test".to_owned()]).unwrap();
    let certificates = Certificates::empty();
    certificates
        .replace_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes())
        .unwrap();
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), certificates).await.unwrap();
    let address = server.local_addr();
    tokio::spawn(server.serve(router, Limits::default(), Default::default()));
    (address, made.cert.pem())
}

/// A resolver at `/dns-query` that answers by this function.
fn answering(answer: impl Fn(&Message) -> Message + Send + Sync + 'static) -> axum::Router {
    let answer: Arc<Answer> = Arc::new(move |_, query: &Message| Some(answer(query)));
    let handler = async move |headers: HeaderMap, body: Bytes| {
        assert_eq!(headers["content-type"], "application/dns-message");
        assert_eq!(headers["accept"], "application/dns-message");
        let body = reply(&*answer, Transport::Tcp, &body).unwrap();
        ([("content-type", "application/dns-message")], body)
    };
    axum::Router::new().route("/dns-query", post(handler))
}

fn knowing(query: &Message) -> Message {
    Records::new("a.test TXT 1").resolved(query)
}

/// The resolver at this address, by the name `host` and with the root of this PEM text.
fn resolver(host: &str, address: SocketAddr, root: &str) -> Resolver {
    let client = ClientBuilder::new("test").only_roots_pem(root.as_bytes()).unwrap().into_reqwest();
    let client = client.resolve(host, address).build().unwrap();
    Resolver::https(&format!("https://{host}:{}/dns-query", address.port()), client).unwrap()
}

async fn ask(resolvers: impl Into<Resolvers>) -> Result<usize, LookupErrorKind> {
    let asker = Asker::new(Ambient::system(), Duration::from_secs(2));
    let name = domain("a.test");
    let answer = asker.resolve(&resolvers.into(), &name, QueryType::Txt).await;
    answer.map(|answer| answer.texts(&name).len()).map_err(|error| error.kind())
}

#[tokio::test]
async fn questions_go_by_post() {
    let (address, root) = serve(answering(knowing)).await;
    assert_eq!(ask(resolver("dns.test", address, &root)).await, Ok(1));
}

#[tokio::test]
async fn whom_we_do_not_trust_is_not_asked() {
    let (address, root) = serve(answering(knowing)).await;
    // A name that the certificate is not for.
    assert_eq!(ask(resolver("other.test", address, &root)).await, Err(LookupErrorKind::ForeignCertificate));
    // A root that the certificate is not from.
    let (_, other_root) = serve(answering(knowing)).await;
    assert_eq!(
        ask(resolver("dns.test", address, &other_root)).await,
        Err(LookupErrorKind::UntrustedCertificate)
    );
    assert_eq!(ask(resolver("dns.test", nobody(), &root)).await, Err(LookupErrorKind::Unreachable));
}

#[tokio::test]
async fn answers_that_are_none() {
    let routed = |route| axum::Router::new().route("/dns-query", route);
    let with_type = |kind: &'static str, body: Vec<u8>| {
        routed(post(async move || ([("content-type", kind)], body).into_response()))
    };
    let foreign = |query: &Message| {
        let mut reply = knowing(query);
        reply.metadata.id ^= 1;
        reply
    };
    let other_question = |query: &Message| {
        let mut reply = knowing(query);
        reply.queries[0].set_name("b.test.".parse().unwrap());
        reply
    };
    let failing = |query: &Message| {
        let mut reply = knowing(query);
        reply.metadata.response_code = ResponseCode::ServFail;
        reply
    };
    let cases = [
        (routed(post(async || StatusCode::NOT_FOUND.into_response())), LookupErrorKind::HttpStatus(404)),
        (
            routed(post(async || (StatusCode::FOUND, [("location", "https://dns.test/")]).into_response())),
            LookupErrorKind::HttpStatus(302),
        ),
        (with_type("text/html", b"<html>".into()), LookupErrorKind::BadAnswer),
        (with_type("application/dns-message", b"<html>".into()), LookupErrorKind::BadAnswer),
        (with_type("application/dns-message", vec![0; 70_000]), LookupErrorKind::BadAnswer),
        (answering(foreign), LookupErrorKind::BadAnswer),
        (answering(other_question), LookupErrorKind::BadAnswer),
        (answering(failing), LookupErrorKind::Failed(Rcode::ServFail)),
        (
            routed(post(async || {
                tokio::time::sleep(Duration::from_secs(60)).await;
                StatusCode::OK.into_response()
            })),
            LookupErrorKind::TimedOut,
        ),
    ];
    for (index, (router, kind)) in cases.into_iter().enumerate() {
        let (address, root) = serve(router).await;
        assert_eq!(ask(resolver("dns.test", address, &root)).await, Err(kind), "case {index}");
    }
}

#[tokio::test]
async fn one_that_fails_over_https_gives_way_to_a_plain_one() {
    let plain = crate::server::serve(|_, query| Some(knowing(query))).await;
    let (address, root) = serve(axum::Router::new()).await;
    let both = Resolvers::new(vec![resolver("dns.test", address, &root), Resolver::plain(plain)]).unwrap();
    assert_eq!(ask(both).await, Ok(1));
}

#[test]
fn urls_that_are_none_of_a_resolver() {
    for url in ["http://dns.test/dns-query", "dns.test", "https://", "udp://192.0.2.1", ""] {
        let refused = Resolver::https(url, reqwest::Client::new());
        assert!(matches!(refused, Err(ResolverError::Url)), "{url}");
    }
    // What may be a secret is not shown.
    let secret =
        Resolver::https("https://me:secret@dns.test:8443/q?token=secret", reqwest::Client::new()).unwrap();
    assert_eq!(secret.to_string(), "https://dns.test:8443/q");
}
