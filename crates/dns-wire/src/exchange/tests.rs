use std::future::Future;

use fleetcert_ambient::SystemClock;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use tokio::net::{TcpListener, UdpSocket};

use super::*;
use crate::message;

const TEST_TIMEOUT: Duration = Duration::from_secs(10);

fn question(id: u16) -> Vec<u8> {
    message::encode(&message::query(id, &"xi8qz.fleet.test".parse().unwrap(), RecordType::A)).unwrap()
}

fn reply_to(request: &[u8]) -> Message {
    message::decode(request).unwrap().into_response()
}

/// A server that answers its first datagram with `replies`, in order.
async fn udp_server(replies: impl FnOnce(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2000];
        let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
        for reply in replies(&buffer[..length]) {
            socket.send_to(&reply, client).await.unwrap();
        }
        socket // stays open: a closed port would give another error
    });
    address
}

async fn tcp_server<F: Future<Output = ()> + Send>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    address
}

async fn ask(server: SocketAddr, transport: Transport) -> Result<Vec<u8>, ExchangeErrorKind> {
    exchange(server, &question(77), transport, TEST_TIMEOUT, &SystemClock).await.map_err(|error| error.kind())
}

#[tokio::test]
async fn datagrams_that_do_not_match_are_ignored() {
    let server = udp_server(|request| {
        let good = message::encode(&reply_to(request)).unwrap();
        let mut other_id = good.clone();
        other_id[0] ^= 1;
        let mut other_question = reply_to(request);
        other_question.queries[0].set_query_type(RecordType::TXT);
        let echo = request.to_vec();
        vec![Vec::new(), b"junk".to_vec(), other_id, message::encode(&other_question).unwrap(), echo, good]
    })
    .await;
    let reply = ask(server, Transport::Udp).await.unwrap();
    assert!(Asked::of(&question(77)).unwrap().is_answered_by(&reply));
}

#[tokio::test]
async fn silent_server_times_out() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = socket.local_addr().unwrap();
    let error = exchange(server, &question(1), Transport::Udp, Duration::from_millis(20), &SystemClock)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ExchangeErrorKind::TimedOut);
    assert_eq!(error.to_string(), format!("{server} udp: no answer in time"));
}

#[tokio::test]
async fn closed_port_fails_at_once() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(ask(server, Transport::Udp).await, Err(ExchangeErrorKind::Unreachable));
    assert_eq!(ask(server, Transport::Tcp).await, Err(ExchangeErrorKind::Unreachable));
}

#[tokio::test]
async fn replies_over_tcp_are_matched() {
    let good = tcp_server(async |mut stream| {
        let request = frame::read(&mut stream).await.unwrap().unwrap();
        frame::write(&mut stream, &message::encode(&reply_to(&request)).unwrap()).await.unwrap();
    })
    .await;
    assert!(ask(good, Transport::Tcp).await.is_ok());
    let foreign = tcp_server(async |mut stream| {
        let mut request = frame::read(&mut stream).await.unwrap().unwrap();
        request[1] ^= 1;
        frame::write(&mut stream, &message::encode(&reply_to(&request)).unwrap()).await.unwrap();
    })
    .await;
    assert_eq!(ask(foreign, Transport::Tcp).await, Err(ExchangeErrorKind::ForeignReply));
    let silent = tcp_server(async |mut stream| {
        frame::read(&mut stream).await.unwrap();
    })
    .await;
    assert_eq!(ask(silent, Transport::Tcp).await, Err(ExchangeErrorKind::BrokenOff));
}

#[tokio::test]
async fn invalid_message_is_not_sent() {
    let error =
        exchange("127.0.0.1:9".parse().unwrap(), b"junk", Transport::Tcp, TEST_TIMEOUT, &SystemClock).await;
    assert_eq!(error.unwrap_err().kind(), ExchangeErrorKind::InvalidInput);
}

#[tokio::test]
async fn reply_from_another_port_is_rejected_and_reported() {
    let asked = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (server, elsewhere) = (asked.local_addr().unwrap(), other.local_addr().unwrap());
    let answer = async |and_then_rightly: bool| {
        let mut buffer = [0; 2000];
        let (length, client) = asked.recv_from(&mut buffer).await.unwrap();
        other.send_to(b"junk", client).await.unwrap();
        let reply = message::encode(&reply_to(&buffer[..length])).unwrap();
        other.send_to(&reply, client).await.unwrap();
        if and_then_rightly {
            tokio::time::sleep(Duration::from_millis(20)).await;
            asked.send_to(&reply, client).await.unwrap();
        }
    };
    let (request, short) = (question(77), Duration::from_millis(200));
    let (error, ()) =
        tokio::join!(exchange(server, &request, Transport::Udp, short, &SystemClock), answer(false));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ExchangeErrorKind::ForeignSource);
    assert!(error.to_string().ends_with(&format!("or by TCP ({elsewhere})")), "{error}");
    let (reply, ()) =
        tokio::join!(exchange(server, &request, Transport::Udp, TEST_TIMEOUT, &SystemClock), answer(true));
    assert!(reply.is_ok());
}
