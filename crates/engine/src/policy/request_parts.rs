//! A request as an authenticator sees it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use fleetcert_protocol::request::SignedRequest;

/// The parts of a request that can say which device sent it.
///
/// An authenticator uses what it needs: [`DeviceKeys`](crate::DeviceKeys) the signed envelope, an authenticator for
/// mutual TLS the client's certificate and the plain body.
#[derive(Debug)]
pub struct RequestParts {
    /// URL at which the request arrived, made from the configured base and the route, never from a header.
    pub url: String,
    /// Signed request, whose nonce was checked and is spent; `None` for a plain body.
    pub envelope: Option<SignedRequest>,
    /// Body as it arrived: the envelope, or the payload itself where there is none.
    pub body: Vec<u8>,
    /// Where the request came from.
    pub origin: RequestOrigin,
}

/// Where a request came from, as the listener saw it.
#[derive(Clone, Debug, Default)]
pub struct RequestOrigin {
    /// Address of the sender; `None` where the listener does not tell.
    pub address: Option<IpAddr>,
    /// Certificate by which the sender authenticated in the TLS handshake, if it did.
    pub tls_identity: Option<TlsClientIdentity>,
}

/// The certificate chain of a TLS client, which proved in the handshake that it holds the leaf's key.
///
/// The listener builds one after the handshake, and only for a chain that its own rules accepted. `Debug` shows
/// sizes alone. Clones share the chain.
///
/// ```
/// use fleetcert_engine::TlsClientIdentity;
///
/// let (leaf, issuer) = (vec![0x30, 0], vec![0x30, 0]); // DER, from the handshake
/// let identity = TlsClientIdentity::new(leaf.clone(), [issuer]);
/// assert_eq!(identity.leaf(), leaf);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TlsClientIdentity(Arc<[Vec<u8>]>);

impl TlsClientIdentity {
    /// Makes an identity from the DER of the client's own certificate and of those above it.
    pub fn new(leaf: Vec<u8>, issuers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(std::iter::once(leaf).chain(issuers).collect())
    }

    /// Returns the client's own certificate, DER.
    pub fn leaf(&self) -> &[u8] {
        &self.0[0]
    }

    /// Returns the whole chain, DER, the client's own certificate first.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.0
    }
}

impl fmt::Debug for TlsClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.0.iter().map(Vec::len).collect::<Vec<_>>();
        f.debug_struct("TlsClientIdentity").field("octets", &sizes).finish()
    }
}
