//! The flags, and what a new user sees.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use clap::Parser;
use fleetcert_ambient::Ambient;
use fleetcert_dns::RecordType;
use fleetcert_dns_lookup::diagnose::Status;
use fleetcert_dns_wire::TsigKey;
use fleetcert_nameserver::{NameServer, NameServerHost, Options, UpdateGrant, ZoneSettings};
use tokio_util::sync::CancellationToken;

use crate::flags::Flags;
use crate::resolver;

const KEY: &str = r#"key "ddns" { algorithm hmac-sha256; secret "c2VjcmV0IG9mIHRoZSBkb2NzIQ=="; };"#;

fn flags(text: &str) -> Result<Flags, clap::Error> {
    Flags::try_parse_from(["diagnose"].into_iter().chain(text.split_whitespace()))
}

/// What is said against these flags.
fn complaint(text: &str) -> String {
    match flags(text) {
        Err(error) => error.to_string(),
        Ok(flags) => flags.diagnose().err().unwrap_or_else(|| panic!("nothing is said against {text}")),
    }
}

async fn serve() -> SocketAddr {
    let host = NameServerHost {
        name: "ns1.fleet.test".parse().unwrap(),
        addresses: ["127.0.0.1".parse().unwrap()].into(),
    };
    let zone = ZoneSettings::new("fleet.test".parse().unwrap(), [host]);
    let types = [RecordType::A, RecordType::Aaaa, RecordType::Txt].into();
    let grant =
        UpdateGrant { key: TsigKey::parse(KEY).unwrap(), subtree: "fleet.test".parse().unwrap(), types };
    let options = Options { grants: vec![grant], ..Options::default() };
    let server = NameServer::new([zone], options, Ambient::system()).unwrap();
    let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(listener.serve(CancellationToken::new()));
    address
}

#[tokio::test]
async fn a_zone_is_diagnosed_with_key_and_server() {
    let server = serve().await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("ddns.key");
    fs::write(&key, KEY).unwrap();
    let text = format!("--zone fleet.test --server {server} --tsig-key-file {}", key.display());
    let diagnosis = flags(&text).unwrap().diagnose().unwrap().run().await;
    assert!(diagnosis.status() < Status::Problem, "{diagnosis}");
    let table = diagnosis.to_string();
    assert!(table.contains("a value was added, seen everywhere, and removed"), "{table}");
}

#[test]
fn wrong_flags_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("ddns.key");
    fs::write(&key, "nothing").unwrap();
    let key = key.display().to_string();
    let many = "--resolver udp://192.0.2.1 ".repeat(9);
    for (text, expected) in [
        ("--server 192.0.2.1", "--zone <NAME>"),
        ("--zone fleet..test --server 192.0.2.1", "--zone"),
        ("--zone fleet.test --server ns1.fleet.test", "give an IP address"),
        ("--zone fleet.test --server 192.0.2.1 --resolver udp://192.0.2.1", "cannot be used with"),
        ("--zone fleet.test --resolver 192.0.2.1", "begin with udp://"),
        ("--zone fleet.test --resolver udp://ns1.fleet.test", "give an IP address"),
        ("--zone fleet.test --resolver tls://192.0.2.1#ns --roots /nowhere/roots.pem", "--roots"),
        (&format!("--zone fleet.test {many}"), "give --resolver less often"),
        ("--zone fleet.test --server 192.0.2.1 --tsig-key-file /nowhere/key", "cannot be read"),
        (&format!("--zone fleet.test --server 192.0.2.1 --tsig-key-file {key}"), "tsig-keygen"),
        (&format!("--zone fleet.test --resolver udp://192.0.2.1 --tsig-key-file {key}"), "--tsig-server IP"),
        (
            &format!("--zone fleet.test --server 192.0.2.1 --tsig-key-file {key} --probe-name a.other.test"),
            "not in the zone fleet.test",
        ),
        (
            "--zone fleet.test --server 192.0.2.1 --probe-name a.fleet.test",
            "give --tsig-key-file or --powerdns-url",
        ),
        ("--zone fleet.test --server 192.0.2.1 --powerdns-url http://127.0.0.1:8081", "--powerdns-key-file"),
        (
            "--zone fleet.test --server 192.0.2.1 --powerdns-url http://192.0.2.1:8081 --powerdns-key-file /nowhere/key",
            "over http the network can read the token",
        ),
        (
            "--zone fleet.test --server 192.0.2.1 --powerdns-url https://pdns.test --powerdns-key-file /nowhere/key",
            "cannot be read",
        ),
        ("--zone fleet.test --server 192.0.2.1 --account-uri https://ca.test/1", "--ca"),
    ] {
        let complaint = complaint(text);
        assert!(complaint.contains(expected), "{text}: {complaint}");
        assert!(!complaint.contains("nothing is said"), "{complaint}");
    }
}

#[test]
fn resolvers_by_url() {
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    fs::write(&roots, rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap().cert.pem())
        .unwrap();
    for (url, shown) in [
        ("udp://192.0.2.1", "udp://192.0.2.1:53"),
        ("udp://[2001:db8::1]", "udp://[2001:db8::1]:53"),
        ("udp://2001:db8::1", "udp://[2001:db8::1]:53"),
        ("tcp://192.0.2.1:5353", "tcp://192.0.2.1:5353"),
        ("tls://192.0.2.1", "tls://192.0.2.1:853#192.0.2.1"),
        ("tls://192.0.2.1:8853#dns.test", "tls://192.0.2.1:8853#dns.test"),
        ("https://dns.test/dns-query", "https://dns.test/dns-query"),
    ] {
        assert_eq!(resolver::of(url, Some(&roots)).unwrap().to_string(), shown);
    }
    let refused = |url, roots: Option<&Path>| resolver::of(url, roots).unwrap_err();
    assert!(refused("tls://192.0.2.1#not a name", Some(&roots)).contains("tls://192.0.2.1"));
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    for url in ["tls://192.0.2.1", "https://dns.test/dns-query"] {
        assert!(refused(url, Some(&empty)).contains("empty.pem"));
    }
    assert!(refused("https://", None).contains("https://"));
}
