//! The messages between device and control server, and how they are signed and checked.
//!
//! Use this crate if you write a device's side or a control server's. A request is a flattened JWS in the shape of
//! RFC 8555 section 6: the payload is signed as it is, so nothing needs to be canonical; the server chooses the
//! nonce, so no device clock is trusted; the URL is signed, so a request cannot be replayed elsewhere. A new device
//! signs with the key that it brings (`jwk`), an enrolled one by its id (`kid`). Answers are plain JSON; each
//! carries the nonce for the next request.
//!
//! ```
//! use fleetcert_jose::{Algorithm, KeyPair, KeyReference, Signer};
//! use fleetcert_protocol::{AddressReport, DeviceId, request::{self, SignedRequest}};
//!
//! let key = KeyPair::generate(Algorithm::EdDsa)?;
//! let device: DeviceId = "AAAAAAAAAAAAAAAAAAAAAA".parse()?;
//! let report = AddressReport::new(["10.1.1.4".parse()?])?;
//! let sender = KeyReference::Kid(device.to_string());
//! let url = "https://control.test/v1/addresses";
//! let body = request::sign(url, "bm9uY2U", &sender, &report, &key)?;
//!
//! let arrived = SignedRequest::parse(&body)?;
//! assert_eq!(arrived.device(), Some(&device));
//! let seen: AddressReport = arrived.open(key.jwk(), url)?;
//! assert_eq!(seen, report);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | route | payload | answer |
//! | --- | --- | --- |
//! | `HEAD` or `GET` [`route::NONCE`] | | the nonce alone |
//! | `POST` [`route::ENROL`] | [`EnrolRequest`], signed with `jwk` | [`EnrolmentAnswer`] |
//! | `POST` [`route::ADDRESSES`] | [`AddressReport`] | [`AddressesAccepted`] |
//! | `POST` [`route::CERTIFICATE`] | [`CertificateRequest`] | [`CertificateStatus`] |
//! | `POST` [`route::CERTIFICATE_STATUS`] | [`StatusRequest`] | [`CertificateStatus`] |

//!
//! A refusal is a [`Problem`] with a stable kind, and a stable code where the kind has several reasons.

mod addresses;
mod certificate;
mod claims;
mod device_id;
mod enrolment;
mod enrolment_token;
mod error;
mod object;
mod private_key;
mod problem;
mod proof;
pub mod request;
pub mod route;
mod strict_json;
mod text;

pub use addresses::{AddressReport, AddressesAccepted};
pub use certificate::{CertificateRequest, CertificateStatus, CsrBytes, StatusRequest};
pub use claims::DeviceClaims;
pub use device_id::DeviceId;
pub use enrolment::{EnrolRequest, Enrolled, EnrolmentAnswer, EnrolmentPending};
pub use enrolment_token::EnrolmentToken;
pub use error::{ProtocolError, ProtocolErrorKind};
pub use problem::{Problem, ProblemKind};
pub use proof::EnrolmentProof;
