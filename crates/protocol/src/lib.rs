//! The messages between device and control server, and how they are signed and checked.
//!
//! For whoever writes a device's side or a control server's, in this language or another. A request is a
//! flattened JWS in the shape of RFC 8555 section 6: the payload is signed as it is, so nothing needs to be
//! canonical; the server chooses the nonce, so no device clock is trusted; the URL is signed, so a request cannot
//! be carried elsewhere. A new device signs with the key that it brings (`jwk`), an enrolled one is known by its
//! id (`kid`). Answers are plain JSON; every one carries the nonce for the next request.
//!
//! ```
//! use fleetcert_jose::{Algorithm, KeyPair, KeyReference, Signer};
//! use fleetcert_protocol::{AddressReport, DeviceId, request::{self, SignedRequest}};
//!
//! let key = KeyPair::generate(Algorithm::EdDsa)?;
//! let device: DeviceId = "AAAAAAAAAAAAAAAAAAAAAA".parse()?;
//! let report = AddressReport::new(["10.1.1.4".parse()?])?;
//! let who = KeyReference::Kid(device.to_string());
//! let body = request::sign("https://control.test/v1/addresses", "bm9uY2U", &who, &report, &key)?;
//!
//! let arrived = SignedRequest::parse(&body)?;
//! assert_eq!(arrived.device(), Some(&device));
//! let seen: AddressReport = arrived.open(key.jwk(), "https://control.test/v1/addresses")?;
//! assert_eq!(seen, report);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | route | payload | answer |
//! | --- | --- | --- |
//! | `HEAD` or `GET` [`route::NONCE`] | | the nonce alone |
//! | `POST` [`route::ENROL`] | [`EnrolRequest`], signed with `jwk` | [`Enrolled`] |
//! | `POST` [`route::ADDRESSES`] | [`AddressReport`] | [`AddressesAccepted`] |
//! | `POST` [`route::CERTIFICATE`] | [`CertificateRequest`] | [`CertificateStatus`] |
//! | `POST` [`route::CERTIFICATE_STATUS`] | [`StatusRequest`] | [`CertificateStatus`] |

mod addresses;
mod certificate;
mod device_id;
mod enrolment;
mod error;
mod object;
mod private_key;
mod problem;
pub mod request;
pub mod route;

pub use addresses::{AddressReport, AddressesAccepted};
pub use certificate::{CertificateRequest, CertificateStatus, CsrBytes, StatusRequest};
pub use device_id::DeviceId;
pub use enrolment::{EnrolRequest, Enrolled, EnrolmentToken};
pub use error::{ProtocolError, ProtocolErrorKind};
pub use problem::{Problem, ProblemKind};
