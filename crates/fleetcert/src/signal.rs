//! The end of a program.

/// Waits for Ctrl-C, or on Unix for SIGTERM, whichever comes first. For [`ControlServer::run`](crate::ControlServer::run)
/// and the agent's `run`.
///
/// Where the system refuses to report signals, it logs that and never returns.
pub async fn until_signal() {
    if let Err(error) = wait().await {
        tracing::error!(%error, "cannot wait for signals; end the program by killing it");
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn wait() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn wait() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
