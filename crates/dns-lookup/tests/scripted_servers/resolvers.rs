//! Several resolvers, and what happens when one fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use fleetcert_ambient::Ambient;
use fleetcert_dns_lookup::{
    Asker, LookupErrorKind, QueryType, Rcode, Resolver, ResolverError, Resolvers, Transport,
};
use hickory_proto::op::{Message, ResponseCode};

use crate::domain;
use crate::records::Records;
use crate::server::{nobody, reply_to, serve};

fn knowing(query: &Message) -> Message {
    Records::new("a.test TXT 1").resolved(query)
}

fn hurried() -> Asker {
    Asker::new(Ambient::system(), Duration::from_millis(600))
}

#[tokio::test]
async fn the_next_one_is_asked_and_then_kept() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let failing = serve(move |_, query| {
        count.fetch_add(1, SeqCst);
        let mut reply = reply_to(query);
        reply.metadata.response_code = ResponseCode::ServFail;
        Some(reply)
    })
    .await;
    let right = serve(|_, query| Some(knowing(query))).await;
    let list = [failing, nobody(), right].map(Resolver::plain).to_vec();
    let resolvers = Resolvers::new(list).unwrap();
    for _ in 0..3 {
        let answer = hurried().resolve(&resolvers, &domain("a.test"), QueryType::Txt).await.unwrap();
        assert_eq!(answer.texts(&domain("a.test")).len(), 1);
    }
    assert_eq!(asked.load(SeqCst), 1);
}

#[tokio::test]
async fn when_all_fail_the_error_tells_of_each() {
    let refusing = serve(|_, query| {
        let mut reply = reply_to(query);
        reply.metadata.response_code = ResponseCode::Refused;
        Some(reply)
    })
    .await;
    let silent = serve(|_, _| None).await;
    let resolvers = Resolvers::new(vec![Resolver::plain(silent), Resolver::tcp(refusing)]).unwrap();
    let error = hurried().resolve(&resolvers, &domain("a.test"), QueryType::Txt).await.unwrap_err();
    assert_eq!(error.kind(), LookupErrorKind::Failed(Rcode::Refused));
    assert_eq!(error.earlier()[0].kind(), LookupErrorKind::TimedOut);
    let expected = format!(
        "asked for a.test, tcp://{refusing} answers REFUSED; before that, {silent} tcp does not answer in time"
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_plain_resolver_is_asked_by_tcp_where_udp_does_not_do() {
    let blocked = serve(|way, query| (way == Transport::Tcp).then(|| knowing(query))).await;
    let cutting = serve(|way, query| {
        let mut reply = knowing(query);
        if way == Transport::Udp {
            reply.answers.clear();
            reply.metadata.truncation = true;
        }
        Some(reply)
    })
    .await;
    for server in [blocked, cutting] {
        let answer = hurried().resolve(&server.into(), &domain("a.test"), QueryType::Txt).await.unwrap();
        assert_eq!(answer.texts(&domain("a.test")).len(), 1);
    }
}

#[test]
fn lists_have_one_to_eight() {
    let resolver = Resolver::plain("192.0.2.1:53".parse().unwrap());
    assert!(matches!(Resolvers::new(vec![]), Err(ResolverError::Count)));
    assert!(matches!(Resolvers::new(vec![resolver.clone(); 9]), Err(ResolverError::Count)));
    let two = Resolvers::new(vec![resolver; 2]).unwrap();
    assert_eq!(two.to_string(), "udp://192.0.2.1:53, udp://192.0.2.1:53");
}

#[cfg(feature = "system-resolvers")]
#[test]
fn the_systems_resolvers_are_read_or_the_error_says_why() {
    match Resolvers::of_system() {
        Ok(resolvers) => assert!(resolvers.to_string().starts_with("udp://"), "{resolvers}"),
        Err(error) => assert!(error.to_string().starts_with("the system's resolvers cannot be read")),
    }
}
