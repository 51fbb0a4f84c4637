//! A control server that starts, and the sentences of one that cannot.

#![cfg(feature = "control-server")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fleetcert::acme::TermsOfService;
use fleetcert::ambient::{SystemClock, SystemEntropy};
use fleetcert::dns_lookup::{QueryType, Transport, lookup};
use fleetcert::names::DomainName;
use fleetcert::testkit::{TestCa, TestCaOptions};
use fleetcert::{ControlServer, ControlServerBuilder, SetupErrorKind};
use tokio_util::sync::CancellationToken;

const FREE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn zone() -> DomainName {
    "fleet.test".parse().expect("a domain name")
}

fn builder(state: &Path) -> ControlServerBuilder {
    ControlServer::builder(zone())
        .nameserver(FREE, [Ipv4Addr::LOCALHOST.into()])
        .directory("https://127.0.0.1:1/dir", TermsOfService::Agreed)
        .state_dir(state)
        .listen(FREE)
}

async fn refusal(builder: ControlServerBuilder) -> (SetupErrorKind, String) {
    let error = builder.open().await.expect_err("it cannot start");
    assert_eq!(format!("{error:?}"), error.to_string(), "main prints the sentence");
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn server_with_its_own_name_server_answers_for_the_zone_and_ends_when_asked() {
    let home = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let (ca, service) =
        TestCa::start(TestCaOptions::new(FREE), Arc::new(SystemClock), Arc::new(SystemEntropy))
            .await
            .unwrap();
    tokio::spawn(service.serve(stop.clone()));
    let root = home.path().join("ca.pem");
    std::fs::write(&root, ca.listener_root_pem()).unwrap();

    let state = home.path().join("state");
    let directory = ca.directory_url();
    let server =
        builder(&state).directory(directory, TermsOfService::Agreed).ca_root(&root).open().await.unwrap();
    assert_eq!(server.url(), format!("https://{}", server.local_addr()));
    assert!(server.issue_token(Duration::from_secs(60)).await.is_ok());
    let name_server = server.name_server().expect("it has one");
    let run = tokio::spawn({
        let stop = stop.clone();
        server.run(async move { stop.cancelled().await })
    });
    let answer = lookup(name_server, &"ns1.fleet.test".parse().unwrap(), QueryType::A, Transport::Udp).await;
    assert!(answer.is_ok(), "{answer:?}");
    stop.cancel();
    run.await.unwrap();
    for file in ["control.db", "control.pem"] {
        assert!(state.join(file).exists(), "{file}");
    }
}

#[tokio::test]
async fn missing_settings_are_named_with_the_call_that_sets_them() {
    let home = tempfile::tempdir().unwrap();
    let bare = || ControlServer::builder(zone());
    let (kind, text) = refusal(bare()).await;
    assert_eq!(kind, SetupErrorKind::Settings);
    assert!(text.contains("rfc2136()") && text.contains("nameserver()"), "{text}");
    let (_, text) = refusal(bare().nameserver(FREE, [])).await;
    assert!(text.contains("letsencrypt_staging()"), "{text}");
    let (_, text) = refusal(bare().nameserver(FREE, []).letsencrypt_staging(TermsOfService::Agreed)).await;
    assert!(text.contains("state_dir()"), "{text}");
    let (_, text) = refusal(builder(home.path()).public_url("http://control.example.com")).await;
    assert!(text.contains("http://control.example.com") && text.contains("https://"), "{text}");
    let everywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let (_, text) = refusal(builder(home.path()).listen(everywhere)).await;
    assert!(text.contains("public_url()"), "{text}");
}

#[tokio::test]
async fn port_that_is_taken_is_named_and_costs_no_account() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind(FREE).unwrap();
    let address = taken.local_addr().unwrap();
    let (kind, text) = refusal(builder(home.path()).listen(address)).await;
    assert_eq!(kind, SetupErrorKind::Listen);
    assert!(text.contains(&address.to_string()), "{text}");
    let files: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!files.iter().any(|name| name.to_string_lossy().starts_with("account")), "{files:?}");
}

#[tokio::test]
async fn unreachable_ca_is_named_by_its_url() {
    let home = tempfile::tempdir().unwrap();
    let (kind, text) = refusal(builder(home.path())).await;
    assert_eq!(kind, SetupErrorKind::Ca);
    assert!(text.contains("https://127.0.0.1:1/dir") && text.contains("ca_root()"), "{text}");
}
