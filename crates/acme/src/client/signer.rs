//! The library that signs, set up for one operation.

use std::sync::Arc;

use instant_acme::Account;
use serde_json::Value;

use super::tap::{LastReply, Tap};
use super::{AccountKey, Client};
use crate::{AcmeError, AcmeErrorKind};

/// Makes instant-acme accounts. Each has a [`Tap`] of its own, so that the last reply through the tap is the one to the
/// last request. Making one sends nothing once the directory is known.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    client: &'a Client,
    key: AccountKey,
}

impl<'a> Signer<'a> {
    pub(super) fn new(client: &'a Client, key: AccountKey) -> Self {
        Self { client, key }
    }

    /// Returns the account at `url`, and the place of its last reply.
    pub(super) async fn account(&self, url: &str) -> Result<(Account, LastReply), AcmeError> {
        let (tap, last) = self.tap(Some(url)).await?;
        let directory_url = self.client.wire.directory_url().to_string();
        let account = Account::builder_with_http(Box::new(tap))
            .from_parts(url.to_owned(), self.key.pkcs8(), directory_url)
            .await?;
        Ok((account, last))
    }

    async fn tap(&self, account_url: Option<&str>) -> Result<(Tap, LastReply), AcmeError> {
        let directory = self.client.directory().await?;
        let tap = Tap::new(Arc::clone(&self.client.wire), directory, account_url);
        let last = tap.last();
        Ok((tap, last))
    }
}

/// Returns whether an account object says that the account is valid. `None` if the body is no such object.
pub(super) fn is_valid_account(body: &[u8]) -> Option<bool> {
    let account: Value = serde_json::from_slice(body).ok()?;
    Some(account.get("status")?.as_str()? == "valid")
}

/// Counts refused nonces. A CA refuses a nonce before it does anything else, so every call may be repeated, and the
/// refusal has brought a fresh nonce (RFC 8555 section 6.5).
#[derive(Debug, Default)]
pub(super) struct NonceRetries {
    refused: u32,
}

/// At Pebble's 5 % of refusals one call in 10^15 fails; at 90 % seven in ten still succeed.
const MAX_REFUSED: u32 = 12;

impl NonceRetries {
    /// Returns `Ok` if the call is to be repeated, and otherwise the error that it ended with.
    pub(super) fn again(&mut self, error: impl Into<AcmeError>) -> Result<(), AcmeError> {
        let error = error.into();
        self.refused += 1;
        if error.kind() == AcmeErrorKind::BadNonce && self.refused < MAX_REFUSED {
            Ok(())
        } else {
            Err(error)
        }
    }
}
