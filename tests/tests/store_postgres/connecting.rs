//! Whom the store trusts, and which database it takes for its own.

use std::error::Error;

use fleetcert_store::{Expect, Store, StoreErrorKind};
use fleetcert_store_postgres::{PostgresOptions, PostgresStore};
use fleetcert_tests::postgres::{Postgres, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::{THINGS, connect, options, patient, put};

async fn refused(options: PostgresOptions) -> (StoreErrorKind, String) {
    let error = PostgresStore::connect(patient(options)).await.unwrap_err();
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    (error.kind(), text)
}

#[tokio::test]
async fn what_was_committed_is_there_after_connecting_again() {
    let server = Postgres::start().unwrap();
    let first = connect(&server).await;
    let version = first.commit(put("a", Expect::Absent, "1")).await.unwrap();
    first.close().await;
    assert_eq!(first.read(THINGS, "a").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let again = connect(&server).await;
    assert_eq!(again.read(THINGS, "a").await.unwrap().unwrap().version, version);
    assert!(again.commit(put("b", Expect::Absent, "1")).await.unwrap() > version, "versions go on");
}

#[tokio::test]
async fn no_foreign_schema_is_taken() {
    let server = Postgres::start().unwrap();
    server.psql("CREATE SCHEMA theirs CREATE TABLE customer (name text)").unwrap();
    let (kind, text) = refused(options(&server).with_schema("theirs").unwrap()).await;
    assert_eq!(kind, StoreErrorKind::Corrupt);
    assert!(text.contains("theirs is of another program"), "{text}");
    assert_eq!(
        server.psql("SELECT relname FROM pg_class WHERE relnamespace = 'theirs'::regnamespace").unwrap(),
        ["customer"]
    );

    drop(connect(&server).await);
    server.psql("UPDATE fleetcert.store_format SET version = 2").unwrap();
    let (kind, text) = refused(options(&server)).await;
    assert_eq!(kind, StoreErrorKind::Corrupt);
    assert!(text.contains("version 2") && text.contains("knows version 1"), "{text}");

    // An administrator made it for a role that may create none.
    server.psql("CREATE ROLE node LOGIN PASSWORD 'x'; CREATE SCHEMA given AUTHORIZATION node").unwrap();
    let as_node = format!("postgres://node:x@{}/postgres", server.address());
    let as_node = patient(PostgresOptions::from_url(&as_node).unwrap());
    drop(PostgresStore::connect(as_node.clone().with_schema("given").unwrap()).await.unwrap());
    let (kind, text) = refused(as_node.with_schema("wanted").unwrap()).await;
    assert_eq!(kind, StoreErrorKind::Unavailable);
    assert!(text.contains("permission denied"), "{text}");
}

#[tokio::test]
async fn a_table_that_went_is_told_apart_from_a_server_that_went() {
    let server = Postgres::start().unwrap();
    let store = connect(&server).await;
    server.psql("DROP TABLE fleetcert.records").unwrap();
    assert_eq!(store.read(THINGS, "a").await.unwrap_err().kind(), StoreErrorKind::Corrupt);
    assert_eq!(store.commit(put("a", Expect::Any, "")).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_told() {
    let server = Postgres::start().unwrap();
    let url = format!("postgres://fleet:hunter2@{}/postgres", server.address());
    let (kind, text) = refused(PostgresOptions::from_url(&url).unwrap()).await;
    assert_eq!(kind, StoreErrorKind::Unavailable);
    assert!(text.contains("password authentication failed") && !text.contains("hunter2"), "{text}");
    let store = connect(&server).await;
    assert!(!format!("{store:?}{:?}", options(&server)).contains(server.password()));
}

#[tokio::test]
async fn the_server_proves_who_it_is() {
    let (root, certificate, key) = certificate_for("localhost");
    let server = Postgres::start_with_tls(&Tls { certificate: &certificate, key: &key }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (folder.path().join("right.pem"), folder.path().join("wrong.pem"));
    std::fs::write(&right, root).unwrap();
    std::fs::write(&wrong, certificate_for("localhost").0).unwrap();
    let place =
        |host: &str| server.url_at(&format!("{host}:{}", server.address().port())) + "?sslmode=verify-full";
    let with = |url: &str| patient(PostgresOptions::from_url(url).unwrap());

    let store =
        PostgresStore::connect(with(&place("localhost")).with_root_certificate(&right)).await.unwrap();
    store.commit(put("a", Expect::Absent, "1")).await.unwrap();
    let encrypted = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'fleetcert'";
    assert_eq!(server.psql(encrypted).unwrap(), ["t"]);

    for (what, options) in [
        ("no root", with(&place("localhost"))),
        ("another root", with(&place("localhost")).with_root_certificate(&wrong)),
        ("another name", with(&place("127.0.0.1")).with_root_certificate(&right)),
    ] {
        let (kind, text) = refused(options).await;
        assert_eq!(kind, StoreErrorKind::Unavailable, "{what}: {text}");
        assert!(text.contains("certificate"), "{what}: {text}");
    }

    let plain = Postgres::start().unwrap();
    let place = plain.url_at(&format!("localhost:{}", plain.address().port())) + "?sslmode=verify-full";
    let (kind, text) = refused(with(&place).with_root_certificate(&right)).await;
    assert_eq!(kind, StoreErrorKind::Unavailable);
    assert!(text.contains("does not support TLS"), "{text}");
}

/// A root, and a server's certificate under it with its key, PEM.
fn certificate_for(name: &str) -> (String, String, String) {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    (root.pem(), leaf.pem(), key.serialize_pem())
}
