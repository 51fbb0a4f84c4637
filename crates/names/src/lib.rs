//! Domain names, labels and the identifiers of certificates: parsed once, bounded, lower case.
//!
//! Use this crate where a name comes from outside and the rest of the program must be able to rely on it. Each type is
//! its own proof:
//!
//! - a [`Label`] has 1 to 63 octets,
//! - a [`DomainName`] fits into the 255 octets of RFC 1035 section 2.3.4,
//! - a [`HostName`] has only letters, digits and hyphens, as the names in a certificate must,
//! - an [`Identifier`] is a host name or a wildcard, and an [`IdentifierSet`] is what one certificate is for.
//!
//! All are lower case, so comparison is equality.
//!
//! Parsing accepts names under `.test` and `.internal`, so that a fleet can be tried out. [`public_refusal`] says
//! whether a public CA would refuse a name, and [`registered_domain`] returns the domain on which Let's Encrypt counts.
//!
//! ```
//! use fleetcert_names::{DomainName, HostName, IdentifierSet};
//!
//! let host: HostName = "XI8QZ.fleet.example.com".parse()?;
//! let zone: DomainName = "fleet.example.com".parse()?;
//! assert!(host.as_domain().is_within(&zone));
//! assert_eq!(
//!     host.challenge_name().as_str(),
//!     "_acme-challenge.xi8qz.fleet.example.com"
//! );
//! let both: IdentifierSet = format!("{host},*.{host}").parse()?;
//! assert_eq!(both.len(), 2);
//! # Ok::<(), fleetcert_names::NameError>(())
//! ```

mod domain_name;
mod error;
mod host_name;
mod identifier;
mod identifier_set;
mod label;
mod public;

pub use domain_name::DomainName;
pub use error::{NameError, NameErrorKind};
pub use host_name::HostName;
pub use identifier::Identifier;
pub use identifier_set::IdentifierSet;
pub use label::Label;
pub use public::{PublicRefusal, public_refusal, registered_domain};
