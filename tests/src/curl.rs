//! curl as the client that opens the page.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::{Deadline, Fault, Process, setting};

/// For one page.
const FETCH: Duration = Duration::from_secs(15);

/// A page that curl fetched over verified HTTPS.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP version, as `2` or `1.1`.
    pub version: String,
    /// The body's lines.
    pub body: Vec<String>,
}

/// Fetches `https://name:port/`, with the name resolved to `address` and nothing trusted but `root`.
///
/// # Errors
/// If curl does not trust the server or gets no page; the fault holds its reason.
pub fn fetch(name: &str, address: SocketAddr, root: &Path) -> Result<Page, Fault> {
    let port = address.port();
    // Without a folder of its own, curl would trust the system's roots beside `--cacert`.
    let no_roots = tempfile::tempdir().map_err(Fault::while_doing("a folder for curl"))?;
    let finished = Process::start("curl", setting::peer_program("curl")?, |command| {
        command
            .args(["-q", "--silent", "--show-error", "--max-time", "10", "--noproxy", "*"])
            .args(["--resolve", &format!("{name}:{port}:{}", address.ip())])
            .arg("--cacert")
            .arg(root)
            .arg("--capath")
            .arg(no_roots.path())
            .args(["--write-out", "\n%{http_code} %{http_version}\n"])
            .arg(format!("https://{name}:{port}/"))
            .env("LC_ALL", "C")
    })?
    .finish(Deadline::after(FETCH))?
    .success("curl")?;

    let mut body = finished.stdout;
    let last = body.pop().unwrap_or_default();
    let (status, version) = last
        .split_once(' ')
        .and_then(|(status, version)| Some((status.parse().ok()?, version.to_owned())))
        .ok_or_else(|| Fault::new(format!("curl wrote '{last}' instead of a status")))?;
    Ok(Page { status, version, body })
}
