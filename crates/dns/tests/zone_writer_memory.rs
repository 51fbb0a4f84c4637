//! What a change takes of memory while it waits in the zone writer.

#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::future::pending;
use std::sync::Arc;
use std::task::{Context, Waker};

use allocation_counter::measure;
use async_trait::async_trait;
use fleetcert_ambient::SystemClock;
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
/// What may be taken for each.
const LIMIT: i64 = 4096;

#[test]
fn a_waiting_change_takes_less_than_four_kib() {
    let zone: DomainName = "fleet.test".parse().unwrap();
    let writer = ZoneWriter::new(Silent, Arc::new(SystemClock), ZoneWriterOptions::default());
    let mut calls = Vec::new();
    let memory = measure(|| {
        for number in 0..WAITING {
            // The caller's own list, with a name and a value of its own, is counted too.
            let change = Change::AddTxt {
                name: format!("_acme-challenge.device-{number}.fleet.test").parse().unwrap(),
                value: format!("{number:043}").parse().unwrap(),
                ttl: Ttl::CHALLENGE,
            };
            let (writer, zone) = (&writer, &zone);
            let mut call = async move { writer.apply(zone, &[change]).await }.boxed();
            assert!(call.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
            calls.push(call);
        }
    });
    let each = memory.bytes_current / i64::from(WAITING);
    println!("a waiting change takes {each} octets, the future of its caller and its own list among them");
    assert!((1..LIMIT).contains(&each), "{each} octets");
    let after = measure(|| drop(calls));
    assert!(memory.bytes_current + after.bytes_current < 64 * 1024, "what has waited is given back");
}
