//! The endpoints that have rates.

/// An endpoint that a load balancer distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// The directory (RFC 8555 section 7.1.1).
    Directory,
    /// `newNonce`.
    NewNonce,
    /// `newAccount`.
    NewAccount,
    /// `newOrder`.
    NewOrder,
    /// `revokeCert`.
    RevokeCert,
    /// `renewalInfo` (RFC 9773).
    RenewalInfo,
    /// Everything else: orders, authorizations, challenges, finalization, certificates, key changes.
    Other,
}

impl Endpoint {
    /// All endpoints.
    pub(crate) const ALL: [Self; 7] = [
        Self::Directory,
        Self::NewNonce,
        Self::NewAccount,
        Self::NewOrder,
        Self::RevokeCert,
        Self::RenewalInfo,
        Self::Other,
    ];
}
