//! What a request goes to.

/// What a load balancer tells apart.
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
    /// All else: orders, authorizations, challenges, finalisation, certificates, key changes.
    Other,
}

impl Endpoint {
    /// All of them.
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
