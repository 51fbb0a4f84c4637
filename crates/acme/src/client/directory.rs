//! What a CA offers, and where.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use serde::Deserialize;

use super::wire::Wire;
use crate::AcmeError;

/// The directory (RFC 8555 section 7.1.1), with every URL known to be of its own origin.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) new_nonce: String,
    pub(super) new_account: String,
    pub(super) revoke_cert: Option<String>,
    pub(super) renewal_info: Option<String>,
    pub(super) meta: Meta,
    /// As it came, for the library that signs.
    pub(super) raw: Bytes,
    pub(super) read_at: SystemTime,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) terms_of_service: Option<String>,
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    new_nonce: String,
    new_account: String,
    new_order: String,
    revoke_cert: Option<String>,
    renewal_info: Option<String>,
    #[serde(default)]
    meta: Meta,
}

impl Directory {
    pub(super) fn parse(raw: Bytes, wire: &Wire) -> Result<Self, AcmeError> {
        let document: Document = serde_json::from_slice(&raw)
            .map_err(|error| AcmeError::protocol("this is no ACME directory").because(error))?;
        let must = [&document.new_nonce, &document.new_account, &document.new_order];
        let may = [&document.revoke_cert, &document.renewal_info];
        for url in must.into_iter().chain(may.into_iter().flatten()) {
            wire.own_url(url)?;
        }
        Ok(Self {
            new_nonce: document.new_nonce,
            new_account: document.new_account,
            revoke_cert: document.revoke_cert,
            renewal_info: document.renewal_info,
            meta: document.meta,
            raw,
            read_at: wire.now(),
        })
    }
}
