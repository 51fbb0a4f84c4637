//! The library that signs, set up for one operation.

use std::sync::Arc;

use instant_acme::{Account, Key};
use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;

use super::tap::{LastReply, Tap};
use super::{AccountKey, Client};
use crate::{AcmeError, AcmeErrorKind, Operation};

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

    /// Sends newAccount, and returns the URL of the key's account.
    pub(super) async fn account_url(&self, only_existing: bool) -> Result<String, AcmeError> {
        let mut nonces = NonceRetries::default();
        loop {
            let (tap, last) = self.tap(None).await?;
            let builder = Account::builder_with_http(Box::new(tap));
            let key = Key::from_pkcs8_der(self.key.pkcs8())?;
            let pair = (key, PrivateKeyDer::Pkcs8(self.key.pkcs8().clone_key()));
            let directory_url = self.client.wire.directory_url().to_string();
            let answer = if only_existing {
                builder.from_key(pair, directory_url).await
            } else {
                builder.create_from_key(pair, directory_url).await
            };
            match answer {
                Ok((account, _)) => {
                    must_be_valid(&last)?;
                    return Ok(account.id().to_owned());
                }
                Err(error) => nonces.again(error)?,
            }
        }
    }

    async fn tap(&self, account_url: Option<&str>) -> Result<(Tap, LastReply), AcmeError> {
        let directory = self.client.directory().await?;
        let tap = Tap::new(Arc::clone(&self.client.wire), directory, account_url);
        let last = tap.last();
        Ok((tap, last))
    }
}

/// The library does not look at the account object: a deactivated account would pass for a good one.
fn must_be_valid(last: &LastReply) -> Result<(), AcmeError> {
    let reply = last.take().ok_or_else(|| AcmeError::protocol("there is no answer to newAccount"))?;
    match is_valid_account(&reply.body) {
        Some(true) => Ok(()),
        Some(false) => Err(AcmeError::new(
            AcmeErrorKind::Account,
            Operation::Account,
            "the account is not valid any more",
        )),
        None => Err(AcmeError::protocol("the answer is no account")),
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
    pub(super) fn again(&mut self, error: instant_acme::Error) -> Result<(), AcmeError> {
        let error = AcmeError::from(error);
        self.refused += 1;
        if error.kind() == AcmeErrorKind::BadNonce && self.refused < MAX_REFUSED {
            Ok(())
        } else {
            Err(error)
        }
    }
}
