//! The log of the agent. In a program of its own: tests beside it would decide with it which lines are written.

#![allow(clippy::unwrap_used)] // a test may

#[allow(dead_code)] // the other tests use all of it
mod server;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fleetcert_agent::{Agent, AgentOptions, FileInstaller};
use fleetcert_ambient::Ambient;
use parking_lot::Mutex;
use server::{ControlServer, NAME};
use tracing::subscriber::DefaultGuard;

/// Lines at `info` and above, of the agent alone.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes what this thread logs, until the guard is dropped.
    pub(crate) fn subscribe(&self) -> DefaultGuard {
        let log = self.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_env_filter("fleetcert_agent=info");
        tracing::subscriber::set_default(lines.with_writer(move || log.clone()).finish())
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_thing_that_happens_leaves_a_line_at_info() {
    let log = Log::default();
    let _guard = log.subscribe();
    let (server, home) = (ControlServer::start().await, tempfile::tempdir().unwrap());
    let options = AgentOptions::new(&server.url, server.client());
    let mut agent = Agent::open(&home.path().join("state"), options, Ambient::system()).unwrap();
    agent.enrol(server.token()).await.unwrap();
    agent.report_addresses(&["10.1.1.4".parse().unwrap()]).await.unwrap();
    for _ in 0..2 {
        agent.make_request().unwrap();
        agent.submit().await.unwrap();
        let chain = agent.poll(Duration::from_secs(10), |_| ()).await.unwrap();
        let pair = agent.check(&chain).unwrap();
        agent.install(pair, &FileInstaller::new(home.path().join("tls"))).await.unwrap();
    }
    let lines = log.lines();
    let expected = [
        "enrolled",
        "addresses reported",
        "certificate request sent",
        "certificate installed",
        "certificate request sent",
        "certificate renewed and installed",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, message) in lines.iter().zip(expected) {
        assert!(line.contains("INFO") && line.contains(message), "no {message:?} in {line}");
    }
    assert!(
        lines[0].contains(NAME) && lines[1].contains("10.1.1.4") && lines[3].contains(NAME),
        "{lines:#?}"
    );
    assert!(!lines.concat().contains(server.token().expose()));
}
