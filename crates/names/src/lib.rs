//! Domain names and labels: parsed once, bounded, lower case.
//!
//! For whoever takes a name from outside and must know afterwards that it is one. Each type is its own proof:
//! a [`Label`] has 1 to 63 octets, a [`DomainName`] fits into the 255 octets of RFC 1035 section 2.3.4, a
//! [`HostName`] has in addition only letters, digits and hyphens, as the names in a certificate must. All are
//! lower case, so that comparison is equality.
//!
//! What a public CA would refuse is a question of its own ([`public_refusal`]), so that names under `.test`
//! work. The registered domain, on which Let's Encrypt counts, is [`registered_domain`].
//!
//! ```
//! use fleetcert_names::{DomainName, HostName};
//!
//! let host: HostName = "XI8QZ.fleet.example.com".parse()?;
//! assert_eq!(host.challenge_name().as_str(), "_acme-challenge.xi8qz.fleet.example.com");
//! assert!(host.as_domain().is_within(&"fleet.example.com".parse::<DomainName>()?));
//! # Ok::<(), fleetcert_names::NameError>(())
//! ```

mod domain_name;
mod error;
mod host_name;
mod label;
mod public;

pub use domain_name::DomainName;
pub use error::{NameError, NameErrorKind};
pub use host_name::HostName;
pub use label::Label;
pub use public::{PublicRefusal, public_refusal, registered_domain};
