//! A proxy in front of the server that closes connections as it likes: what the store makes of that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fleetcert_store::{Expect, Store};
use fleetcert_store_postgres::{PostgresOptions, PostgresStore};
use fleetcert_tests::postgres::Postgres;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::{THINGS, TIMEOUT, patient, put};

/// Two readers share one place for a connection. The reader that loses the kept one waits for the place, and finds the
/// other's new one, of which the proxy has had enough too.
#[tokio::test]
async fn a_reader_needs_one_new_connection_however_many_are_closed() {
    let server = Postgres::start().unwrap();
    let proxy = Proxy::start(server.address()).await;
    let options = patient(PostgresOptions::from_url(&server.url_at(&proxy.address.to_string())).unwrap());
    let store = PostgresStore::connect(options.with_max_connections(1)).await.unwrap();
    store.commit(put("a", Expect::Absent, "1")).await.unwrap();
    proxy.closes_used.store(true, Ordering::Relaxed);
    let (opened, begun) = (proxy.opened.load(Ordering::Relaxed), AtomicUsize::new(0));
    let read = async || {
        begun.fetch_add(1, Ordering::Relaxed);
        assert_eq!(store.read(THINGS, "a").await.unwrap().unwrap().value, b"1");
    };
    let (one, other) = (
        async {
            for _ in 0..5 {
                read().await;
            }
        },
        async {
            loop {
                read().await;
            }
        },
    );
    let one = timeout(TIMEOUT, one);
    tokio::select! {
        biased;
        ended = one => assert!(ended.is_ok(), "a reader is asked again and again"),
        () = other => {}
    }
    let (opened, begun) = (proxy.opened.load(Ordering::Relaxed) - opened, begun.into_inner());
    assert!(opened <= begun, "{opened} connections for {begun} reads");
}

struct Proxy {
    address: SocketAddr,
    /// How many connections were made through it.
    opened: Arc<AtomicUsize>,
    /// Whether it closes a connection on which a statement was made when the next one comes.
    closes_used: Arc<AtomicBool>,
}

impl Proxy {
    async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (opened, closes_used) = (Arc::default(), Arc::default());
        let proxy = Self { address, opened: Arc::clone(&opened), closes_used: Arc::clone(&closes_used) };
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                opened.fetch_add(1, Ordering::Relaxed);
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = TcpStream::connect(server).await.unwrap().into_split();
                let closes_used = Arc::clone(&closes_used);
                tokio::spawn(async move {
                    // Whichever ends first closes both ways.
                    tokio::select! {
                        _ = copy(&mut from_server, &mut to_client) => {}
                        _ = forward(from_client, to_server, &closes_used) => {}
                    }
                });
            }
        });
        proxy
    }
}

/// Passes on the client's messages: a start-up message without a type, then such with one (PostgreSQL's documentation,
/// chapter 55.7).
async fn forward(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    closes_used: &AtomicBool,
) -> std::io::Result<()> {
    pass_on(&mut client, &mut server, &[]).await?;
    let mut executed = false;
    let mut used = false;
    loop {
        let kind = client.read_u8().await?;
        if used && closes_used.load(Ordering::Relaxed) {
            return Ok(());
        }
        executed |= kind == b'E';
        used |= executed && kind == b'S';
        pass_on(&mut client, &mut server, &[kind]).await?;
    }
}

async fn pass_on(
    client: &mut OwnedReadHalf,
    server: &mut OwnedWriteHalf,
    kind: &[u8],
) -> std::io::Result<()> {
    let length = client.read_u32().await?;
    let mut content = vec![0; (length - 4) as usize];
    client.read_exact(&mut content).await?;
    server.write_all(&[kind, &length.to_be_bytes(), &content].concat()).await
}
