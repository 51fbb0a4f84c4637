//! The number of published records, and the warning about it.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tracing::{Event, Metadata, Subscriber, span};

use super::*;
use crate::challenge::RecordsOut;

fn out(zone: &str, records: usize, too_many: bool) -> RecordsOut {
    RecordsOut { zone: name(zone), records, too_many }
}

#[tokio::test]
async fn published_records_are_counted_by_zone() {
    let backend = Arc::new(scripted());
    let all = challenges(&backend);
    assert_eq!(all.records_out(), []);
    let two = vec![record("a", "1"), record("a", "2"), record("a", "1")];
    let first = all.publish(two.clone()).await.unwrap();
    let same = all.adopt(vec![record("a", "1")]);
    let other = all.publish(vec![record_in("other.test", "a", "1")]).await.unwrap();
    assert_eq!(all.records_out(), [out("fleet.test", 2, false), out("other.test", 1, false)]);

    drop(first);
    drop(other);
    assert_eq!(all.orphans(), 2);
    assert_eq!(all.records_out(), [out("fleet.test", 2, false), out("other.test", 1, false)]);
    let again = all.adopt(two);
    assert_eq!(all.records_out()[0].records, 2);
    same.withdraw().await.unwrap();
    all.sweep().await.unwrap();
    assert_eq!(all.records_out(), [out("fleet.test", 2, false)]);
    again.withdraw().await.unwrap();
    assert_eq!(all.records_out(), []);

    let error = all.publish(vec![ChallengeRecord { zone: name("other.test"), ..record("a", "1") }]).await;
    assert!(error.is_err() && all.records_out().is_empty(), "rejected records are not counted");
}

/// Counts the warnings about too many records.
#[derive(Debug, Default)]
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        if event.metadata().fields().field("zone").is_some() {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn warning_is_logged_once_each_time_the_threshold_is_exceeded() {
    let warnings = Arc::new(AtomicUsize::new(0));
    let _guard = tracing::subscriber::set_default(Warnings(warnings.clone()));
    let backend = Arc::new(scripted());
    let options = ChallengeOptions { warn_above: 4, ..ChallengeOptions::default() };
    let seen = Arc::new(backend.inner.clone());
    let all = Challenges::new(backend, seen, Ambient::system(), options);
    let publish = |values: std::ops::Range<usize>| {
        let records = values.map(|value| record("a", &value.to_string())).collect();
        let all = all.clone();
        async move { all.publish(records).await.unwrap() }
    };

    let four = publish(0..4).await;
    assert_eq!((warnings.load(SeqCst), all.records_out()[0].too_many), (0, false));
    let fifth = publish(4..5).await;
    assert_eq!((warnings.load(SeqCst), all.records_out()[0].too_many), (1, true));
    fifth.withdraw().await.unwrap();
    let fifth = publish(4..5).await;
    assert_eq!(warnings.load(SeqCst), 1, "one warning while the count stays near the threshold");
    // Orphans count too.
    drop(four);
    let more = publish(5..7).await;
    assert_eq!((warnings.load(SeqCst), all.records_out()[0].records), (1, 7));

    all.sweep().await.unwrap();
    fifth.withdraw().await.unwrap();
    assert_eq!((all.records_out()[0].records, all.records_out()[0].too_many), (2, false));
    let many = publish(10..16).await;
    assert_eq!(warnings.load(SeqCst), 2, "the count rose above the threshold again");
    many.withdraw().await.unwrap();
    more.withdraw().await.unwrap();
}
