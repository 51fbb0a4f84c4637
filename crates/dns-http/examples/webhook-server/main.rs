//! A webhook that serves a backend in memory. Put your own backend, or code of your own, in its place.
//!
//! ```text
//! head -c 32 /dev/urandom | base64 > key
//! cargo run -p fleetcert-dns-http --example webhook-server -- --zone fleet.test --hmac-key-file key
//! ```

mod service;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use fleetcert_ambient::SystemClock;
use fleetcert_dns::MemoryBackend;
use fleetcert_dns_http::webhook::WebhookSecret;
use fleetcert_names::DomainName;

#[derive(Parser)]
struct Arguments {
    /// Where it listens. Put a proxy with TLS before it when that is not the machine itself.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A zone that it has, empty at first; may be given several times.
    #[arg(long, required = true)]
    zone: Vec<DomainName>,
    /// A file with the token that clients send.
    #[arg(long, conflicts_with = "hmac_key_file", required_unless_present = "hmac_key_file")]
    bearer_token_file: Option<PathBuf>,
    /// A file with the key by which clients sign.
    #[arg(long)]
    hmac_key_file: Option<PathBuf>,
}

#[tokio::main]
#[allow(clippy::print_stdout)] // a program says where it listens
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let secret = match (&arguments.bearer_token_file, &arguments.hmac_key_file) {
        (Some(file), _) => WebhookSecret::Bearer(std::fs::read_to_string(file)?.trim().into()),
        (None, Some(file)) => WebhookSecret::Hmac(std::fs::read_to_string(file)?.trim().into()),
        (None, None) => unreachable!("one of them is required"),
    };
    let backend = Arc::new(MemoryBackend::new(&arguments.zone));
    let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
    println!("listening at http://{}", listener.local_addr()?);
    axum::serve(listener, service::router(backend, secret, Arc::new(SystemClock))).await?;
    Ok(())
}
