//! Servers that answer overload with SERVFAIL.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use fleetcert_ambient::Ambient;
use fleetcert_dns::BackendErrorKind;
use fleetcert_dns_rfc2136::{Refusal, Rfc2136Backend, Rfc2136Options};
use fleetcert_dns_wire::frame;
use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;
use tokio::net::TcpListener;

use crate::script::{backend_of, key, refusal, response, serve, serve_seen, signed, success, update};

const TEST_TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn update_is_repeated_after_servfail() {
    let count = AtomicUsize::new(0);
    let answer = move |request: &[u8]| {
        if count.fetch_add(1, SeqCst) < 3 {
            return vec![signed(request, &response(request, ResponseCode::ServFail, |_| {}))];
        }
        vec![success(request)]
    };
    let (server, seen) = serve_seen(Arc::new(answer)).await;
    update(&backend_of(&[server], TEST_TIMEOUT)).await.unwrap();
    assert_eq!(seen.requests(), 4);
}

#[tokio::test]
async fn call_ends_at_its_deadline() {
    let answer = |request: &[u8]| vec![signed(request, &response(request, ResponseCode::ServFail, |_| {}))];
    let server = serve(Arc::new(answer)).await;
    let error = update(&backend_of(&[server], Duration::from_millis(200))).await.unwrap_err();
    assert_eq!((refusal(&error), error.kind()), (Some(Refusal::ServFail), BackendErrorKind::Unavailable));
    assert!((2..20).contains(&error.attempt()), "{error}");
}

/// The second call gets its slot when the first one has timed out.
#[tokio::test]
async fn wait_for_a_slot_counts_towards_the_deadline() {
    let server = serve(Arc::new(|_: &[u8]| vec![])).await;
    let options = Rfc2136Options {
        max_in_flight: 1,
        exchange_within: Duration::from_millis(1400),
        call_within: Duration::from_millis(1500),
        ..Rfc2136Options::new(server, key())
    };
    let backend = Rfc2136Backend::new(options, Ambient::system());
    let both = async { tokio::join!(update(&backend), update(&backend)) };
    tokio::select! {
        biased;
        (first, second) = both => assert!(first.is_err() && second.is_err()),
        // Half of the time that a second exchange would take beyond the call's deadline.
        () = tokio::time::sleep(Duration::from_millis(2200)) => panic!("a call continues after its deadline"),
    }
}

/// The server handles three updates within two milliseconds.
#[tokio::test]
async fn burst_is_reduced_to_the_capacity_of_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let (made, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = (made.clone(), refused.clone());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Ok(Some(first)) = frame::read(&mut stream).await {
            let mut burst = vec![first];
            tokio::time::sleep(Duration::from_millis(2)).await;
            while let Ok(more) =
                tokio::time::timeout(Duration::from_micros(500), frame::read_length(&mut stream)).await
            {
                let Ok(Some(length)) = more else { return };
                burst.push(frame::read_body(&mut stream, length).await.unwrap());
            }
            for (number, request) in burst.iter().enumerate() {
                let (count, code) = if number < 3 {
                    (&counted.0, ResponseCode::NoError)
                } else {
                    (&counted.1, ResponseCode::ServFail)
                };
                count.fetch_add(1, SeqCst);
                frame::write(&mut stream, &signed(request, &response(request, code, |_| {}))).await.unwrap();
            }
        }
    });
    let backend = backend_of(&[server], TEST_TIMEOUT);
    for update in join_all((0..200).map(|_| update(&backend))).await {
        update.unwrap();
    }
    assert_eq!(made.load(SeqCst), 200);
    // Without the window, each of the 200 waiting calls would be refused many times.
    assert!(refused.load(SeqCst) < 150, "{} refused", refused.load(SeqCst));
}

#[tokio::test]
async fn lost_connections_do_not_grow_the_window() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let burst = Arc::new(AtomicUsize::new(0));
    let counted = burst.clone();
    tokio::spawn(async move {
        for _ in 0..100 {
            let (mut stream, _) = listener.accept().await.unwrap();
            frame::read(&mut stream).await.unwrap();
        }
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut waiting = Vec::new();
        // Until the client waits for the server.
        let quiet = Duration::from_millis(200);
        while let Ok(more) = tokio::time::timeout(quiet, frame::read(&mut stream)).await {
            waiting.push(more.unwrap().unwrap());
        }
        counted.store(waiting.len(), SeqCst);
        for request in &waiting {
            frame::write(&mut stream, &success(request)).await.unwrap();
        }
        while let Ok(Some(request)) = frame::read(&mut stream).await {
            frame::write(&mut stream, &success(&request)).await.unwrap();
        }
    });
    let backend = backend_of(&[server], TEST_TIMEOUT);
    for update in join_all((0..200).map(|_| update(&backend))).await {
        update.unwrap();
    }
    let burst = burst.load(SeqCst);
    assert!((1..=16).contains(&burst), "{burst} at a time");
}
