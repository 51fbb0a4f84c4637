//! The program as a user runs it, with nothing outside: every flag that needs no peer.

#![allow(clippy::unwrap_used)] // a test that cannot go on says where it stands

use std::path::Path;
use std::process::{Command, Output};

use fleetcert_x509::{Chain, Expectation, KeyKind, KeyPair, Roots, csr_for};
use serde_json::Value;

fn quickstart(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quickstart")).args(arguments).output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

fn summary(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_str(lines(output).last().unwrap()).unwrap()
}

fn refusal(arguments: &[&str]) -> String {
    let output = quickstart(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.trim_end().lines().count(), 1, "one sentence: {stderr}");
    stderr
}

#[test]
fn one_device_takes_every_step() {
    let output = quickstart(&["--json"]);
    let summary = summary(&output);
    let numbers: Vec<usize> =
        lines(&output).iter().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    assert_eq!(numbers, (1..=17).collect::<Vec<_>>(), "{:?}", lines(&output));
    for (field, value) in [("devices", 1), ("issued", 2), ("renewed", 1), ("failed", 0)] {
        assert_eq!(summary[field], value, "{field}");
    }
    assert_eq!(summary["leftover_challenge_records"], 0);
    assert_eq!(summary["failed_page_requests"], 0);
    let requests = summary["acme_requests_per_certificate"].as_f64().unwrap();
    assert!((6.0..12.0).contains(&requests), "{requests}");
}

#[test]
fn many_devices_at_once() {
    let summary = summary(&quickstart(&["--devices", "12", "--json"]));
    assert_eq!(summary["issued"], 24);
    assert_eq!(summary["failed"], 0);
    assert_eq!(summary["leftover_challenge_records"], 0);
    assert_eq!(summary["failed_page_requests"], 0);
}

#[test]
fn a_label_and_the_files_that_are_left() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let output = quickstart(&["--label", "web1", "--zone", "office.test", "--out", folder]);
    assert!(output.status.success(), "{output:?}");
    assert!(lines(&output).iter().any(|line| line.contains("web1.office.test")));
    let read = |file: &str| std::fs::read(out.path().join(file)).unwrap();
    let chain = Chain::from_pem(&read("fullchain.pem")).unwrap();
    let key = KeyPair::from_pem(std::str::from_utf8(&read("privkey.pem")).unwrap()).unwrap();
    check(&chain, &key, "web1.office.test", &read("root.pem"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(out.path().join("privkey.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_request_that_was_made_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file).to_str().unwrap().to_owned();
    let key = KeyPair::generate(KeyKind::P256).unwrap();
    let names = "web2.fleet.test".parse().unwrap();
    std::fs::write(path("csr.der"), csr_for(&names, &key).unwrap()).unwrap();
    std::fs::write(path("key.pem"), key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    let out = path("out");
    let given = ["--label", "web2", "--csr", &path("csr.der"), "--out", &out, "--json"];

    // Without the key the journey ends with the chain.
    let output = quickstart(&given);
    assert_eq!(summary(&output)["issued"], 1);
    assert!(lines(&output).iter().any(|line| line.starts_with("13") && line.contains("not shown")));
    let read = |file: &str| std::fs::read(Path::new(&out).join(file)).unwrap();
    check(&Chain::from_pem(&read("fullchain.pem")).unwrap(), &key, "web2.fleet.test", &read("root.pem"));
    assert!(!Path::new(&out).join("privkey.pem").exists());

    // With it the page is served, and renewed with the same request.
    let key_file = path("key.pem");
    let with_key: Vec<&str> = given.iter().copied().chain(["--key", &key_file]).collect();
    let summary = summary(&quickstart(&with_key));
    assert_eq!(summary["issued"], 2);
    assert_eq!(summary["renewed"], 1);
}

#[test]
fn what_cannot_be_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file).to_str().unwrap().to_owned();
    let key = KeyPair::generate(KeyKind::P256).unwrap();
    let other = csr_for(&"other.fleet.test".parse().unwrap(), &key).unwrap();
    std::fs::write(path("csr.der"), other).unwrap();
    let said = refusal(&["--label", "web3", "--csr", &path("csr.der")]);
    assert!(said.contains("step 5") && said.contains("other.fleet.test"), "{said}");

    std::fs::write(path("key"), "key { nonsense").unwrap();
    let zone = ["--rfc2136", "127.0.0.1:1", "--zone", "fleet.test", "--tsig-key-file", &path("key")];
    assert!(refusal(&zone).contains("step 0"));
    let secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";
    std::fs::write(path("key"), format!(r#"key "k" {{ algorithm hmac-sha256; secret "{secret}"; }};"#))
        .unwrap();
    let said = refusal(&zone);
    assert!(said.contains("step 4") && said.contains("not reachable") && !said.contains(secret), "{said}");
    assert!(refusal(&["--label", "web4", "--devices", "2"]).contains("--devices"));
    let said = refusal(&["--label", "ns1"]);
    assert!(said.contains("step 1") && said.contains("ask for another"), "{said}");
    let root = path("key");
    assert!(refusal(&["--directory", "https://127.0.0.1:1/dir", "--ca-root", &root]).contains("step 0"));
}

fn check(chain: &Chain, key: &KeyPair, name: &str, root: &[u8]) {
    use fleetcert_x509::SigningKey;
    let identifiers = name.parse().unwrap();
    let roots = Roots::from_pem(root).unwrap();
    let now = chain.leaf().not_before();
    chain
        .check(&Expectation { spki: key.spki_der(), identifiers: &identifiers, now, roots: Some(&roots) })
        .unwrap();
}
