//! The memory of a change that waits in the zone writer.

#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::future::pending;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

use allocation_counter::measure;
use async_trait::async_trait;
use fleetcert_ambient::{Ambient, ManualClock, SystemEntropy};
use fleetcert_dns::{
    BackendError, Capabilities, Change, DnsBackend, RecordSet, RecordType, Ttl, ZoneWriter, ZoneWriterOptions,
};
use fleetcert_names::DomainName;
use futures_util::FutureExt;

/// A server that never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl DnsBackend for Silent {
    async fn apply(&self, _: &DomainName, _: &[Change]) -> Result<(), BackendError> {
        pending().await
    }

    async fn read(
        &self,
        _: &DomainName,
        _: &DomainName,
        _: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        pending().await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }
}

const WAITING: u32 = 2000;
/// Maximum octets per change.
const LIMIT: i64 = 4096;

#[test]
fn waiting_change_takes_less_than_four_kib() {
    let zone: DomainName = "fleet.test".parse().unwrap();
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
    let ambient = Ambient { clock: Arc::new(clock.clone()), entropy: Arc::new(SystemEntropy) };
    let (writer, mut driver) = ZoneWriter::new(Silent, ZoneWriterOptions::default(), ambient);
    let mut drive = || assert!(driver.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut calls = Vec::new();
    let memory = measure(|| {
        for number in 0..WAITING {
            // The caller's own list, with its own name and value, is counted too.
            let change = Change::AddTxt {
                name: format!("_acme-challenge.device-{number}.fleet.test").parse().unwrap(),
                value: format!("{number:043}").parse().unwrap(),
                ttl: Ttl::CHALLENGE,
            };
            let (writer, zone) = (&writer, &zone);
            let mut call = async move { writer.apply(zone, &[change]).await }.boxed();
            assert!(call.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
            calls.push(call);
            drive();
        }
    });
    let each = memory.bytes_current / i64::from(WAITING);
    println!("a waiting change takes {each} octets, the future of its caller and its own list included");
    assert!((1..LIMIT).contains(&each), "{each} octets");
    let after = measure(|| {
        drop(calls);
        // The hanging call is abandoned, and the dropped calls leave the queue with the next batch.
        for _ in 0..3 {
            clock.advance(Duration::from_secs(5));
            drive();
        }
    });
    let left = memory.bytes_current + after.bytes_current;
    assert!(left < 64 * 1024, "{left} octets remain when nothing waits");
}
