//! A CA with an account, as a trait.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_dns::TxtValue;
use fleetcert_names::{Identifier, IdentifierSet};
use fleetcert_x509::CertificateId;
use serde::{Deserialize, Serialize};

use crate::{AcmeError, Problem};

/// A CA, with an account at it.
///
/// [`Account`](crate::Account) implements it over RFC 8555.
///
/// **Cancellation.** A call that is dropped may or may not take effect, as when its answer is lost. An order can be read
/// again by its URL.
#[async_trait]
pub trait Authority: Send + Sync + fmt::Debug {
    /// Returns the URL that names the account. A renewal counts as one only for the account that got the certificate.
    fn account_url(&self) -> &str;

    /// Returns the public key of the account, a DER SubjectPublicKeyInfo: no certificate may be for it (RFC 8555 section
    /// 11.1). `None` if it is not known here; the CA refuses such a CSR then.
    fn account_spki(&self) -> Option<Vec<u8>> {
        None
    }

    /// Places an order (RFC 8555 section 7.4). A CA may return an order that it already has for the same identifiers,
    /// with any status.
    ///
    /// # Errors
    /// Of all kinds. After `Unreachable`, `Unavailable` and `Protocol` the CA may have an order.
    async fn new_order(&self, order: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError>;

    /// Reads the order at `order_url`, to go on with it.
    ///
    /// # Errors
    /// [`NotFound`](crate::AcmeErrorKind::NotFound) when the CA no longer has it.
    async fn resume(&self, order_url: &str) -> Result<Box<dyn OrderHandle>, AcmeError>;

    /// Returns when to renew a certificate (RFC 9773).
    ///
    /// # Errors
    /// [`InvalidInput`](crate::AcmeErrorKind::InvalidInput) when the CA has no renewal information,
    /// [`Protocol`](crate::AcmeErrorKind::Protocol) when its window is not a window. After an error without
    /// [`retry_after`](AcmeError::retry_after), wait six hours (RFC 9773 section 4.3.3).
    async fn renewal_info(&self, id: &CertificateId) -> Result<RenewalInfo, AcmeError>;

    /// Revokes a certificate, given in DER, that this account ordered (RFC 8555 section 7.6).
    ///
    /// # Errors
    /// Of all kinds; a certificate that is revoked already is `Refused` with
    /// [`AlreadyRevoked`](crate::ProblemKind::AlreadyRevoked).
    async fn revoke(&self, certificate_der: &[u8], reason: RevocationReason) -> Result<(), AcmeError>;
}

/// An order at a CA, as it was last read.
#[async_trait]
pub trait OrderHandle: Send + fmt::Debug {
    /// Returns the order's URL, which never changes.
    fn url(&self) -> &str;

    /// Returns the order as it was last read.
    fn reading(&self) -> &Reading;

    /// Returns the status as it was last read.
    fn status(&self) -> OrderStatus {
        self.reading().status
    }

    /// Returns the dns-01 challenge of each authorization, read from the CA once after each
    /// [`refresh`](Self::refresh). There may be fewer authorizations than identifiers, and some for a parent domain.
    ///
    /// # Errors
    /// Of all kinds; `Protocol` also when a pending authorization has no dns-01 challenge.
    async fn challenges(&mut self) -> Result<Vec<Dns01>, AcmeError>;

    /// Returns the challenges as far as they are known without a request: as [`challenges`](Self::challenges) read them,
    /// and as the replies to [`answer`](Self::answer) changed them. Default: none.
    fn known_challenges(&self) -> Vec<Dns01> {
        Vec::new()
    }

    /// Asks the CA to validate the challenge record of `identifier`.
    ///
    /// # Errors
    /// Of all kinds; `InvalidInput` when the order is not for `identifier`.
    async fn answer(&mut self, identifier: &Identifier) -> Result<(), AcmeError>;

    /// Reads the order once.
    ///
    /// # Errors
    /// Of all kinds; the reading stays as it was.
    async fn refresh(&mut self) -> Result<(), AcmeError>;

    /// Sends a CSR in DER. The order may be valid after it, or still processing.
    ///
    /// # Errors
    /// Of all kinds; the reading stays as it was.
    async fn finalize(&mut self, csr_der: &[u8]) -> Result<(), AcmeError>;

    /// Downloads the chain of a valid order, in PEM. It is not checked.
    ///
    /// # Errors
    /// Of all kinds; it can be downloaded again.
    async fn certificate(&mut self) -> Result<Vec<u8>, AcmeError>;

    /// Downloads the other chains that the CA offers for the same certificate (RFC 8555 section 7.4.2), in PEM, after
    /// [`certificate`](Self::certificate). They are not checked. Default: none.
    ///
    /// # Errors
    /// Of all kinds; they can be downloaded again.
    async fn alternate_chains(&mut self) -> Result<Vec<Vec<u8>>, AcmeError> {
        Ok(Vec::new())
    }
}

/// An order to place.
///
/// ```
/// use fleetcert_acme::NewOrder;
///
/// let order = NewOrder::new("xi8qz.fleet.test,*.xi8qz.fleet.test".parse()?);
/// assert_eq!(order.identifiers.challenge_names().len(), 1, "one record set, two values");
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    /// Identifiers of the certificate.
    pub identifiers: IdentifierSet,
    /// Certificate that this one replaces (RFC 9773 section 5). A hint: a CA that refuses it gets the same order
    /// without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<CertificateId>,
    /// Profile: one of those that the CA's directory lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

impl NewOrder {
    /// Returns an order for these identifiers, with the CA's default profile.
    pub fn new(identifiers: IdentifierSet) -> Self {
        Self { identifiers, replaces: None, profile: None }
    }
}

/// An order as a CA described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Status.
    pub status: OrderStatus,
    /// Wait until the next reading that the CA asked for.
    pub retry_after: Option<Duration>,
    /// Reason why the order is invalid, if the order has it.
    pub problem: Option<Problem>,
}

/// Status of an order (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderStatus {
    /// An identifier is not authorized yet.
    Pending,
    /// The order can be finalized.
    Ready,
    /// The certificate is being issued.
    Processing,
    /// The certificate can be downloaded.
    Valid,
    /// The order has failed for good.
    Invalid,
}

/// The dns-01 challenge of one authorization (RFC 8555 section 8.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns01 {
    /// Identifier to validate. The record goes to its [`challenge_name`](Identifier::challenge_name), which a wildcard
    /// shares with its base.
    pub identifier: Identifier,
    /// Value of the TXT record; `None` unless the status is `Pending`.
    pub value: Option<TxtValue>,
    /// Status of the authorization. `Dead` also if the challenge alone is invalid.
    pub status: AuthorizationStatus,
    /// Problem that the CA found when it validated.
    pub problem: Option<Problem>,
}

/// Status of the authorization of an identifier (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthorizationStatus {
    /// The challenge is not answered yet, or the CA is validating.
    Pending,
    /// The identifier is validated.
    Valid,
    /// It failed, expired, or was deactivated; the order cannot succeed.
    Dead,
}

/// Window in which a CA wants a certificate renewed (RFC 9773 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalInfo {
    /// Beginning of the window. If it has passed, renew at once.
    pub start: SystemTime,
    /// End of the window; later than its beginning.
    pub end: SystemTime,
    /// Page that explains the window to an operator; an `http` or `https` URL.
    pub explanation_url: Option<String>,
    /// Poll interval that the CA names, between a minute and a day.
    pub poll_after: Duration,
}

/// Reason for a revocation (RFC 5280 section 5.3.1): those that public CAs accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// No reason.
    #[default]
    Unspecified,
    /// Another party has the key. The CA refuses the key from then on.
    KeyCompromise,
    /// Another certificate takes its place.
    Superseded,
    /// The name is no longer in use.
    CessationOfOperation,
}

impl RevocationReason {
    /// Returns the CRLReason.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
        }
    }
}

// The traits must stay usable as `dyn`.
const _: Option<(&dyn Authority, &dyn OrderHandle)> = None;
