//! Flattened JWS and JWK as RFC 8555 uses them.
//!
//! For whoever signs ACME requests, takes them, or speaks fleetcert's device protocol, which has the same shape.
//! A [`FlattenedJws`] is made from a [`ProtectedHeader`], a payload and a [`Signer`]; an [`UnverifiedJws`] is
//! parsed from bytes, and only [`UnverifiedJws::verify`] turns it into a [`VerifiedJws`] whose payload may be
//! believed. The algorithm is the key's own: `none` does not exist here, and a header cannot choose.
//!
//! ```
//! use fleetcert_jose::{Algorithm, FlattenedJws, KeyPair, KeyReference, ProtectedHeader, Signer, UnverifiedJws};
//!
//! let key = KeyPair::generate(Algorithm::Es256)?;
//! let header = ProtectedHeader::new(&key, KeyReference::Jwk(key.jwk().clone())).url("https://ca.test/new-account");
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
