//! Enrolment by one-time token.

use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_protocol::{EnrolmentProof, EnrolmentToken, ProtocolErrorKind};
use fleetcert_schedule::order_queue::Tenant;
use fleetcert_store::{Expect, Store, Transaction};

use crate::EngineError;
use crate::policy::{Admission, Applicant, Enroller, EnrolmentDecision, EnrolmentRefusal};
use crate::records::{self, TOKENS, TokenRecord, TokenUse};

/// The default enroller: a token of 256 random bits admits one key, once. The store holds the token's hash alone.
///
/// [`Engine::issue_token`](crate::Engine::issue_token) makes tokens. It takes proofs of the type `token` and refuses
/// with [`UNKNOWN`](Self::UNKNOWN) or [`USED`](Self::USED).
#[derive(Debug)]
pub struct OneTimeTokens {
    store: Arc<dyn Store>,
}

impl OneTimeTokens {
    /// Code of a token that was never issued, or has expired.
    pub const UNKNOWN: &str = "token_unknown";
    /// Code of a token that another key has used.
    pub const USED: &str = "token_used";

    /// Makes an enroller for the tokens in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Enroller for OneTimeTokens {
    async fn decide(&self, applicant: &Applicant<'_>) -> Result<EnrolmentDecision, EngineError> {
        let token = match applicant.proof.token() {
            Ok(token) => token,
            Err(error) if error.kind() == ProtocolErrorKind::Unsupported => {
                return Ok(EnrolmentRefusal::unsupported(applicant.proof, [EnrolmentProof::TOKEN]).into());
            }
            Err(error) => {
                return Ok(EnrolmentRefusal::new(EnrolmentRefusal::MALFORMED, error.to_string()).into());
            }
        };
        let id = token_key(&token);
        let unknown = EnrolmentRefusal::new(
            Self::UNKNOWN,
            "the enrolment token is not known or has expired; ask the operator for a new one",
        );
        let Some(found) = self.store.read(TOKENS, &id).await? else { return Ok(unknown.into()) };
        let record: TokenRecord = records::decode(&found)?;
        if let Some(used) = record.used {
            return Ok(if used.key == applicant.thumbprint.as_str() {
                EnrolmentDecision::AlreadyAdmitted(used.device)
            } else {
                let detail = "another key has used the enrolment token; each token admits one device";
                EnrolmentRefusal::new(Self::USED, detail).into()
            });
        }
        if record.expires <= applicant.now {
            return Ok(unknown.into());
        }
        let tenant = Tenant(record.tenant);
        let used =
            TokenUse { key: applicant.thumbprint.as_str().to_owned(), device: applicant.device.clone() };
        let due = Some(record.expires);
        let record = records::encode(&TokenRecord { used: Some(used), ..record });
        let write = Transaction::new().put(TOKENS, id, Expect::Version(found.version), record, due);
        Ok(Admission::new(write).with_tenant(tenant).into())
    }
}

/// Returns the key of a token's record: its hash, so that a reader of the store cannot use it.
pub(crate) fn token_key(token: &EnrolmentToken) -> String {
    records::hex(&token.hash())
}
