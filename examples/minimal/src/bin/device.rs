//! A device: enrols with a token, publishes its address, and keeps a certificate in files.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Parser;
use fleetcert::agent::{Agent, AgentOptions, EnrolmentToken, FileInstaller};
use fleetcert::ambient::Ambient;
use fleetcert::https::ClientBuilder;
use fleetcert::until_signal;

#[derive(Parser)]
struct Flags {
    /// The URL of the control server
    #[arg(long)]
    server: String,
    /// The file control.pem from the state folder of the control server
    #[arg(long)]
    trust: PathBuf,
    /// The token, for the first start
    #[arg(long)]
    token: Option<String>,
    /// The address that the name of this device gets; may be repeated
    #[arg(long)]
    address: Vec<IpAddr>,
    /// The folder for the identity of this device
    #[arg(long, default_value = "/var/lib/device")]
    state: PathBuf,
    /// The folder in which current/fullchain.pem and current/privkey.pem appear
    #[arg(long, default_value = "/etc/device/tls")]
    tls: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    let flags = Flags::parse();
    let root = std::fs::read(&flags.trust)?;
    let http = ClientBuilder::new("minimal-device/1")
        .only_roots_pem(&root)?
        .build()?;
    let options = AgentOptions::new(flags.server, http);
    let mut agent = Agent::open(&flags.state, options, Ambient::system())?;
    if let (None, Some(token)) = (agent.enrolled(), flags.token) {
        let enrolled = agent.enrol(token.parse::<EnrolmentToken>()?).await?;
        println!("This device is {}", enrolled.name);
    }
    agent
        .run(
            &flags.address,
            &FileInstaller::new(flags.tls),
            until_signal(),
        )
        .await?;
    Ok(())
}
