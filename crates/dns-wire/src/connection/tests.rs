use fleetcert_ambient::{SeededEntropy, SystemClock, SystemEntropy};
use hickory_proto::rr::RecordType;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::{frame, message};

const TEST_TIMEOUT: Duration = Duration::from_secs(10);

async fn serve<F: Future<Output = ()> + Send + 'static>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    address
}

async fn open(server: SocketAddr, max_in_flight: usize) -> Connection {
    let opened = Connection::open(server, None, max_in_flight, TEST_TIMEOUT, &SystemClock).await;
    let (connection, driver) = opened.unwrap();
    tokio::spawn(driver);
    connection
}

fn ids() -> MessageIds {
    MessageIds::new(&SystemEntropy)
}

/// Sends a query for the name with this number, and returns the number in the answer.
async fn ask(connection: &Connection, number: usize) -> Result<usize, ExchangeErrorKind> {
    let slot = connection.slot(&ids()).await.ok_or(ExchangeErrorKind::Unreachable)?;
    let query = question(slot.id(), number);
    let reply = slot.exchange(&query, TEST_TIMEOUT, &SystemClock).await.map_err(|error| error.kind())?;
    Ok(number_in(&reply))
}

fn question(id: u16, number: usize) -> Vec<u8> {
    let name = format!("d{number}.fleet.test").parse().unwrap();
    message::encode(&message::query(id, &name, RecordType::A)).unwrap()
}

fn number_in(message: &[u8]) -> usize {
    let message = message::decode(message).unwrap();
    message.queries[0].name().to_ascii().split('.').next().unwrap()[1..].parse().unwrap()
}

fn reply_to(request: &[u8]) -> Vec<u8> {
    message::encode(&message::decode(request).unwrap().into_response()).unwrap()
}

#[tokio::test]
async fn replies_in_any_order_reach_their_callers() {
    let server = serve(async |mut stream| {
        for _ in 0..10 {
            let mut requests = Vec::new();
            for _ in 0..8 {
                requests.push(frame::read(&mut stream).await.unwrap().unwrap());
            }
            for request in requests.iter().rev() {
                frame::write(&mut stream, &reply_to(request)).await.unwrap();
            }
        }
    })
    .await;
    let connection = open(server, 8).await;
    let mut callers = JoinSet::new();
    for number in 0..80 {
        let connection = connection.clone();
        callers.spawn(async move { assert_eq!(ask(&connection, number).await, Ok(number)) });
    }
    callers.join_all().await;
}

#[tokio::test]
async fn messages_in_flight_are_limited() {
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let server = serve(async move |mut stream| {
        let mut requests = Vec::new();
        loop {
            let more = tokio::time::timeout(Duration::from_millis(30), frame::read(&mut stream)).await;
            match more {
                Ok(Ok(Some(request))) => requests.push(request),
                Ok(_) => break,
                Err(_) => {
                    seen.fetch_max(requests.len(), SeqCst);
                    for request in requests.drain(..) {
                        frame::write(&mut stream, &reply_to(&request)).await.unwrap();
                    }
                }
            }
        }
    })
    .await;
    let connection = open(server, 3).await;
    let mut callers = JoinSet::new();
    for number in 0..9 {
        let connection = connection.clone();
        callers.spawn(async move { ask(&connection, number).await.unwrap() });
    }
    callers.join_all().await;
    assert_eq!(most.load(SeqCst), 3);
}

#[tokio::test]
async fn dropped_caller_does_not_affect_others_and_its_reply_is_discarded() {
    let (go, wait) = oneshot::channel::<()>();
    let server = serve(async move |mut stream| {
        let left = frame::read(&mut stream).await.unwrap().unwrap();
        let stays = frame::read(&mut stream).await.unwrap().unwrap();
        wait.await.unwrap();
        frame::write(&mut stream, &reply_to(&left)).await.unwrap();
        frame::write(&mut stream, &reply_to(&stays)).await.unwrap();
        let next = frame::read(&mut stream).await.unwrap().unwrap();
        frame::write(&mut stream, &reply_to(&next)).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let connection = open(server, 2).await;
    let leaves = tokio::spawn({
        let connection = connection.clone();
        async move { ask(&connection, 1).await }
    });
    while connection.state.in_flight.room().available_permits() > 1 {
        tokio::task::yield_now().await;
    }
    let stays = tokio::spawn({
        let connection = connection.clone();
        async move { ask(&connection, 2).await }
    });
    while connection.state.in_flight.room().available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    assert_eq!(connection.state.in_flight.room().available_permits(), 0, "the slot belongs to the reply");
    go.send(()).unwrap();
    assert_eq!(stays.await.unwrap(), Ok(2));
    assert_eq!(ask(&connection, 3).await, Ok(3));
}

#[tokio::test]
async fn unused_slot_is_freed() {
    let server = serve(async |mut stream| {
        let request = frame::read(&mut stream).await.unwrap().unwrap();
        frame::write(&mut stream, &reply_to(&request)).await.unwrap();
    })
    .await;
    let connection = open(server, 1).await;
    drop(connection.slot(&ids()).await.unwrap());
    assert_eq!(ask(&connection, 1).await, Ok(1));
}

#[tokio::test]
async fn ids_in_flight_are_not_reused() {
    let server = serve(async |stream| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let connection = open(server, 2).await;
    let first = connection.slot(&MessageIds::new(&SeededEntropy::new(1))).await.unwrap();
    // The same order, so the same id comes first, but is in use.
    let second = connection.slot(&MessageIds::new(&SeededEntropy::new(1))).await.unwrap();
    assert_ne!(first.id(), second.id());
}

#[tokio::test]
async fn reply_without_a_request_ends_the_connection() {
    type Forgery = fn(&[u8]) -> Vec<u8>;
    let lies: [(&str, Forgery); 4] = [
        ("different id", |request| {
            let mut reply = reply_to(request);
            reply[0] ^= 1;
            reply
        }),
        ("different question", |request| {
            let id = u16::from_be_bytes([request[0], request[1]]);
            reply_to(&question(id, 1000))
        }),
        ("the request itself", <[u8]>::to_vec),
        ("one octet", |_| vec![0]),
    ];
    for (what, lie) in lies {
        let server = serve(async move |mut stream| {
            let first = frame::read(&mut stream).await.unwrap().unwrap();
            frame::read(&mut stream).await.unwrap().unwrap();
            frame::write(&mut stream, &lie(&first)).await.unwrap();
            std::future::pending::<()>().await;
        })
        .await;
        let connection = open(server, 8).await;
        let both = tokio::join!(ask(&connection, 1), ask(&connection, 2));
        let foreign = Err(ExchangeErrorKind::ForeignReply);
        assert_eq!(both, (foreign, foreign), "{what}");
        assert!(!connection.is_open());
        assert!(connection.slot(&ids()).await.is_none());
    }
}

#[tokio::test]
async fn reply_before_its_request_is_foreign() {
    let server = serve(async |mut stream| {
        for id in 0..=u16::MAX {
            if frame::write(&mut stream, &reply_to(&question(id, 1))).await.is_err() {
                return;
            }
        }
    })
    .await;
    let connection = open(server, 8).await;
    assert!(ask(&connection, 1).await.is_err());
}

#[tokio::test]
async fn closed_connection_fails_all_callers() {
    let server = serve(async |mut stream| {
        let first = frame::read(&mut stream).await.unwrap().unwrap();
        frame::read(&mut stream).await.unwrap().unwrap();
        frame::write(&mut stream, &reply_to(&first)).await.unwrap();
        // Half a reply.
        tokio::io::AsyncWriteExt::write_all(&mut stream, &[0, 100, 1, 2, 3]).await.unwrap();
    })
    .await;
    let connection = open(server, 8).await;
    let both = tokio::join!(ask(&connection, 1), ask(&connection, 2));
    assert_eq!(both, (Ok(1), Err(ExchangeErrorKind::BrokenOff)));
    assert!(!connection.is_open());
}

#[tokio::test]
async fn after_a_timeout_no_more_is_sent_but_others_are_answered() {
    let (go, wait) = oneshot::channel::<()>();
    let server = serve(async move |mut stream| {
        frame::read(&mut stream).await.unwrap().unwrap();
        let second = frame::read(&mut stream).await.unwrap().unwrap();
        wait.await.unwrap();
        frame::write(&mut stream, &reply_to(&second)).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let connection = open(server, 8).await;
    let slot = connection.slot(&ids()).await.unwrap();
    let impatient = async {
        let query = question(slot.id(), 1);
        let error = slot.exchange(&query, Duration::from_millis(30), &SystemClock).await.unwrap_err();
        assert_eq!(error.kind(), ExchangeErrorKind::TimedOut);
        assert!(!connection.is_open());
        go.send(()).unwrap();
    };
    let ((), patient) = tokio::join!(impatient, ask(&connection, 2));
    assert_eq!(patient, Ok(2));
    assert!(connection.slot(&ids()).await.is_none());
}

#[tokio::test]
async fn socket_is_closed_after_the_last_handle_and_caller() {
    let (closed, is_closed) = oneshot::channel();
    let server = serve(async |mut stream| {
        let request = frame::read(&mut stream).await.unwrap().unwrap();
        frame::write(&mut stream, &reply_to(&request)).await.unwrap();
        assert!(frame::read(&mut stream).await.unwrap().is_none());
        closed.send(()).unwrap();
    })
    .await;
    let connection = open(server, 8).await;
    let slot = connection.slot(&ids()).await.unwrap();
    drop(connection);
    let query = question(slot.id(), 1);
    slot.exchange(&query, TEST_TIMEOUT, &SystemClock).await.unwrap();
    is_closed.await.unwrap();
}

#[tokio::test]
async fn dropped_driver_fails_its_callers() {
    let server = serve(async |stream| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let opened = Connection::open(server, None, 8, TEST_TIMEOUT, &SystemClock).await;
    let (connection, driver) = opened.unwrap();
    let driver = tokio::spawn(driver);
    let end = async {
        while connection.state.in_flight.room().available_permits() == 8 {
            tokio::task::yield_now().await;
        }
        driver.abort();
    };
    let (told, ()) = tokio::join!(ask(&connection, 1), end);
    assert_eq!(told, Err(ExchangeErrorKind::BrokenOff));
}

#[tokio::test]
async fn message_with_another_id_than_its_slot_is_not_sent() {
    let server = serve(async |mut stream| {
        assert!(frame::read(&mut stream).await.unwrap().is_none());
    })
    .await;
    let connection = open(server, 1).await;
    for wrong in [Vec::new(), b"junk".to_vec(), vec![0; 70_000]] {
        let slot = connection.slot(&ids()).await.unwrap();
        let error = slot.exchange(&wrong, TEST_TIMEOUT, &SystemClock).await.unwrap_err();
        assert_eq!(error.kind(), ExchangeErrorKind::InvalidInput);
    }
    let slot = connection.slot(&ids()).await.unwrap();
    let other_id = question(slot.id() ^ 1, 1);
    let error = slot.exchange(&other_id, TEST_TIMEOUT, &SystemClock).await.unwrap_err();
    assert_eq!(error.kind(), ExchangeErrorKind::InvalidInput);
}

#[tokio::test]
async fn connection_with_many_dropped_callers_accepts_no_more() {
    // The server answers only queries for names above a hundred.
    let server = serve(async |mut stream| {
        while let Ok(Some(request)) = frame::read(&mut stream).await {
            if number_in(&request) > 100 {
                frame::write(&mut stream, &reply_to(&request)).await.unwrap();
            }
        }
    })
    .await;
    let connection = open(server, 64).await;
    let give_up = async |number| {
        let slot = connection.slot(&ids()).await.unwrap();
        let query = question(slot.id(), number);
        let asked = slot.exchange(&query, TEST_TIMEOUT, &SystemClock);
        tokio::select! {
            biased;
            _ = asked => panic!("this query has no answer"),
            () = tokio::task::yield_now() => {}
        }
    };
    for number in 0..15 {
        give_up(number).await;
    }
    assert_eq!(ask(&connection, 101).await, Ok(101));
    for number in 15..30 {
        give_up(number).await;
    }
    assert!(connection.is_open(), "a reply arrived in between");
    give_up(30).await;
    assert!(!connection.is_open());
}
