//! A server whose answers a function gives.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_dns_lookup::Transport;
use fleetcert_dns_wire::{frame, message};
use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::{Name, RData, Record};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

/// What a server makes of a query: `None` is silence.
pub(crate) type Answer = dyn Fn(Transport, &Message) -> Option<Message> + Send + Sync;

/// A server on this address, which lives as long as the test's runtime.
pub(crate) async fn serve_at(
    address: SocketAddr,
    answer: impl Fn(Transport, &Message) -> Option<Message> + Send + Sync + 'static,
) -> SocketAddr {
    let answer: Arc<Answer> = Arc::new(answer);
    let mut patience = 0..200;
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind(address).await.unwrap();
        match UdpSocket::bind(tcp.local_addr().unwrap()).await {
            Ok(udp) => break (tcp, udp),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
        }
        // A port that is free for TCP may be taken for UDP: then another one is tried. A client of another test has
        // the one that was asked for, and it has it for a moment.
        assert!(patience.next().is_some(), "{address} stays taken");
        if address.port() != 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let address = tcp.local_addr().unwrap();
    let by_tcp = answer.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            let answer = by_tcp.clone();
            tokio::spawn(async move {
                let query = frame::read(&mut stream).await.unwrap().unwrap();
                match reply(&*answer, Transport::Tcp, &query) {
                    Some(reply) => frame::write(&mut stream, &reply).await.unwrap(),
                    None => std::future::pending().await,
                }
            });
        }
    });
    tokio::spawn(async move {
        let mut buffer = [0; 65_535];
        loop {
            let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
            if let Some(reply) = reply(&*answer, Transport::Udp, &buffer[..length]) {
                udp.send_to(&reply, from).await.unwrap();
            }
        }
    });
    address
}

pub(crate) fn reply(answer: &Answer, transport: Transport, query: &[u8]) -> Option<Vec<u8>> {
    answer(transport, &message::decode(query).unwrap()).map(|reply| message::encode(&reply).unwrap())
}

pub(crate) async fn serve(
    answer: impl Fn(Transport, &Message) -> Option<Message> + Send + Sync + 'static,
) -> SocketAddr {
    serve_at("127.0.0.1:0".parse().unwrap(), answer).await
}

/// An address where nobody listens, and that no server of another test can get.
pub(crate) fn nobody() -> SocketAddr {
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    Box::leak(Box::new(held)).local_addr().unwrap()
}

pub(crate) fn reply_to(query: &Message) -> Message {
    let mut reply = Message::response(query.metadata.id, OpCode::Query);
    reply.add_queries(query.queries.clone());
    reply.metadata.authoritative = true;
    reply
}

pub(crate) fn record(owner: &Name, data: RData) -> Record {
    Record::from_rdata(owner.clone(), 300, data)
}
