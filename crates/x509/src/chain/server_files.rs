//! Key and chain as the files of a server program.

use std::fmt;

use zeroize::Zeroizing;

use super::Chain;
use crate::{KeyPair, SigningKey, X509Error, X509ErrorKind};

/// The PEM files that a server program reads, in its order.
///
/// Each constructor names the directives. The certificates are always in the order of the chain, the leaf first, as
/// TLS sends them (RFC 8446 section 4.4.2); keys are unencrypted PKCS #8. When you write the files, make those with a
/// key ([`PemFile::has_key`]) readable by the server only, and replace files atomically. `Debug` shows no content.
///
/// ```no_run
/// use fleetcert_x509::{Chain, KeyPair, ServerFiles, X509Error};
///
/// fn combined(chain: &Chain, key: &KeyPair) -> Result<(), X509Error> {
///     for file in ServerFiles::haproxy(chain, key)?.files() {
///         let (directive, octets) = (file.directive(), file.text().len());
///         println!("{directive}: {octets} octets, secret: {}", file.has_key());
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct ServerFiles {
    files: Vec<PemFile>,
}

/// One file of [`ServerFiles`]. Its text is wiped when dropped.
pub struct PemFile {
    directive: &'static str,
    text: Zeroizing<String>,
    has_key: bool,
}

impl ServerFiles {
    /// Returns the files for nginx: the chain for `ssl_certificate`, the key for `ssl_certificate_key`.
    ///
    /// The server's certificate comes first, then the intermediate ones
    /// (<https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_certificate>).
    ///
    /// # Errors
    /// [`X509ErrorKind::KeyMismatch`] if the leaf is for another key; [`X509ErrorKind::Signing`] if the key cannot be
    /// encoded.
    pub fn nginx(chain: &Chain, key: &KeyPair) -> Result<Self, X509Error> {
        let key = key_of(chain, key)?;
        Ok(Self {
            files: vec![
                PemFile::certificates("ssl_certificate", chain),
                PemFile::with_key("ssl_certificate_key", &[&key]),
            ],
        })
    }

    /// Returns the files for Dovecot: the chain for `ssl_server_cert_file`, the key for `ssl_server_key_file`; before
    /// 2.4 these are `ssl_cert = <FILE` and `ssl_key = <FILE`.
    ///
    /// The server's certificate comes first, then those of its issuers
    /// (<https://doc.dovecot.org/main/core/config/ssl.html>).
    ///
    /// # Errors
    /// As for [`nginx`](Self::nginx).
    pub fn dovecot(chain: &Chain, key: &KeyPair) -> Result<Self, X509Error> {
        let key = key_of(chain, key)?;
        Ok(Self {
            files: vec![
                PemFile::certificates("ssl_server_cert_file", chain),
                PemFile::with_key("ssl_server_key_file", &[&key]),
            ],
        })
    }

    /// Returns the file for HAProxy: the chain and then the key for `crt`.
    ///
    /// (<https://docs.haproxy.org/3.0/configuration.html#5.1-crt>; the first certificate is the server's.)
    ///
    /// # Errors
    /// As for [`nginx`](Self::nginx).
    pub fn haproxy(chain: &Chain, key: &KeyPair) -> Result<Self, X509Error> {
        let key = key_of(chain, key)?;
        Ok(Self { files: vec![PemFile::with_key("crt", &[&chain.to_pem(), &key])] })
    }

    /// Returns the file for Postfix from 3.4: the key and then its chain for `smtpd_tls_chain_files`.
    ///
    /// The key must come before its certificates (<https://www.postfix.org/postconf.5.html#smtpd_tls_chain_files>).
    ///
    /// # Errors
    /// As for [`nginx`](Self::nginx).
    pub fn postfix(chain: &Chain, key: &KeyPair) -> Result<Self, X509Error> {
        let key = key_of(chain, key)?;
        Ok(Self { files: vec![PemFile::with_key("smtpd_tls_chain_files", &[&key, &chain.to_pem()])] })
    }

    /// Returns the files, one or two.
    pub fn files(&self) -> &[PemFile] {
        &self.files
    }
}

impl PemFile {
    fn certificates(directive: &'static str, chain: &Chain) -> Self {
        Self { directive, text: Zeroizing::new(chain.to_pem()), has_key: false }
    }

    fn with_key(directive: &'static str, parts: &[&str]) -> Self {
        // With space for all parts, so that no copy is left behind by a reallocation.
        let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
        text.extend(parts.iter().copied());
        Self { directive, text, has_key: true }
    }

    /// Returns the directive of the server's configuration that names this file.
    pub fn directive(&self) -> &'static str {
        self.directive
    }

    /// Returns the content.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether the file contains the private key.
    pub fn has_key(&self) -> bool {
        self.has_key
    }
}

impl fmt::Debug for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PemFile({}, {} octets)", self.directive, self.text.len())
    }
}

fn key_of(chain: &Chain, key: &KeyPair) -> Result<Zeroizing<String>, X509Error> {
    if chain.leaf().spki() != key.spki_der() {
        return Err(X509Error::new(X509ErrorKind::KeyMismatch, "the certificate is for another key"));
    }
    key.to_pkcs8_pem()
}
