//! Flattened JWS and JWK as RFC 8555 uses them.
//!
//! Use it to sign or verify ACME requests and similar messages, such as those of fleetcert's device protocol. A
//! [`FlattenedJws`] is made from a [`ProtectedHeader`], a payload and a [`Signer`]. An [`UnverifiedJws`] is parsed
//! from bytes, and only [`UnverifiedJws::verify`] turns it into a [`VerifiedJws`] whose payload can be trusted. The
//! key determines the algorithm: `none` does not exist, and a header cannot choose another one.
//!
//! ```
//! use fleetcert_jose::{Algorithm, FlattenedJws, KeyPair, KeyReference};
//! use fleetcert_jose::{ProtectedHeader, Signer, UnverifiedJws};
//!
//! let key = KeyPair::generate(Algorithm::Es256)?;
//! let account = KeyReference::Jwk(key.jwk().clone());
//! let url = "https://ca.test/new-account";
//! let header = ProtectedHeader::new(&key, account).url(url);
//! let sent = FlattenedJws::sign(&header, b"{}", &key)?.to_json();
//! let verified = UnverifiedJws::parse(&sent)?.verify(key.jwk())?;
//! assert_eq!(verified.payload(), b"{}");
//! # Ok::<(), fleetcert_jose::JoseError>(())
//! ```

mod algorithm;
mod base64url;
mod error;
mod header;
mod jwk;
mod jws;
mod key_pair;
mod members;
mod problem_kind;
mod public_key;

pub use algorithm::Algorithm;
pub use error::{JoseError, JoseErrorKind};
pub use header::{KeyReference, ProtectedHeader};
pub use jwk::{Jwk, Thumbprint};
pub use jws::{FlattenedJws, MAX_JWS, UnverifiedJws, VerifiedJws};
pub use key_pair::{KeyPair, Signer};
pub use problem_kind::ProblemKind;
