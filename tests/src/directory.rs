//! An ACME server outside the test process, as its directory URL and the root that its HTTPS is trusted by.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;

use crate::{Fault, https};

/// Where an ACME server is, and how to see whether it lives (RFC 8555 section 7.1.1).
#[derive(Debug, Clone)]
pub struct Directory {
    url: String,
    ca_root: PathBuf,
    state: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resources {
    new_order: String,
}

impl Directory {
    /// The directory at `url`, whose HTTPS certificate is trusted by the PEM file `ca_root`.
    pub fn new(url: impl Into<String>, ca_root: impl Into<PathBuf>) -> Self {
        Self { url: url.into(), ca_root: ca_root.into(), state: None }
    }

    /// Adds a URL whose answer needs the server's stored state.
    ///
    /// A server whose store is locked up can still answer its directory, so the directory alone tells too little.
    pub fn with_state_url(self, url: impl Into<String>) -> Self {
        Self { state: Some(url.into()), ..self }
    }

    /// The same directory with another file of roots, which holds that of its HTTPS too.
    pub fn with_ca_root(self, ca_root: impl Into<PathBuf>) -> Self {
        Self { ca_root: ca_root.into(), ..self }
    }

    /// The URL of the directory.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The PEM file with the root that the server's HTTPS is trusted by.
    pub fn ca_root(&self) -> &Path {
        &self.ca_root
    }

    /// Asks for the directory, and for something from the server's state if a URL for that is known.
    ///
    /// # Errors
    /// If either does not answer within the time given to each, or what comes is not a directory.
    pub fn answers(&self, within: Duration) -> Result<(), Fault> {
        let root = fs::read(&self.ca_root).map_err(Fault::while_doing(self.ca_root.display()))?;
        let answer = https::ask(Method::GET, &self.url, &root, None, within)?;
        let resources: Resources = serde_json::from_slice(&answer.body).map_err(Fault::while_doing(
            format!("{} answered {} and no directory", self.url, answer.status),
        ))?;
        if !resources.new_order.starts_with("https://") {
            return Err(Fault::new(format!("{} names no newOrder by HTTPS", self.url)));
        }
        match &self.state {
            Some(state) => https::ask(Method::GET, state, &root, None, within).map(|_| ()),
            None => Ok(()),
        }
    }

    /// One sentence for a failed test: does the server still live, or did it lock up?
    pub fn diagnosis(&self, within: Duration) -> String {
        match self.answers(within) {
            Ok(()) => {
                format!("the ACME server still answers at {}: look for the fault on our side", self.url)
            }
            Err(fault) => format!("the ACME server hangs or is gone: {fault}"),
        }
    }
}
