//! The backend.

use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_dns::{
    BackendError, BackendErrorKind, Capabilities, Change, DnsBackend, Operation, RecordSet, RecordType,
};
use fleetcert_names::DomainName;
use http::{Method, StatusCode};

use super::WebhookSecret;
use super::messages::{ApplyRequest, CapabilitiesAnswer, ErrorAnswer, ReadAnswer, ReadRequest};
use crate::client::{Api, ApiFault, Repeat, Request};
use crate::{Endpoint, HttpClient};

/// Options of a [`WebhookBackend`]. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// Base URL; `apply`, `read` and `capabilities` are below it.
    pub endpoint: Endpoint,
    /// Secret that both sides share.
    pub secret: WebhookSecret,
}

/// Changes zones through a webhook. A clone is the same backend.
#[derive(Clone, Debug)]
pub struct WebhookBackend {
    api: Arc<Api>,
    capabilities: Capabilities,
}

impl WebhookBackend {
    /// Returns a backend whose webhook has these capabilities. Sends nothing before the first call.
    pub fn new(options: WebhookOptions, http: &HttpClient, capabilities: Capabilities) -> Self {
        let api = Api::new(http, options.endpoint, options.secret).reading_kinds(read_kind);
        Self { api: Arc::new(api), capabilities }
    }

    /// Asks the webhook for its capabilities in this zone, and returns a backend with them.
    ///
    /// # Errors
    /// As those of [`read`](DnsBackend::read).
    pub async fn connect(
        options: WebhookOptions,
        http: &HttpClient,
        zone: &DomainName,
    ) -> Result<Self, BackendError> {
        let mut backend = Self::new(options, http, Capabilities::ALL);
        let request = Request::get(["capabilities"]).query("zone", zone.as_str());
        let reply = backend.api.call(Operation::Read, zone).send(&request).await?;
        backend.capabilities = reply.json::<CapabilitiesAnswer>()?.into();
        Ok(backend)
    }
}

fn read_kind(_: StatusCode, body: &[u8]) -> Option<BackendErrorKind> {
    let answer: ErrorAnswer = serde_json::from_slice(body).ok()?;
    Some(answer.error.kind.into())
}

#[async_trait]
impl DnsBackend for WebhookBackend {
    async fn apply(&self, zone: &DomainName, changes: &[Change]) -> Result<(), BackendError> {
        let call = self.api.call(Operation::Apply, zone);
        call.check_changes(&self.capabilities, changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        // The contract requires that a list can be repeated.
        let request = Request::new(Method::POST, ["apply"], Repeat::Harmless);
        let reply = call.send(&request.json(&ApplyRequest::new(zone, changes))).await?;
        // Any JSON is an answer, but a web page or half an answer is not.
        reply.json::<serde::de::IgnoredAny>().map(drop)
    }

    async fn read(
        &self,
        zone: &DomainName,
        name: &DomainName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>, BackendError> {
        let call = self.api.call(Operation::Read, zone);
        call.check_read(&self.capabilities, name)?;
        let body = ReadRequest { zone: zone.clone(), name: name.clone(), record_type: record_type.into() };
        let request = Request::new(Method::POST, ["read"], Repeat::Harmless).json(&body);
        let reply = call.send(&request).await?;
        let answer: ReadAnswer = reply.json()?;
        answer.set(record_type).map_err(|_| reply.unusable(ApiFault::UnexpectedJson))
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}
