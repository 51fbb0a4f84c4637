//! One connection for many calls: lost, reopened, and shared with dropped callers.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use fleetcert_dns::{BackendErrorKind, Change, Ttl};
use fleetcert_dns_rfc2136::{Prerequisite, Rfc2136Backend};
use futures_util::future::join_all;
use tokio::net::TcpListener;

use crate::script::{Answer, Seen, backend_of, serve_seen, serve_tcp, success, update};

const TEST_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn many_calls_share_one_connection() {
    let (server, seen) = serve_seen(Arc::new(|request: &[u8]| vec![success(request)])).await;
    let backend = backend_of(&[server], TEST_TIMEOUT);
    for made in join_all((0..200).map(|_| update(&backend))).await {
        made.unwrap();
    }
    for _ in 0..20 {
        update(&backend).await.unwrap();
    }
    assert_eq!((seen.connections(), seen.requests()), (1, 220));
}

#[tokio::test]
async fn closed_connections_lose_no_update() {
    let count = AtomicUsize::new(0);
    // Every fifth request is not answered, and the connection is closed on all later ones.
    let answer = move |request: &[u8]| {
        let fifth = count.fetch_add(1, SeqCst) % 5 == 4;
        vec![if fifth { vec![] } else { success(request) }]
    };
    let (server, seen) = serve_seen(Arc::new(answer)).await;
    let backend = backend_of(&[server], TEST_TIMEOUT);
    for made in join_all((0..40).map(|_| update(&backend))).await {
        made.unwrap();
    }
    assert!(seen.connections() >= 5, "{}", seen.connections());
}

#[tokio::test]
async fn call_survives_a_restart_of_the_server() {
    let answer: Arc<Answer> = Arc::new(|request: &[u8]| vec![success(request)]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let before = tokio::spawn(serve_tcp(listener, answer.clone(), Seen::default()));
    let backend = Arc::new(backend_of(&[address], TEST_TIMEOUT));
    update(&backend).await.unwrap();

    before.abort();
    assert!(before.await.unwrap_err().is_cancelled());
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move { update(&backend).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(150)).await;
    let seen = Seen::default();
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(serve_tcp(listener, answer, seen.clone()));
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(seen.connections(), 1);
}

#[tokio::test]
async fn dropped_call_leaves_the_connection_to_others() {
    let (server, seen) = serve_seen(Arc::new(|request: &[u8]| vec![success(request)])).await;
    let backend = backend_of(&[server], TEST_TIMEOUT);
    // Polled until the message is sent, and dropped before its reply is read.
    let mut leaving = Box::pin(update(&backend));
    while seen.requests() == 0 {
        std::future::poll_fn(|context| {
            assert!(leaving.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
    }
    drop(leaving);
    for made in join_all((0..10).map(|_| update(&backend))).await {
        made.unwrap();
    }
    assert_eq!((seen.connections(), seen.requests()), (1, 11));
}

#[tokio::test]
async fn update_with_prerequisites_and_unknown_fate_is_not_repeated() {
    let (server, seen) = serve_seen(Arc::new(|_: &[u8]| vec![vec![]])).await;
    let backend = backend_of(&[server, server], TEST_TIMEOUT);
    let name: fleetcert_names::DomainName = "a.fleet.test".parse().unwrap();
    let zone = "fleet.test".parse().unwrap();
    let change = Change::AddTxt { name: name.clone(), value: "1".parse().unwrap(), ttl: Ttl::CHALLENGE };
    let error = backend.apply_if(&zone, &[Prerequisite::NameNotInUse { name }], &[change]).await.unwrap_err();
    assert_eq!((error.kind(), error.attempt()), (BackendErrorKind::Unavailable, 1));
    assert_eq!(seen.requests(), 1);
}

/// A program may make a runtime for each call.
#[test]
fn backend_outlives_its_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let servers = runtime();
    let (server, seen) = servers.block_on(serve_seen(Arc::new(|request: &[u8]| vec![success(request)])));
    let (end, is_over) = tokio::sync::oneshot::channel::<()>();
    let ended = std::thread::spawn(move || servers.block_on(is_over));
    let backend: Rfc2136Backend = backend_of(&[server], TEST_TIMEOUT);
    for _ in 0..2 {
        runtime().block_on(update(&backend)).unwrap();
    }
    assert_eq!(seen.connections(), 2);
    end.send(()).unwrap();
    ended.join().unwrap().unwrap();
}
