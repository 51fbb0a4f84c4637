//! The directory of a CA: what it offers, and where.

use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Value, json};

use super::lenient::absolute;
use super::wire::Wire;
use crate::AcmeError;

/// The directory (RFC 8555 section 7.1.1). Every URL is of the directory's own origin.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) new_nonce: String,
    pub(super) new_account: String,
    new_order: String,
    pub(super) revoke_cert: Option<String>,
    pub(super) renewal_info: Option<String>,
    pub(super) terms_of_service: Option<String>,
    /// Names of the profiles.
    pub(super) profiles: Vec<String>,
    pub(super) read_at: SystemTime,
}

impl Directory {
    /// Reads the members of a directory object that are needed, and ignores the rest.
    pub(super) fn parse(body: &[u8], wire: &Wire) -> Result<Self, AcmeError> {
        let document: Value = serde_json::from_slice(body)
            .map_err(|error| AcmeError::protocol("the answer is no ACME directory").because(error))?;
        let url = |member: &str| -> Result<Option<String>, AcmeError> {
            let Some(text) = document.get(member).and_then(Value::as_str) else { return Ok(None) };
            let url = absolute(wire.directory_url(), text);
            wire.own_url(&url)?;
            Ok(Some(url))
        };
        let required = |member: &str| {
            let missing = || AcmeError::protocol(format!("the ACME directory has no {member}"));
            url(member)?.ok_or_else(missing)
        };
        let meta = document.get("meta");
        let terms = meta.and_then(|meta| meta.get("termsOfService")?.as_str());
        let profiles = meta.and_then(|meta| meta.get("profiles")?.as_object());
        Ok(Self {
            new_nonce: required("newNonce")?,
            new_account: required("newAccount")?,
            new_order: required("newOrder")?,
            revoke_cert: url("revokeCert")?,
            renewal_info: url("renewalInfo")?,
            terms_of_service: terms.map(str::to_owned),
            profiles: profiles.map(|profiles| profiles.keys().cloned().collect()).unwrap_or_default(),
            read_at: wire.now(),
        })
    }

    /// Returns the directory object for the library that signs.
    pub(super) fn for_library(&self) -> Bytes {
        let document = json!({
            "newNonce": self.new_nonce,
            "newAccount": self.new_account,
            "newOrder": self.new_order,
            "revokeCert": self.revoke_cert,
            "renewalInfo": self.renewal_info,
        });
        document.to_string().into()
    }
}
