//! The writer as a backend.

use super::*;
use crate::conformance::{Subject, check};
use fleetcert_ambient::SystemClock;

#[tokio::test]
async fn calls_without_changes_go_to_the_backend_directly() {
    let stage = Stage::new(scripted());
    assert_eq!(stage.writer.advice(&zone()).await.unwrap()[0].finding, "It is scripted.");
    assert_eq!(stage.writer.capabilities(), stage.writer.backend().capabilities());
    assert!(format!("{:?}", stage.writer).starts_with("ZoneWriter { backend: Scripted"));
    // It can be used as `dyn`, and on top of a `dyn`.
    let dynamic: Arc<dyn DnsBackend> = Arc::new(MemoryBackend::new([&zone()]));
    let (writer, driver) = ZoneWriter::new(dynamic, ZoneWriterOptions::default(), Ambient::system());
    tokio::spawn(driver);
    let writer: Box<dyn DnsBackend> = Box::new(writer);
    writer.apply(&zone(), &[add("a", "1")]).await.unwrap();
}

#[tokio::test]
async fn zone_writer_passes_the_conformance_suite() {
    let backend = MemoryBackend::new([&zone()]);
    let writer = || {
        let (writer, driver) =
            ZoneWriter::new(backend.clone(), ZoneWriterOptions::default(), Ambient::system());
        tokio::spawn(driver);
        writer
    };
    check(&Subject::new(writer, zone(), &SystemClock)).await.require_passed().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_and_cancelled_calls_lose_no_change() {
    // Answers after the executor had a turn, so that calls really overlap.
    let backend = Scripted::new([&zone()]).after(|_| tokio::task::yield_now());
    let options = ZoneWriterOptions { max_octets: 2000, ..ZoneWriterOptions::default() };
    let (writer, driver) = ZoneWriter::new(backend, options, Ambient::system());
    let driver = tokio::spawn(driver);
    let writer = Arc::new(writer);
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let writer = writer.clone();
            tokio::spawn(async move {
                for round in 0..200 {
                    let (zone, name) = (zone(), name(&format!("n{task}-{}", round % 7)));
                    let value: TxtValue = round.to_string().parse().unwrap();
                    writer.add_txt(&zone, &name, &value, Ttl::CHALLENGE).await.unwrap();
                    if round % 5 == 0 {
                        // Dropped at an arbitrary point.
                        let again = writer.add_txt(&zone, &name, &value, Ttl::CHALLENGE);
                        let _ = tokio::time::timeout(Duration::from_micros(round), again).await;
                    }
                    assert!(writer.texts(&zone, &name).await.unwrap().contains(&value));
                    writer.remove_txt(&zone, &name, &value).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(writer.backend().inner.record_sets(), 0);
    // Nothing is left in flight.
    drop(writer);
    driver.await.unwrap();
}
