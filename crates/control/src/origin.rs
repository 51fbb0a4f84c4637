//! Where a request came from, by what the listener says.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::Extensions;
use fleetcert_engine::{RequestOrigin, TlsClientIdentity};

/// The address of the client, as a layer of yours knows it better than the listener: behind a proxy, where the peer
/// of every connection is the proxy.
///
/// Insert it as an extension of the request, and only from a header of a proxy that you run. It takes the place of
/// axum's [`ConnectInfo`].
///
/// ```
/// use axum::extract::Request;
/// use axum::{Router, middleware::map_request};
/// use fleetcert_control::ClientAddress;
///
/// /// The proxy replaces this header, whatever a client sent in it.
/// async fn by_proxy(mut request: Request) -> Request {
///     let header = request.headers().get("x-real-ip");
///     if let Some(address) = header.and_then(|text| text.to_str().ok()?.parse().ok()) {
///         request.extensions_mut().insert(ClientAddress(address));
///     }
///     request
/// }
///
/// # let device_api = Router::new();
/// let served: Router = device_api.layer(map_request(by_proxy));
/// # drop(served);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Returns the client's address; `None` where neither a layer nor the listener tells.
pub(crate) fn client_address(extensions: &Extensions) -> Option<IpAddr> {
    let told = extensions.get::<ClientAddress>().map(|ClientAddress(address)| *address);
    let peer = || extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    told.or_else(peer).map(|address| address.to_canonical())
}

/// Returns all that the listener says of the sender.
pub(crate) fn origin(extensions: &Extensions) -> RequestOrigin {
    RequestOrigin {
        address: client_address(extensions),
        tls_identity: extensions.get::<TlsClientIdentity>().cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_knows_the_address_better_than_the_listener() {
        let mut extensions = Extensions::new();
        assert_eq!(client_address(&extensions), None);
        extensions.insert(ConnectInfo::<SocketAddr>("[::ffff:192.0.2.1]:7".parse().unwrap()));
        assert_eq!(client_address(&extensions), Some("192.0.2.1".parse().unwrap()));
        extensions.insert(ClientAddress("198.51.100.1".parse().unwrap()));
        assert_eq!(client_address(&extensions), Some("198.51.100.1".parse().unwrap()));
    }
}
