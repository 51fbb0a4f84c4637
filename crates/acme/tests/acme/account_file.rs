//! An account that is kept in a file.

use fleetcert_acme::{AccountFile, AcmeErrorKind, Authority, Client, ClientOptions, TermsOfService};
use fleetcert_ambient::Ambient;
use serde_json::Value;

use crate::script::{Canned, Script};
use crate::setting::{Setting, client};

fn stored(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn second_start_uses_the_stored_account_and_sends_nothing() {
    let setting = Setting::new(Script::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = AccountFile::new(folder.path().join("account.json"));
    let first = file.open_or_register(&client(&setting.ca), TermsOfService::Agreed).await.unwrap();

    let ca = client(&setting.ca);
    let second = file.open_or_register(&ca, TermsOfService::Agreed).await.unwrap();
    assert_eq!(first.account_url(), second.account_url());
    assert_eq!(first.credentials().key().spki_der(), second.credentials().key().spki_der());
    assert_eq!((ca.traffic().account, ca.traffic().directory), (0, 0));

    let entries: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries, [folder.path().join("account.json")], "no temporary file is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = entries[0].metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
}

#[tokio::test]
async fn key_is_stored_before_the_ca_knows_it_and_used_again_after_a_lost_answer() {
    let setting = Setting::new(Script::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.json");
    let file = AccountFile::new(&path);
    let ca = client(&setting.ca);
    let refusal = r#"{"type":"urn:ietf:params:acme:error:unauthorized"}"#.to_owned();
    setting.ca.instead("account", Canned { done: true, status: 403, retry_after: None, body: refusal });
    file.open_or_register(&ca, TermsOfService::Agreed).await.unwrap_err();
    let before = stored(&path);
    assert!(before["accountUrl"].is_null());

    file.open_or_register(&ca, TermsOfService::Agreed).await.unwrap();
    let after = stored(&path);
    assert_eq!(before["key"], after["key"]);
    assert!(after["accountUrl"].as_str().unwrap().ends_with("/account/1"));
}

#[tokio::test]
async fn account_of_another_ca_is_refused_with_both_urls() {
    let setting = Setting::new(Script::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = AccountFile::new(folder.path().join("account.json"));
    file.open_or_register(&client(&setting.ca), TermsOfService::Agreed).await.unwrap();

    let other = Client::new("https://other.test/dir", &ClientOptions::default(), Ambient::system()).unwrap();
    let error = file.open_or_register(&other, TermsOfService::Agreed).await.unwrap_err();
    assert_eq!(error.kind(), AcmeErrorKind::InvalidInput);
    let text = error.to_string();
    assert!(text.contains(&setting.ca.directory_url) && text.contains("https://other.test/dir"), "{text}");
}

#[tokio::test]
async fn damaged_file_is_refused_kept_and_not_quoted() {
    let setting = Setting::new(Script::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.json");
    std::fs::write(&path, "planted-secret").unwrap();
    let file = AccountFile::new(&path);
    let error = file.open_or_register(&client(&setting.ca), TermsOfService::Agreed).await.unwrap_err();
    assert_eq!(error.kind(), AcmeErrorKind::InvalidInput);
    assert!(error.to_string().contains("account.json") && !error.to_string().contains("planted"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"planted-secret");
}

#[tokio::test]
async fn missing_folder_is_named() {
    let setting = Setting::new(Script::default()).await;
    let file = AccountFile::new("/nonexistent/account.json");
    let error = file.open_or_register(&client(&setting.ca), TermsOfService::Agreed).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/account.json"), "{error}");
}
