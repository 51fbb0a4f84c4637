//! May this device join.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use fleetcert_jose::Thumbprint;
use fleetcert_protocol::{DeviceId, EnrolmentToken};
use fleetcert_schedule::queue::Tenant;
use fleetcert_store::{Expect, Store, Transaction};

use crate::records::{self, TOKENS, TokenRecord, TokenUse};
use crate::{EngineError, EngineErrorKind};

/// Decides whether a key that proved its possession may become a device.
#[async_trait]
pub trait Enroller: Send + Sync + fmt::Debug {
    /// The decision about `key`, which would become `device`. It must not write: what has to be written for the
    /// admission stands in the decision and is committed together with the device.
    ///
    /// # Errors
    /// `TokenUnknown`, `TokenUsed`, `Denied`, or `Unavailable` where it cannot decide; then nobody is admitted.
    async fn decide(
        &self,
        token: &EnrolmentToken,
        key: &Thumbprint,
        device: &DeviceId,
        now: SystemTime,
    ) -> Result<EnrolmentDecision, EngineError>;
}

/// What an [`Enroller`] decided, if it was not a no.
#[derive(Debug)]
pub enum EnrolmentDecision {
    /// It may join, provided that this transaction goes through.
    Admit {
        /// What is written together with the device.
        write: Transaction,
        /// Whose device it is: its orders share with those of other tenants by weight.
        tenant: Tenant,
    },
    /// It joined before: the answer was lost, and is given again.
    Again(DeviceId),
}

/// The default: a token of 256 random bits that admits one key, once. The store holds its hash alone.
#[derive(Debug)]
pub struct OneTimeTokens {
    store: Arc<dyn Store>,
}

impl OneTimeTokens {
    /// Tokens as [`Engine::issue_token`](crate::Engine::issue_token) wrote them to this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Enroller for OneTimeTokens {
    async fn decide(
        &self,
        token: &EnrolmentToken,
        key: &Thumbprint,
        device: &DeviceId,
        now: SystemTime,
    ) -> Result<EnrolmentDecision, EngineError> {
        let id = token_key(token);
        let unknown = || EngineError::new(EngineErrorKind::TokenUnknown, "ask the operator for a new one");
        let found = self.store.read(TOKENS, &id).await?.ok_or_else(unknown)?;
        let record: TokenRecord = records::decode(&found)?;
        if let Some(used) = &record.used {
            let same = used.key == key.as_str();
            return if same {
                Ok(EnrolmentDecision::Again(used.device.clone()))
            } else {
                Err(EngineError::new(EngineErrorKind::TokenUsed, "each token admits one device"))
            };
        }
        if record.expires <= now {
            return Err(unknown());
        }
        let used = TokenRecord {
            used: Some(TokenUse { key: key.as_str().to_owned(), device: device.clone() }),
            ..record
        };
        let due = Some(used.expires);
        let write = records::encode(&used);
        let tenant = Tenant(used.tenant);
        let write = Transaction::new().put(TOKENS, id, Expect::Version(found.version), write, due);
        Ok(EnrolmentDecision::Admit { write, tenant })
    }
}

/// The key of a token's record: its hash, so that who reads the store cannot use it.
pub(crate) fn token_key(token: &EnrolmentToken) -> String {
    records::hex(&token.hash())
}
