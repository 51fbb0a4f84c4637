//! The resources of the server and where they stand.

use std::fmt;

use crate::table::Id;

/// What a request is for (the resources of RFC 8555 section 7.1 and RFC 9773 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// The directory object; `GET`.
    Directory,
    /// A fresh nonce; `HEAD` or `GET`.
    NewNonce,
    /// A new account, or the URL of one by its key.
    NewAccount,
    /// An account.
    Account,
    /// A new order.
    NewOrder,
    /// An order.
    Order,
    /// Where the CSR goes.
    Finalize,
    /// An authorization.
    Authorization,
    /// A challenge.
    Challenge,
    /// A certificate chain.
    Certificate,
    /// Revocation.
    RevokeCertificate,
    /// Renewal information; `GET`.
    RenewalInfo,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Directory,
        Self::NewNonce,
        Self::NewAccount,
        Self::Account,
        Self::NewOrder,
        Self::Order,
        Self::Finalize,
        Self::Authorization,
        Self::Challenge,
        Self::Certificate,
        Self::RevokeCertificate,
        Self::RenewalInfo,
    ];

    /// Its path below the base URL. Where [`is_collection`](Self::is_collection) holds, a slash and an
    /// identifier follow.
    pub fn path(self) -> &'static str {
        match self {
            Self::Directory => "/directory",
            Self::NewNonce => "/acme/new-nonce",
            Self::NewAccount => "/acme/new-account",
            Self::Account => "/acme/account",
            Self::NewOrder => "/acme/new-order",
            Self::Order => "/acme/order",
            Self::Finalize => "/acme/finalize",
            Self::Authorization => "/acme/authorization",
            Self::Challenge => "/acme/challenge",
            Self::Certificate => "/acme/certificate",
            Self::RevokeCertificate => "/acme/revoke-cert",
            Self::RenewalInfo => "/acme/renewal-info",
        }
    }

    /// Whether there are many of the kind, told apart by an identifier.
    pub fn is_collection(self) -> bool {
        matches!(
            self,
            Self::Account
                | Self::Order
                | Self::Finalize
                | Self::Authorization
                | Self::Challenge
                | Self::Certificate
                | Self::RenewalInfo
        )
    }

    /// The resource that stands at `path`, which is relative to the base URL.
    ///
    /// ```
    /// use fleetcert_acme_server::Resource;
    ///
    /// assert_eq!(Resource::at("/acme/new-order"), Some(Resource::NewOrder));
    /// assert_eq!(Resource::at("/acme/order/xyz"), Some(Resource::Order));
    /// assert_eq!(Resource::at("/acme/order"), None);
    /// ```
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| match path.strip_prefix(resource.path()) {
            Some(rest) if resource.is_collection() => rest.len() > 1 && rest.starts_with('/'),
            Some(rest) => rest.is_empty(),
            None => false,
        })
    }

    /// The pattern of the path for axum.
    pub(crate) fn pattern(self) -> String {
        if self.is_collection() { format!("{}/{{id}}", self.path()) } else { self.path().to_owned() }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path().rsplit('/').next().unwrap_or_default())
    }
}

/// The URLs below one base.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    base: String,
}

impl Urls {
    /// `base` without a slash at its end.
    pub(crate) fn new(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned() }
    }

    pub(crate) fn of(&self, resource: Resource) -> String {
        format!("{}{}", self.base, resource.path())
    }

    pub(crate) fn one(&self, resource: Resource, id: Id) -> String {
        format!("{}{}/{id}", self.base, resource.path())
    }

    /// The URL under which a request for `path_and_query` was signed.
    pub(crate) fn signed(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.base)
    }

    /// The identifier in `url`, if it is one of `resource`.
    pub(crate) fn id_of(&self, resource: Resource, url: &str) -> Option<Id> {
        url.strip_prefix(&self.base)?.strip_prefix(resource.path())?.strip_prefix('/')?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_is_found_at_its_own_path_only() {
        for resource in Resource::ALL {
            let path = if resource.is_collection() {
                format!("{}/x", resource.path())
            } else {
                resource.path().to_owned()
            };
            assert_eq!(Resource::at(&path), Some(resource));
        }
        for path in ["", "/", "/acme", "/acme/new-orders", "/acme/order/"] {
            assert_eq!(Resource::at(path), None, "{path}");
        }
    }

    #[test]
    fn an_identifier_comes_back_from_its_url() {
        let urls = Urls::new("https://ca.test/");
        let id = Id::from_bytes([7; 16]);
        let url = urls.one(Resource::Account, id);
        assert_eq!(urls.id_of(Resource::Account, &url), Some(id));
        assert_eq!(urls.id_of(Resource::Order, &url), None);
        assert_eq!(Urls::new("https://other.test").id_of(Resource::Account, &url), None);
    }
}
