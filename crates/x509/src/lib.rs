//! Keys, certificate signing requests and chains: made, checked, encoded.
//!
//! For three parties. A **device** makes a [`KeyPair`] and a CSR ([`csr_for`]). A **control server** that accepts
//! CSRs from untrusted devices checks them by one gate, [`VerifiedCsr::parse`]: an allow-list over strict DER, with a
//! stable code for each refusal. **Both** check the CA's response before they use it: [`Chain::check`] compares key,
//! names, validity and signatures, with one [`ChainFault`] for each difference. ACME needs the [`CertificateId`] of a
//! certificate (RFC 9773).
//!
//! Over the life of a certificate:
//!
//! - **Installing it.** [`ServerFiles`] holds key and chain as nginx, HAProxy, Postfix and Dovecot read them;
//!   [`pkcs12`] puts both into one encrypted file for Java, Windows and appliances.
//! - **Its dates.** [`Leaf`] has serial number, key identifiers and [`Validity`]: the remaining days, and the time to
//!   renew if the CA gives no advice.
//! - **Monitoring.** `cargo run -p fleetcert-x509 --example inventory -- PATH...` lists the certificates in files and
//!   folders: their expiry, and whether their chains are complete.
//!
//! Keys are P-256, P-384 and RSA of 2048, 3072 and 4096 bits, generated here or parsed from the PEM that OpenSSL
//! writes.
//!
//! The crate does not use disk, network or clock, except for [`BlockedKeys::from_file`], which reads one file; `now`
//! is an argument. A private key leaves its type only through the functions that are documented for it.
//!
//! **Keys at the gate.** EC points are fully validated. An RSA key must have 2048, 3072 or 4096 bits and the exponent
//! 65537; its modulus must not have a prime factor below 752, be a perfect power, be factored by 110 rounds of
//! Fermat's method, or have the fingerprint of ROCA. A [`KeyBlocklist`] lists keys that others know. It is not
//! checked that an RSA modulus is composite and that its primes are otherwise good; only the key's owner could.
//!
//! ```
//! use fleetcert_x509::{
//!     CsrPolicy, KeyKind, KeyPair, NameGrant, VerifiedCsr, csr_for,
//! };
//!
//! let key = KeyPair::generate(KeyKind::P256)?;
//! let names = "xi8qz.fleet.test,*.xi8qz.fleet.test".parse()?;
//! let policy = CsrPolicy::device().with_grant(NameGrant::exact(&names));
//! let csr = VerifiedCsr::parse(&csr_for(&names, &key)?, &policy)?;
//! assert_eq!(csr.identifiers(), &names);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blocklist;
mod certificate_id;
mod chain;
mod csr;
mod der;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod key;
mod pem;
mod pkcs12;

pub use blocklist::{BlockedKeys, BlocklistUnavailable, KeyBlocklist};
pub use certificate_id::CertificateId;
pub use chain::{Chain, ChainFault, Expectation, Leaf, PemFile, Roots, ServerFiles, Validity};
pub use csr::{
    CsrExtension, CsrPolicy, CsrRefusal, CsrRefusalCode, KnownKeys, NameGrant, SubjectRule, Surplus,
    VerifiedCsr, csr_for,
};
pub use error::{X509Error, X509ErrorKind};
pub use key::{KeyKind, KeyPair, SignatureAlgorithm, SigningKey};
pub use pkcs12::pkcs12;
