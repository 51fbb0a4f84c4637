//! A process: an engine whose workers run.

use fleetcert_engine::{Engine, EngineParts};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::DEADLINE;

/// An engine whose workers run.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(parts: EngineParts) -> Self {
        Self::of(Engine::new(parts))
    }

    /// Starts one run of an engine, which may have others before and after.
    pub(crate) fn of(engine: Engine) -> Self {
        let shutdown = CancellationToken::new();
        let (running, token) = (engine.clone(), shutdown.clone());
        let task = tokio::spawn(async move { running.run(token).await });
        Self { engine, shutdown, task }
    }

    /// Shuts down in order.
    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap();
    }

    /// Ends as `kill -9` does: work in flight is dropped where it stands.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}
