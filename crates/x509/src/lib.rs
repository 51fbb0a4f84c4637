//! Keys, certificate signing requests and chains: made, checked, encoded.
//!
//! For three parties. A **device** makes a [`KeyPair`] and a CSR ([`csr_for`]). A **control server** that takes
//! CSRs from devices which it does not trust lets them through one gate, [`VerifiedCsr::parse`]: an allow-list
//! over a strict DER walk of our own, with a stable code for each refusal. **Both** look at what the CA sent
//! before they use it: [`Chain::check`] compares key, names, validity and signatures, with one
//! [`ChainFault`] for each difference. ACME needs the [`CertificateId`] of a certificate (RFC 9773).
//!
//! Over the life of a certificate:
//!
//! - **Installing it.** [`ServerFiles`] has key and chain as nginx, HAProxy, Postfix and Dovecot read them, [`pkcs12`]
//!   both in one file under a passphrase, for Java, Windows and appliances.
//! - **Its dates.** [`Leaf`] tells serial number, key identifiers and [`Validity`]: the days that are left, and the moment
//!   to renew if the CA gives no advice.
//! - **Keeping watch.** `cargo run -p fleetcert-x509 --example inventory -- PATH...` lists the certificates in files and
//!   folders: until when they are valid, and whether their chains are complete.
//!
//! Keys are P-256, P-384 and RSA of 2048, 3072 and 4096 bits, made here or taken from the PEM that OpenSSL writes.
//!
//! Nothing here touches disk, network or clock, but for [`BlockedKeys::from_file`], which reads one file; `now` is an
//! argument. A private key leaves its type only by the functions that say so.
//!
//! **Keys at the gate.** EC points are validated in full. An RSA key has 2048, 3072 or 4096 bits and the exponent
//! 65537; its modulus has no prime factor below 752, is no power, does not fall to 110 rounds of Fermat's method, and
//! does not bear the fingerprint of ROCA. A [`KeyBlocklist`] knows keys that others know. Not checked: that an RSA
//! modulus is composite, and that its primes are no worse than that; no party but the key's owner could.
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
