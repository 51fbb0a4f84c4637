//! DNS messages, TSIG and one bounded exchange with one server, on hickory's codec.
//!
//! Use this crate in code that speaks DNS on the wire: a backend that sends RFC 2136 updates, a query to an
//! authoritative server, a name server. The codec is hickory-proto; this crate converts its names and values
//! ([`name`], [`record`]), bounds the memory of decoding ([`message`]), and signs and verifies with TSIG ([`tsig`]).
//! It exchanges one message for one reply over UDP, TCP ([`exchange`]) or TLS ([`Tls`]), or many on a persistent
//! connection ([`Connection`]). No input panics.
//!
//! ```
//! use fleetcert_dns_wire::{TsigKey, message, tsig};
//! use hickory_proto::rr::RecordType;
//! use std::time::SystemTime;
//!
//! let key = TsigKey::parse(
//!     r#"key "ddns" {
//!         algorithm hmac-sha256;
//!         secret "c2VjcmV0IG9mIHRoZSBkb2NzIQ==";
//!     };"#,
//! )?;
//! let query = message::query(7, &"xi8qz.fleet.test".parse()?, RecordType::A);
//! let time = SystemTime::UNIX_EPOCH;
//! let signed = tsig::sign_request(&message::encode(&query)?, &key, time)?;
//! let checked = tsig::verify_request(&signed.message, [&key], time)?;
//! let tsig::Checked::Signed(request) = checked else { panic!("not signed") };
//! assert_eq!(request.key().name(), key.name());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asked;
mod connection;
mod exchange;
pub mod frame;
pub mod message;
mod message_ids;
pub mod name;
pub mod record;
mod tls;
pub mod tsig;
mod tsig_key;

pub use connection::{Connection, Driver, Slot};
pub use exchange::{ExchangeError, ExchangeErrorKind, Transport, exchange};
pub use message_ids::MessageIds;
pub use tls::{Tls, TlsSettingsError, TlsSettingsErrorKind};
pub use tsig_key::{TsigAlgorithm, TsigKey, TsigKeyError, TsigKeyErrorKind};
