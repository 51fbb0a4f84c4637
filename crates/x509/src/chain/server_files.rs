//! Key and chain as the files that a server program reads.

use std::fmt;

use zeroize::Zeroizing;

use super::Chain;
use crate::{KeyPair, SigningKey, X509Error, X509ErrorKind};

/// The PEM files that one server program wants, in its order.
///
/// Each constructor says which directives they are for. The certificates always stand in the order of the chain, the
/// leaf first, as it is sent in TLS (RFC 8446 section 4.4.2); keys are PKCS #8 without encryption. Who writes the
/// files sees to it that those with a key ([`PemFile::has_key`]) can be read by the server alone, and that no file
/// is ever there in half. `Debug` shows no text.
///
/// ```no_run
/// use fleetcert_x509::{Chain, KeyPair, ServerFiles, X509Error};
///
/// fn combined(chain: &Chain, key: &KeyPair) -> Result<(), X509Error> {
///     for file in ServerFiles::haproxy(chain, key)?.files() {
///         println!("{}: {} octets, secret: {}", file.directive(), file.text().len(), file.has_key());
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct ServerFiles {
    files: Vec<PemFile>,
}

/// One file of [`ServerFiles`]. Its text is wiped in the end.
pub struct PemFile {
    directive: &'static str,
    text: Zeroizing<String>,
    has_key: bool,
}

impl ServerFiles {
    /// nginx: the chain for `ssl_certificate`, the key for `ssl_certificate_key`.
    ///
    /// The server's certificate comes first, then the intermediate ones
    /// (<https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_certificate>).
    ///
    /// # Errors
    /// [`X509ErrorKind::KeyMismatch`] when the leaf is for another key; [`X509ErrorKind::Signing`] when the key cannot
    /// be written.
    pub fn nginx(chain: &Chain, key: &KeyPair) -> Result<Self, X509Error> {
        let key = key_of(chain, key)?;
        Ok(Self {
            files: vec![
                PemFile::certificates("ssl_certificate", chain),
                PemFile::with_key("ssl_certificate_key", &[&key]),
            ],
        })
    }

    /// Dovecot: the chain for `ssl_server_cert_file`, the key for `ssl_server_key_file`; before 2.4 these are
    /// `ssl_cert = <FILE` and `ssl_key = <FILE`.
    ///
    /// The server's certificate comes first, then those of its issuers
    /// (<https://doc.dovecot.org/main/core/config/ssl.html>).
    ///
    /// # Errors
    /// As [`nginx`](Self::nginx).
    pub fn dovecot(chain: &Chain, key: &KeyPair) -> Result<Self, X509Error> {
        let key = key_of(chain, key)?;
        Ok(Self {
            files: vec![
                PemFile::certificates("ssl_server_cert_file", chain),
                PemFile::with_key("ssl_server_key_file", &[&key]),
            ],
        })
    }

    /// HAProxy: one file for `crt`, the chain and then the key.
    ///
    /// (<https://docs.haproxy.org/3.0/configuration.html#5.1-crt>; the first certificate is the server's.)
    ///
    /// # Errors
    /// As [`nginx`](Self::nginx).
    pub fn haproxy(chain: &Chain, key: &KeyPair) -> Result<Self, X509Error> {
        let key = key_of(chain, key)?;
        Ok(Self { files: vec![PemFile::with_key("crt", &[&chain.to_pem(), &key])] })
    }

    /// Postfix from 3.4: one file for `smtpd_tls_chain_files`, the key and then its chain.
    ///
    /// The key must come before its certificates (<https://www.postfix.org/postconf.5.html#smtpd_tls_chain_files>).
    ///
    /// # Errors
    /// As [`nginx`](Self::nginx).
    pub fn postfix(chain: &Chain, key: &KeyPair) -> Result<Self, X509Error> {
        let key = key_of(chain, key)?;
        Ok(Self { files: vec![PemFile::with_key("smtpd_tls_chain_files", &[&key, &chain.to_pem()])] })
    }

    /// The files, one or two.
    pub fn files(&self) -> &[PemFile] {
        &self.files
    }
}

impl PemFile {
    fn certificates(directive: &'static str, chain: &Chain) -> Self {
        Self { directive, text: Zeroizing::new(chain.to_pem()), has_key: false }
    }

    fn with_key(directive: &'static str, parts: &[&str]) -> Self {
        // With room for all, so that no part is moved and left behind.
        let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
        text.extend(parts.iter().copied());
        Self { directive, text, has_key: true }
    }

    /// The directive of the server's configuration that names this file.
    pub fn directive(&self) -> &'static str {
        self.directive
    }

    /// What is to be written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the private key is in it.
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
