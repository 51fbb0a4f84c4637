//! Both programs as a user runs them, against a name server and a CA in the test process.

#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use fleetcert::ambient::{Ambient, SystemClock, SystemEntropy};
use fleetcert::dns::RecordType;
use fleetcert::dns_wire::TsigKey;
use fleetcert::nameserver::{NameServer, NameServerHost, Options, UpdateGrant, ZoneSettings};
use fleetcert::testkit::{TestCa, TestCaOptions};
use fleetcert::x509::{Chain, Expectation, Roots};
use tokio_util::sync::CancellationToken;

const TSIG: &str =
    r#"key "ddns" { algorithm hmac-sha256; secret "c2VjcmV0IG9mIHRoZSBkb2NzIQ=="; };"#;
const DEADLINE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// A program that runs until it is dropped, with its output line by line.
struct Program {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Program {
    fn start(path: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(path)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program was built for this test");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .all(|line| send.send(line).is_ok())
        });
        Self { child, lines }
    }

    /// Returns what follows `mark` in the first line that has it.
    fn line_after(&self, mark: &str) -> String {
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            if let Some((_, rest)) = line.split_once(mark) {
                return rest.trim().to_owned();
            }
            seen.push(line);
        }
        unreachable!("no line with {mark:?} in time, but {seen:#?}")
    }

    /// Ends the program as systemd does, and returns whether it ended well.
    fn terminate(mut self) -> bool {
        Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .expect("kill is in every Unix");
        self.child.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn device_gets_a_certificate_and_a_restart_keeps_account_and_device() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let stop = CancellationToken::new();

    let key = TsigKey::parse(TSIG).unwrap();
    std::fs::write(path("tsig.key"), TSIG).unwrap();
    let host = NameServerHost {
        name: "ns1.fleet.test".parse().unwrap(),
        addresses: ["127.0.0.1".parse().unwrap()].into(),
    };
    let zone = ZoneSettings::new("fleet.test".parse().unwrap(), [host]);
    let types = [RecordType::Txt, RecordType::A, RecordType::Aaaa].into();
    let grants = vec![UpdateGrant {
        key,
        subtree: "fleet.test".parse().unwrap(),
        types,
    }];
    let options = Options {
        grants,
        ..Options::default()
    };
    let server = NameServer::new([zone], options, Ambient::system()).unwrap();
    let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let dns = listener.local_addr();
    tokio::spawn(listener.serve(stop.clone()));

    let (ca, service) = TestCa::start(
        TestCaOptions::new(dns),
        Arc::new(SystemClock),
        Arc::new(SystemEntropy),
    )
    .await
    .unwrap();
    tokio::spawn(service.serve(stop.clone()));
    std::fs::write(path("ca.pem"), ca.listener_root_pem()).unwrap();
    let roots = Roots::from_pem(ca.issuing_root_pem().as_bytes()).unwrap();

    let (dns, state, directory) = (
        dns.to_string(),
        path("control"),
        ca.directory_url().to_owned(),
    );
    let (tsig, ca_root) = (path("tsig.key"), path("ca.pem"));
    let address = free_address();
    let url = format!("https://{address}");
    let arguments = [
        "--zone",
        "fleet.test",
        "--dns-server",
        &dns,
        "--authoritative",
        &dns,
        "--tsig-key",
        &tsig,
        "--state",
        &state,
        "--listen",
        &address,
        "--url",
        &url,
        "--directory",
        &directory,
        "--ca-root",
        &ca_root,
    ];
    tokio::task::spawn_blocking({
        let home = home.path().to_owned();
        let arguments: Vec<String> = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        move || journey(&home, &arguments, &url, &roots)
    })
    .await
    .unwrap();
    stop.cancel();
}

fn journey(home: &Path, arguments: &[String], url: &str, roots: &Roots) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let path = |name: &str| {
        home.join(name)
            .to_str()
            .expect("a path in UTF-8")
            .to_owned()
    };
    let control = Program::start(env!("CARGO_BIN_EXE_minimal"), &arguments);
    let token = control.line_after("the token ");

    let (trust, state, tls) = (path("control/control.pem"), path("device"), path("tls"));
    let device_arguments = [
        "--server",
        url,
        "--trust",
        &trust,
        "--token",
        &token,
        "--address",
        "10.1.1.4",
        "--state",
        &state,
        "--tls",
        &tls,
    ];
    let device = Program::start(env!("CARGO_BIN_EXE_device"), &device_arguments);
    let name = device.line_after("This device is ");
    assert!(name.ends_with(".fleet.test"), "{name}");

    let installed = home.join("tls/current/fullchain.pem");
    let looks = DEADLINE.as_millis() / LOOK.as_millis();
    let is_there = (0..looks).any(|_| {
        std::thread::sleep(LOOK);
        installed.exists()
    });
    assert!(is_there, "no certificate in {DEADLINE:?}");
    let chain = Chain::from_pem(&std::fs::read(&installed).expect("it is there")).expect("a chain");
    let leaf = chain.leaf();
    assert_eq!(
        leaf.identifiers()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [name]
    );
    let identifiers = leaf.identifier_set().expect("it has names");
    chain
        .check(&Expectation {
            spki: leaf.spki(),
            identifiers: &identifiers,
            now: leaf.not_before(),
            roots: Some(roots),
        })
        .expect("it leads to the root of the CA");

    let account = std::fs::read_dir(home.join("control"))
        .expect("the state folder")
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().starts_with("account-"))
        .expect("the account is stored")
        .path();
    let before = std::fs::read(&account).expect("the account is stored");
    assert!(control.terminate(), "SIGTERM ends it with success");

    // The device goes on with a server that was started again, without a token.
    let control = Program::start(env!("CARGO_BIN_EXE_minimal"), &arguments);
    control.line_after("the token ");
    assert_eq!(
        std::fs::read(&account).expect("the account is stored"),
        before
    );
    assert!(device.terminate());
    assert!(control.terminate());
}

/// An address of the loopback that was free just now.
fn free_address() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    socket.local_addr().expect("it is bound").to_string()
}

#[test]
fn missing_key_file_is_named_with_the_command_that_makes_one() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("control");
    let output = Command::new(env!("CARGO_BIN_EXE_minimal"))
        .args([
            "--zone",
            "fleet.test",
            "--dns-server",
            "127.0.0.1:53",
            "--tsig-key",
            "/nonexistent/tsig.key",
        ])
        .args([
            "--listen",
            "127.0.0.1:0",
            "--url",
            "https://127.0.0.1:8443",
            "--state",
            state.to_str().unwrap(),
        ])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("/nonexistent/tsig.key") && message.contains("tsig-keygen"),
        "{message}"
    );
}
