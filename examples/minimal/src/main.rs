//! A control server: the zone on BIND, certificates from Let's Encrypt, SQLite, devices over HTTPS.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use fleetcert::acme::TermsOfService;
use fleetcert::names::DomainName;
use fleetcert::{ControlServer, until_signal};

#[derive(Parser)]
struct Flags {
    /// The fleet zone, such as fleet.example.com
    #[arg(long)]
    zone: DomainName,
    /// The server that takes RFC 2136 updates of the zone, such as 192.0.2.53:53
    #[arg(long)]
    dns_server: SocketAddr,
    /// The key that signs the updates, as tsig-keygen writes it
    #[arg(long)]
    tsig_key: PathBuf,
    /// The zone's servers, to see that a challenge has reached them; by default those in its NS records
    #[arg(long)]
    authoritative: Vec<SocketAddr>,
    /// The folder for the account, the database and the certificate of this server
    #[arg(long, default_value = "/var/lib/fleetcert")]
    state: PathBuf,
    /// The address for devices
    #[arg(long, default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    /// The URL under which devices reach it, such as `https://control.example.com:8443`
    #[arg(long)]
    url: String,
    /// The directory of the CA; Let's Encrypt's staging environment by default
    #[arg(
        long,
        default_value = "https://acme-staging-v02.api.letsencrypt.org/directory"
    )]
    directory: String,
    /// The root of the CA's web server, where it is not a public one
    #[arg(long)]
    ca_root: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    let flags = Flags::parse();
    let mut builder = ControlServer::builder(flags.zone)
        .rfc2136(flags.dns_server, flags.tsig_key)
        .authoritative_servers(flags.authoritative)
        .directory(flags.directory, TermsOfService::Agreed)
        .state_dir(flags.state)
        .listen(flags.listen)
        .public_url(flags.url);
    if let Some(root) = flags.ca_root {
        builder = builder.ca_root(root);
    }
    let server = builder.open().await?;
    let token = server.issue_token(Duration::from_secs(86_400)).await?;
    println!(
        "Today, one device can enrol with the token {}",
        token.expose()
    );
    server.run(until_signal()).await;
    Ok(())
}
