//! One HTTPS request to a peer, blocking, with a deadline and nothing trusted but one root.

use std::thread;
use std::time::Duration;

use reqwest::{Certificate, Client, Method, redirect};

use crate::Fault;

/// The largest answer that is read.
const LARGEST_BODY: usize = 1024 * 1024;

/// An answer of a peer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Sends one request on a connection of its own.
///
/// It runs in a thread with its own runtime, so that it may be called from inside another runtime as well.
pub(crate) fn ask(
    method: Method,
    url: &str,
    root_pem: &[u8],
    body: Option<Vec<u8>>,
    within: Duration,
) -> Result<Answer, Fault> {
    let asked = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Fault::while_doing("starting a runtime"))?
            .block_on(exchange(method, url, root_pem, body, within))
    };
    thread::scope(|scope| scope.spawn(asked).join())
        .unwrap_or_else(|_| Err(Fault::new(format!("asking {url}: the asking thread panicked"))))
}

async fn exchange(
    method: Method,
    url: &str,
    root_pem: &[u8],
    body: Option<Vec<u8>>,
    within: Duration,
) -> Result<Answer, Fault> {
    let failed = || Fault::while_doing(format!("asking {url}"));
    let client = Client::builder()
        .tls_certs_only(Certificate::from_pem_bundle(root_pem).map_err(failed())?)
        .user_agent("fleetcert-tests")
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(within)
        .build()
        .map_err(failed())?;
    let mut response =
        client.request(method, url).body(body.unwrap_or_default()).send().await.map_err(failed())?;
    let mut received = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed())? {
        received.extend_from_slice(&chunk);
        if received.len() > LARGEST_BODY {
            return Err(Fault::new(format!("asking {url}: more than {LARGEST_BODY} bytes in the answer")));
        }
    }
    Ok(Answer { status: response.status().as_u16(), body: received })
}
