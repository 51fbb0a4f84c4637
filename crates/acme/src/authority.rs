//! A CA as the engine sees it.

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
/// [`Account`](crate::Account) is one over RFC 8555. Dropping a call may or may not have done what it asks, as when
/// the answer is lost; an order is read again by its URL.
#[async_trait]
pub trait Authority: Send + Sync + fmt::Debug {
    /// The URL that names the account. A renewal counts as one only for the account that got the certificate.
    fn account_url(&self) -> &str;

    /// The public key of the account, a DER SubjectPublicKeyInfo: no certificate may be for it (RFC 8555 section 11.1).
    /// `None` where it is not known here; the CA refuses it then.
    fn account_spki(&self) -> Option<Vec<u8>> {
        None
    }

    /// Places an order (RFC 8555 section 7.4). A CA may give back an order that it has already for the same names,
    /// and that may be at any status.
    ///
    /// # Errors
    /// Of all kinds. After `Unreachable`, `Unavailable` and `Protocol` there may be an order.
    async fn new_order(&self, order: &NewOrder) -> Result<Box<dyn OrderHandle>, AcmeError>;

    /// Reads the order at `order_url` and goes on with it.
    ///
    /// # Errors
    /// [`NotFound`](crate::AcmeErrorKind::NotFound) when the CA has it no more.
    async fn resume(&self, order_url: &str) -> Result<Box<dyn OrderHandle>, AcmeError>;

    /// When to renew a certificate (RFC 9773).
    ///
    /// # Errors
    /// [`InvalidInput`](crate::AcmeErrorKind::InvalidInput) when the CA has no such service,
    /// [`Protocol`](crate::AcmeErrorKind::Protocol) when its window makes no sense. After an error without
    /// [`retry_after`](AcmeError::retry_after), RFC 9773 section 4.3.3 asks to wait six hours.
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
    /// Where the order is; it names it for ever.
    fn url(&self) -> &str;

    /// What the CA last said about it.
    fn reading(&self) -> &Reading;

    /// The status that the CA last told.
    fn status(&self) -> OrderStatus {
        self.reading().status
    }

    /// Returns the dns-01 challenge of each identifier, read from the CA once after each [`refresh`](Self::refresh).
    ///
    /// # Errors
    /// Of all kinds; `Protocol` also when the CA offers no dns-01 challenge, or for other identifiers.
    async fn challenges(&mut self) -> Result<Vec<Dns01>, AcmeError>;

    /// Asks the CA to validate the challenge record of `identifier`.
    ///
    /// # Errors
    /// Of all kinds; `InvalidInput` when the order is not for `identifier`.
    async fn answer(&mut self, identifier: &Identifier) -> Result<(), AcmeError>;

    /// Reads the order once.
    ///
    /// # Errors
    /// Of all kinds; the reading then stays as it was.
    async fn refresh(&mut self) -> Result<(), AcmeError>;

    /// Asks for the certificate, by a CSR in DER. The order may be valid after it, or still processing.
    ///
    /// # Errors
    /// Of all kinds; the reading then stays as it was.
    async fn finalize(&mut self, csr_der: &[u8]) -> Result<(), AcmeError>;

    /// Downloads the chain of a valid order, in PEM, leaf first. What it is, nobody has checked yet.
    ///
    /// # Errors
    /// Of all kinds; it can be asked again.
    async fn certificate(&mut self) -> Result<Vec<u8>, AcmeError>;
}

/// What to order.
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

/// What a CA said about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Where the order stands.
    pub status: OrderStatus,
    /// How long to wait before it is read again, where the CA says so.
    pub retry_after: Option<Duration>,
    /// Why the order is invalid, where the order itself says so.
    pub problem: Option<Problem>,
}

/// Where an order stands (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderStatus {
    /// Not every name is authorized yet.
    Pending,
    /// It can be finalized.
    Ready,
    /// The certificate is being made.
    Processing,
    /// The certificate can be downloaded.
    Valid,
    /// It has failed, and stays so.
    Invalid,
}

/// The dns-01 challenge of one identifier (RFC 8555 section 8.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns01 {
    /// Identifier to validate. The record goes to its [`challenge_name`](Identifier::challenge_name), which a wildcard
    /// shares with its base.
    pub identifier: Identifier,
    /// Value of the TXT record; `None` unless the status is `Pending`.
    pub value: Option<TxtValue>,
    /// Status of the authorization.
    pub status: AuthorizationStatus,
    /// Problem that the CA found when it validated.
    pub problem: Option<Problem>,
}

/// Status of the authorization of an identifier (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthorizationStatus {
    /// The challenge is to be answered, or the CA is looking.
    Pending,
    /// The name is proved.
    Valid,
    /// It failed, expired, or was given up; the order cannot succeed.
    Dead,
}

/// When a CA would like a certificate to be renewed (RFC 9773 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalInfo {
    /// The window begins. Past: renew at once.
    pub start: SystemTime,
    /// The window ends; later than it begins.
    pub end: SystemTime,
    /// A page that tells an operator why the window is what it is; an `http` or `https` URL.
    pub explanation_url: Option<String>,
    /// After this it is to be asked again: what the CA says, within a minute and a day.
    pub poll_after: Duration,
}

/// Why a certificate is revoked (RFC 5280 section 5.3.1): the reasons that public CAs take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// None given.
    #[default]
    Unspecified,
    /// Somebody else has the key. The CA refuses the key from then on.
    KeyCompromise,
    /// Another certificate takes its place.
    Superseded,
    /// The name is not used any more.
    CessationOfOperation,
}

// The traits must stay usable as `dyn`.
const _: Option<(&dyn Authority, &dyn OrderHandle)> = None;
