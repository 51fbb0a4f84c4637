//! The issuer: decides, validates and signs.

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use fleetcert_names::{Identifier, IdentifierSet};
use fleetcert_x509::{CertificateId, Chain, Leaf, VerifiedCsr};

use crate::{Problem, Resource};

/// The issuer behind an [`AcmeServer`](crate::AcmeServer): a CA, or a control server that fronts one.
///
/// The server implements the protocol; the issuer decides. A [`Problem`] that a method returns goes to the client.
/// `validate` and `issue` run in the background work of [`AcmeServer::run`](crate::AcmeServer::run), many at
/// once, each under a deadline after which its future is dropped; the other methods run inside a request.
#[async_trait]
pub trait Issuer: Send + Sync + Debug {
    /// Asked first for every request to one of the server's resources, before anything of it is read. Here stand
    /// limits on requests, maintenance and scripted faults. Takes all by default.
    ///
    /// `from` is the peer of the connection, if the server of the router provides a
    /// [`ConnectInfo`](axum::extract::ConnectInfo) of a socket address.
    async fn admit(&self, resource: Resource, from: Option<IpAddr>) -> Result<(), Problem> {
        let _ = (resource, from);
        Ok(())
    }

    /// Whether a new account may be made. Not asked for an account that is there. Takes all by default.
    async fn admit_account(&self, from: Option<IpAddr>) -> Result<(), Problem> {
        let _ = from;
        Ok(())
    }

    /// The account that was admitted last from there could not be made after all.
    fn account_not_created(&self, from: Option<IpAddr>) {
        let _ = from;
    }

    /// Whether the limits of the account and of the names allow an order (`rateLimited`). Asked first, for every
    /// order that is well-formed, also when an order is used again, as Boulder does it. Takes all by default.
    async fn limit_order(&self, order: &OrderRequest<'_>) -> Result<(), Problem> {
        let _ = order;
        Ok(())
    }

    /// The order that [`limit_order`](Self::limit_order) took could not be made after all.
    fn order_not_created(&self, order: &OrderRequest<'_>) {
        let _ = order;
    }

    /// Whether a new order may be made: names (`rejectedIdentifier`, see [`Problem::of_identifiers`]) and whatever else
    /// is the issuer's own. Not asked when an order is used again.
    async fn admit_order(&self, order: &OrderRequest<'_>) -> Result<(), Problem>;

    /// Looks up the challenge's TXT record, and everything else on which the right to the name depends, such as
    /// CAA records. The problem is one of type `dns`, `unauthorized` or `caa`, or `serverInternal`.
    async fn validate(&self, challenge: &Dns01Challenge) -> Result<(), Problem>;

    /// Signs: a chain whose leaf has exactly the key of the CSR and the identifiers of the request.
    async fn issue(&self, request: &IssueRequest) -> Result<Chain, Problem>;

    /// When a certificate that this server issued, and nobody revoked, should be renewed.
    async fn renewal_info(&self, leaf: &Leaf) -> Result<RenewalInfo, Problem>;
}

/// The proof that the trait can be a trait object.
const _: Option<&dyn Issuer> = None;

/// An order that a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct OrderRequest<'a> {
    /// The URL of the account.
    pub account_url: &'a str,
    /// Identifiers to be certified.
    pub identifiers: &'a IdentifierSet,
    /// One of the profiles of the directory.
    pub profile: Option<&'a str>,
    /// The certificate that this one is to replace; it is known, the account's own, and shares a name.
    pub replaces: Option<&'a CertificateId>,
}

/// A dns-01 challenge to validate (RFC 8555 section 8.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns01Challenge {
    /// Identifier to validate; the record stands at its [`challenge_name`](Identifier::challenge_name).
    pub identifier: Identifier,
    /// The value that one of the TXT records must have.
    pub txt_value: String,
    /// The URL of the account, for CAA `accounturi` (RFC 8657 section 3).
    pub account_url: String,
}

/// A certificate to issue: everything about it was validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueRequest {
    /// CSR with the key.
    pub csr: VerifiedCsr,
    /// Identifiers of the order; those of the CSR are the same.
    pub identifiers: IdentifierSet,
    /// One of the profiles of the directory.
    pub profile: Option<String>,
    /// The URL of the account.
    pub account_url: String,
    /// The certificate that it replaces.
    pub replaces: Option<CertificateId>,
}

/// When to renew (RFC 9773 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalInfo {
    /// The beginning of the window.
    pub start: SystemTime,
    /// Its end, later than the beginning.
    pub end: SystemTime,
    /// A page that says why, for the operator.
    pub explanation_url: Option<String>,
    /// When the client should ask again.
    pub retry_after: Duration,
}
