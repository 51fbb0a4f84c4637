//! The base URL of an API.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The base URL of an API: `https`, without user, query and fragment.
///
/// ```
/// use fleetcert_dns_http::Endpoint;
///
/// let endpoint: Endpoint = "https://dns.example.com:8443/proxy/".parse()?;
/// assert_eq!(endpoint.to_string(), "https://dns.example.com:8443/proxy/");
/// // Plain http only on the loopback …
/// assert!("http://127.0.0.1:8081".parse::<Endpoint>().is_ok());
/// assert!("http://pdns.example.com:8081".parse::<Endpoint>().is_err());
/// // … or where it is explicit.
/// assert!(Endpoint::without_tls("http://pdns.example.com:8081").is_ok());
/// # Ok::<(), fleetcert_dns_http::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

/// The text is not an [`Endpoint`]. It is not shown, because it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It is not an absolute URL with a host.
    #[error("the base URL is not an absolute URL with a host")]
    NotAUrl,
    /// It is neither `https` nor, on the loopback, `http`.
    #[error("the base URL is not https; over http the network can read the token")]
    NotHttps,
    /// It holds a user or a password.
    #[error("the base URL holds a user or a password; give secrets in the options of the backend")]
    HoldsUser,
    /// It has a query or a fragment.
    #[error("the base URL has a query or a fragment")]
    HoldsQuery,
}

impl Endpoint {
    /// Parses the URL, with `http` allowed. The network can then read the token and change the answers.
    ///
    /// # Errors
    /// An [`EndpointError`], but not [`NotHttps`](EndpointError::NotHttps) for `http`.
    pub fn without_tls(text: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(text).map_err(|_| EndpointError::NotAUrl)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(EndpointError::NotHttps);
        }
        if url.host().is_none() {
            return Err(EndpointError::NotAUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::HoldsUser);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::HoldsQuery);
        }
        Ok(Self(url))
    }

    /// Returns the endpoint of a public API.
    #[cfg(any(
        feature = "azure",
        feature = "cloudflare",
        feature = "desec",
        feature = "digitalocean",
        feature = "google",
        feature = "hetzner",
        feature = "route53"
    ))]
    pub(crate) fn of_provider(url: &'static str) -> Self {
        url.parse().expect("the providers' base URLs are https URLs")
    }

    /// Returns the URL with these segments below the base, each percent-encoded.
    pub(crate) fn join<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.0.clone();
        url.path_segments_mut().expect("an http URL has a path").pop_if_empty().extend(segments);
        url
    }

    /// Returns whether the URL has the same origin. A token is sent nowhere else.
    pub(crate) fn has_same_origin(&self, url: &Url) -> bool {
        self.0.origin() == url.origin()
    }

    /// Returns the server, for errors.
    pub(crate) fn server(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let endpoint = Self::without_tls(text)?;
        let on_this_machine = match endpoint.0.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if endpoint.0.scheme() == "https" || on_this_machine {
            Ok(endpoint)
        } else {
            Err(EndpointError::NotHttps)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_endpoint() {
        for (text, error) in [
            ("fleet.test", EndpointError::NotAUrl),
            ("file:///etc/passwd", EndpointError::NotHttps),
            ("https://user:secret@dns.test/", EndpointError::HoldsUser),
            ("https://user@dns.test/", EndpointError::HoldsUser),
            ("https://dns.test/?token=secret", EndpointError::HoldsQuery),
            ("https://dns.test/#a", EndpointError::HoldsQuery),
            ("http://127.0.0.1.dns.test/", EndpointError::NotHttps),
            ("http://10.0.0.1/", EndpointError::NotHttps),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
        assert!("http://[::1]:8081/".parse::<Endpoint>().is_ok());
        assert!("http://localhost/".parse::<Endpoint>().is_ok());
    }

    #[test]
    fn segments_are_encoded_below_the_base() {
        for base in ["https://dns.test/v1", "https://dns.test/v1/"] {
            let endpoint: Endpoint = base.parse().unwrap();
            assert_eq!(endpoint.join(["a/b?c", "@", ""]).as_str(), "https://dns.test/v1/a%2Fb%3Fc/@/");
            assert_eq!(endpoint.server(), "dns.test");
        }
    }

    #[test]
    fn the_origin_is_scheme_host_and_port() {
        let endpoint: Endpoint = "https://dns.test/v1".parse().unwrap();
        for (url, same) in [
            ("https://dns.test/v2?page=2", true),
            ("https://dns.test:443/", true),
            ("https://dns.test:444/", false),
            ("http://dns.test/", false),
            ("https://dns.test.evil.test/", false),
        ] {
            assert_eq!(endpoint.has_same_origin(&url.parse().unwrap()), same, "{url}");
        }
    }
}
