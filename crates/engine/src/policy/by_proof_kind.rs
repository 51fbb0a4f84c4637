//! Several ways to enrol.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::EngineError;
use crate::policy::{Applicant, Enroller, EnrolmentDecision, EnrolmentRefusal};

/// An enroller that hands each proof to the enroller of its type, and refuses a type that has none.
///
/// ```
/// use fleetcert_engine::{ByProofKind, OneTimeTokens};
/// use fleetcert_protocol::EnrolmentProof;
/// use fleetcert_store::MemoryStore;
/// use std::sync::Arc;
///
/// # let vouchers = Arc::new(OneTimeTokens::new(Arc::new(MemoryStore::new())));
/// let tokens = Arc::new(OneTimeTokens::new(Arc::new(MemoryStore::new())));
/// let enroller = ByProofKind::new()
///     .with(EnrolmentProof::TOKEN, tokens)
///     .with("voucher", vouchers); // an enroller of your own
/// ```
#[derive(Clone, Debug, Default)]
pub struct ByProofKind {
    enrollers: BTreeMap<String, Arc<dyn Enroller>>,
}

impl ByProofKind {
    /// Makes an enroller that refuses every type.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the enroller with `enroller` for proofs of the type `kind`, in the place of one that it had for it.
    #[must_use]
    pub fn with(mut self, kind: impl Into<String>, enroller: Arc<dyn Enroller>) -> Self {
        self.enrollers.insert(kind.into(), enroller);
        self
    }
}

#[async_trait]
impl Enroller for ByProofKind {
    async fn decide(&self, applicant: &Applicant<'_>) -> Result<EnrolmentDecision, EngineError> {
        match self.enrollers.get(applicant.proof.kind()) {
            Some(enroller) => enroller.decide(applicant).await,
            None => {
                let supported = self.enrollers.keys().map(String::as_str);
                Ok(EnrolmentRefusal::unsupported(applicant.proof, supported).into())
            }
        }
    }
}
