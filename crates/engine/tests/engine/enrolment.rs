//! Enrolment. Its races run on two OS threads, so it has no virtual time; nothing in it waits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetcert_ambient::{ManualClock, SystemClock};
use fleetcert_engine::{
    AskedLabels, Engine, EngineError, EngineErrorKind, EngineParts, LabelPolicy, LabelRefusal, OneTimeTokens,
    RequestOrigin,
};
use fleetcert_jose::{Algorithm, Jwk, KeyPair, Signer};
use fleetcert_names::Label;
use fleetcert_protocol::{EnrolRequest, Enrolled, EnrolmentToken};
use fleetcert_store::Store;
use tokio::task::JoinSet;

use crate::setting::{DAY, both_stores, parts_without_ca, records, refused};

fn key() -> Jwk {
    KeyPair::generate(Algorithm::EdDsa).unwrap().jwk().clone()
}

fn with(token: &EnrolmentToken) -> EnrolRequest {
    EnrolRequest::new(token.clone())
}

fn asking(token: EnrolmentToken, label: &str) -> EnrolRequest {
    EnrolRequest::new(token).with_label(label.parse().unwrap())
}

async fn enrol(engine: &Engine, request: &EnrolRequest, key: &Jwk) -> Result<Enrolled, EngineError> {
    let answer = engine.enrol(request, key, &RequestOrigin::default()).await?;
    Ok(answer.enrolled().expect("a token is decided at once"))
}

/// Checks that the enroller refused with this code.
#[track_caller]
fn refused_as(result: Result<Enrolled, EngineError>, code: &str) {
    assert_eq!(refused(result, EngineErrorKind::EnrolmentRefused).code(), Some(code));
}

fn parts(store: &Arc<dyn Store>) -> EngineParts {
    parts_without_ca(store.clone(), SystemClock)
}

/// Returns the keys and values of every collection.
async fn dump(store: &dyn Store) -> String {
    let collections = [
        "device",
        "device-key",
        "label",
        "token",
        "address",
        "order",
        "certificate",
        "certificate-key",
        "challenge",
    ];
    let mut text = String::new();
    for collection in collections {
        for record in records(store, collection).await {
            text.push_str(&record.key);
            text.push_str(&String::from_utf8(record.value).unwrap());
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_200_concurrent_keys_gets_the_token() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let engine = Engine::new(parts(&store));
        let token = engine.issue_token(DAY).await.unwrap();
        let mut race = JoinSet::new();
        for key in std::iter::repeat_with(key).take(200) {
            let (engine, request) = (engine.clone(), with(&token));
            race.spawn(async move { enrol(&engine, &request, &key).await });
        }
        let (won, lost): (Vec<_>, Vec<_>) = race.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        lost.into_iter().for_each(|one| refused_as(one, OneTimeTokens::USED));
        for collection in ["device", "device-key", "label", "token"] {
            assert_eq!(records(&*store, collection).await.len(), 1, "{collection}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn same_token_and_key_get_the_same_answer() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let engine = Engine::new(parts(&store));
        let (token, key) = (engine.issue_token(DAY).await.unwrap(), key());
        let mut race = JoinSet::new();
        for _ in 0..50 {
            let (engine, request, key) = (engine.clone(), with(&token), key.clone());
            race.spawn(async move { enrol(&engine, &request, &key).await.unwrap() });
        }
        let answers = race.join_all().await;
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(enrol(&engine, &with(&token), &key).await.unwrap(), answers[0]);
        assert_eq!(records(&*store, "device").await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_is_one_device_with_any_number_of_tokens() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let engine = Engine::new(parts(&store));
        let key = key();
        let mut race = JoinSet::new();
        for _ in 0..20 {
            let (engine, key) = (engine.clone(), key.clone());
            let request = with(&engine.issue_token(DAY).await.unwrap());
            race.spawn(async move { enrol(&engine, &request, &key).await });
        }
        let (won, lost): (Vec<_>, Vec<_>) = race.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.into_iter().all(|one| one.unwrap_err().kind() == EngineErrorKind::KeyInUse));
        let another = with(&engine.issue_token(DAY).await.unwrap());
        refused(enrol(&engine, &another, &key).await, EngineErrorKind::KeyInUse);
        // The token of the refused request is still valid.
        enrol(&engine, &another, &self::key()).await.unwrap();
    }
}

#[tokio::test]
async fn expired_or_unknown_token_admits_nobody() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + DAY * 20_000);
        let engine = Engine::new(parts_without_ca(store.clone(), clock.clone()));
        let token = engine.issue_token(DAY).await.unwrap();
        clock.advance(DAY - Duration::from_millis(1));
        let (in_time, late) = (engine.issue_token(DAY).await.unwrap(), token.clone());
        clock.advance(Duration::from_millis(1));
        refused_as(enrol(&engine, &with(&late), &key()).await, OneTimeTokens::UNKNOWN);
        enrol(&engine, &with(&in_time), &key()).await.unwrap();
        let foreign = EnrolmentToken::generate(&fleetcert_ambient::SystemEntropy);
        refused_as(enrol(&engine, &with(&foreign), &key()).await, OneTimeTokens::UNKNOWN);
        // A lifetime that no clock can show is shortened, and does not panic.
        let endless = engine.issue_token(Duration::MAX).await.unwrap();
        enrol(&engine, &with(&endless), &key()).await.unwrap();
    }
}

#[tokio::test]
async fn store_does_not_hold_the_token() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let engine = Engine::new(parts(&store));
        let token = engine.issue_token(DAY).await.unwrap();
        let unused = dump(&*store).await;
        enrol(&engine, &with(&token), &key()).await.unwrap();
        let used = dump(&*store).await;
        for dump in [unused, used] {
            assert!(!dump.is_empty() && !dump.contains(token.expose()));
        }
    }
    let file = std::fs::read(folder.path().join("control.db")).unwrap();
    assert!(file.len() > 1000);
}

#[tokio::test]
async fn labels_follow_the_policy_and_are_never_used_twice() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        // The default policy leaves devices no choice.
        let engine = Engine::new(parts(&store));
        let request = asking(engine.issue_token(DAY).await.unwrap(), "printer");
        refused(enrol(&engine, &request, &key()).await, EngineErrorKind::LabelNotAllowed);

        let asked = EngineParts { labels: Arc::new(AskedLabels::default()), ..parts(&store) };
        let engine = Engine::new(asked);
        let first = enrol(&engine, &request, &key()).await.unwrap();
        assert_eq!(first.name.as_str(), "printer.fleet.test");
        for label in ["printer", "PRINTER"] {
            let again = asking(engine.issue_token(DAY).await.unwrap(), label);
            refused(enrol(&engine, &again, &key()).await, EngineErrorKind::LabelTaken);
        }
        for label in ["_acme-challenge", "a_b"] {
            let underscore = asking(engine.issue_token(DAY).await.unwrap(), label);
            refused(enrol(&engine, &underscore, &key()).await, EngineErrorKind::LabelNotAllowed);
        }
        let random = enrol(&engine, &with(&engine.issue_token(DAY).await.unwrap()), &key()).await.unwrap();
        assert_eq!(random.name.as_str().len(), 20 + ".fleet.test".len());
    }
}

/// Chooses among 32 labels at random, so that they collide.
#[derive(Debug)]
struct FewLabels;

impl LabelPolicy for FewLabels {
    fn choose(
        &self,
        _: Option<&Label>,
        entropy: &dyn fleetcert_ambient::Entropy,
    ) -> Result<Label, LabelRefusal> {
        let mut drawn = [0];
        entropy.fill(&mut drawn);
        Ok(format!("d{}", drawn[0] % 32).parse().expect("a label"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn colliding_labels_are_never_used_twice() {
    let folder = tempfile::tempdir().unwrap();
    for store in both_stores(folder.path()) {
        let engine = Engine::new(EngineParts { labels: Arc::new(FewLabels), ..parts(&store) });
        let mut race = JoinSet::new();
        for key in std::iter::repeat_with(key).take(60) {
            let engine = engine.clone();
            let request = with(&engine.issue_token(DAY).await.unwrap());
            race.spawn(async move { enrol(&engine, &request, &key).await });
        }
        let mut names = BTreeSet::new();
        let mut devices = 0;
        for answer in race.join_all().await {
            match answer {
                Ok(enrolled) => {
                    devices += 1;
                    assert!(names.insert(enrolled.name.clone()), "{} twice", enrolled.name);
                }
                Err(error) => assert_eq!(error.kind(), EngineErrorKind::Unavailable),
            }
        }
        assert!((10..=32).contains(&devices), "{devices}");
        assert_eq!(records(&*store, "device").await.len(), devices);
        assert_eq!(records(&*store, "label").await.len(), devices);
    }
}
