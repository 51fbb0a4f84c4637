//! A process that is killed, or stands still, at a chosen write of the store.

use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_store::{InterceptedStore, Interceptor, Store, StoreCall, StoreError};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::setting::DEADLINE;

/// A side of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What led to the write was done, and it was not written down.
    Before,
    /// It was written down, and nothing came of it.
    After,
}

/// Lets everything pass until the `n`-th write since it was armed; from then on no call returns until it is thawed.
/// Writes are commits, and claims that returned records.
#[derive(Debug)]
pub(crate) struct WriteStop {
    stop_at: Mutex<Option<(usize, Side)>>,
    frozen: watch::Sender<bool>,
}

impl WriteStop {
    /// Returns `store` as the process sees it, and what stops the process.
    pub(crate) fn before(store: Arc<dyn Store>) -> (Arc<InterceptedStore>, Arc<Self>) {
        let stop = Arc::new(Self { stop_at: Mutex::new(None), frozen: watch::Sender::new(false) });
        (Arc::new(InterceptedStore::new(store, stop.clone())), stop)
    }

    /// Stops at the `n`-th write from now on, counted from 1: after it, or before it is made.
    pub(crate) fn arm(&self, n: usize, side: Side) {
        *self.stop_at.lock() = Some((n, side));
    }

    /// Waits for the stop.
    pub(crate) async fn stopped(&self) {
        let mut frozen = self.frozen.subscribe();
        let stopped = frozen.wait_for(|frozen| *frozen);
        tokio::time::timeout(DEADLINE, stopped).await.expect("a stop at the write").unwrap();
    }

    pub(crate) fn thaw(&self) {
        *self.stop_at.lock() = None;
        self.frozen.send_replace(false);
    }

    /// Returns when the process is not stopped.
    async fn live(&self) {
        self.frozen.subscribe().wait_for(|frozen| !*frozen).await.unwrap();
    }

    /// Counts a write at one of its sides, and stops there if it is the one.
    async fn pass(&self, here: Side) {
        // Under the lock, so that no other write comes between the last one and the stop.
        if let Some((left, side)) = &mut *self.stop_at.lock()
            && *side == here
            && *left > 0
        {
            *left -= 1;
            if *left == 0 {
                self.frozen.send_replace(true);
            }
        }
        self.live().await;
    }
}

#[async_trait]
impl Interceptor for WriteStop {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        self.live().await;
        if let StoreCall::Commit { .. } = call {
            self.pass(Side::Before).await;
        }
        Ok(())
    }

    async fn after(&self, call: StoreCall<'_>, outcome: Result<usize, &StoreError>) {
        match call {
            StoreCall::Commit { .. } => self.pass(Side::After).await,
            StoreCall::Claim { .. } if outcome.is_ok_and(|claimed| claimed > 0) => {
                self.pass(Side::After).await;
            }
            _ => {}
        }
    }
}
