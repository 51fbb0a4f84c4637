//! The check of a chain against the order.

use std::time::{Duration, SystemTime};

use fleetcert_names::{Identifier, IdentifierSet};
use rustls_pki_types::{ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::{Chain, Leaf, Roots, link};

/// The properties that a chain must have.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// Public key of the CSR: a DER SubjectPublicKeyInfo.
    pub spki: &'a [u8],
    /// Ordered identifiers: the leaf must have all of them and no other name.
    pub identifiers: &'a IdentifierSet,
    /// Time at which the chain must be valid.
    pub now: SystemTime,
    /// Roots to which the chain must lead. With `None`, only the links within the chain are checked. This is enough if
    /// the CA was reached over an authenticated connection and its root is unknown here.
    pub roots: Option<&'a Roots>,
}

/// A difference between a chain and the expectation.
///
/// It is permanent: the same chain fails again, except for [`NotYetValid`](Self::NotYetValid).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// The leaf is for another key than that of the CSR.
    #[error("the certificate is for another key")]
    WrongKey,
    /// The leaf lacks an ordered name.
    #[error("the certificate lacks the name {0}")]
    MissingName(String),
    /// The leaf has a name that was not ordered.
    #[error("the certificate has the name {0}, which was not ordered")]
    UnexpectedName(String),
    /// The leaf ends before it begins.
    #[error("the certificate's validity ends before it begins")]
    NeverValid,
    /// The leaf becomes valid more than five minutes after `now`.
    #[error("the certificate is not valid yet")]
    NotYetValid {
        /// Start of its validity.
        not_before: SystemTime,
    },
    /// The leaf has expired.
    #[error("the certificate has expired")]
    Expired {
        /// End of its validity.
        not_after: SystemTime,
    },
    /// The extended key usage of the leaf lacks serverAuth.
    #[error("the certificate is not for servers")]
    NotForServers,
    /// The leaf is a CA certificate.
    #[error("the certificate is a CA certificate")]
    IsAuthority,
    /// A certificate was not signed by the one after it.
    #[error("certificate {position} of the chain was not signed by the next one")]
    BrokenLink {
        /// Position, from 0 for the leaf.
        position: usize,
    },
    /// The lifetime of the leaf exceeds the expected one by more than a day.
    #[error("the certificate is valid for {} s instead of {} s", lifetime.as_secs(), expected.as_secs())]
    LivesTooLong {
        /// Actual lifetime.
        lifetime: Duration,
        /// Expected lifetime.
        expected: Duration,
    },
    /// A certificate after the leaf is not a CA certificate.
    #[error("certificate {position} of the chain is not a CA certificate")]
    IssuerIsNoAuthority {
        /// Position, from 1 for the issuer of the leaf.
        position: usize,
    },
    /// A certificate after the leaf has expired, or becomes valid more than five minutes after `now`.
    #[error("certificate {position} of the chain is not valid now")]
    IssuerNotValid {
        /// Position, from 1 for the issuer of the leaf.
        position: usize,
    },
    /// No path leads from the leaf to one of the roots.
    #[error("the chain does not lead to a trusted root: {reason}")]
    NotTrusted {
        /// Message of the verifier.
        reason: String,
    },
    /// A TLS client would reject the leaf for this name.
    #[error("a client would not accept the certificate for {0}")]
    NotValidForName(String),
}

/// Maximum excess of a certificate's lifetime.
const LIFETIME_LEEWAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Maximum difference by which the CA's clock may be ahead of ours.
const CLOCK_LEEWAY: Duration = Duration::from_secs(5 * 60);

impl Chain {
    /// Checks that this chain is what was ordered and that clients will accept it.
    ///
    /// Checks, in this order: the leaf's key, its names as a set, its validity at `now` with five minutes of leeway at
    /// the start, serverAuth, that it is not a CA certificate, and that each certificate is signed by the next. Then,
    /// with roots, a path to one of them as a TLS client builds it (RFC 5280 section 6), for each name; without roots,
    /// that each issuer in the chain is a CA certificate and valid now. Revocation is not checked. If you know the
    /// expected lifetime, call [`check_lifetime`](Self::check_lifetime) too.
    ///
    /// # Errors
    /// The first difference.
    ///
    /// ```no_run
    /// use fleetcert_x509::{Chain, ChainFault, Expectation, VerifiedCsr};
    ///
    /// fn check(
    ///     chain: &Chain,
    ///     csr: &VerifiedCsr,
    ///     now: std::time::SystemTime,
    /// ) -> Result<(), ChainFault> {
    ///     chain.check(&Expectation {
    ///         spki: csr.spki(),
    ///         identifiers: csr.identifiers(),
    ///         now,
    ///         roots: None,
    ///     })
    /// }
    /// ```
    pub fn check(&self, expected: &Expectation<'_>) -> Result<(), ChainFault> {
        self.check_leaf(expected)?;
        self.check_links()?;
        match expected.roots {
            Some(roots) => self.check_path(expected, roots),
            None => self.check_issuers(expected.now),
        }
    }

    /// Checks that each certificate was signed by the next one, with an algorithm that TLS clients accept.
    ///
    /// # Errors
    /// [`ChainFault::BrokenLink`] with the first certificate that was not.
    ///
    /// ```no_run
    /// # use fleetcert_x509::{Chain, ChainFault};
    /// fn is_in_order(chain: &Chain) -> bool {
    ///     chain.check_links().is_ok()
    /// }
    /// ```
    pub fn check_links(&self) -> Result<(), ChainFault> {
        let mut pairs = self.certificates().windows(2);
        match pairs.position(|pair| !link::is_signed_by(&pair[0], &pair[1])) {
            Some(position) => Err(ChainFault::BrokenLink { position }),
            None => Ok(()),
        }
    }

    /// Checks that the leaf's lifetime does not exceed `expected` by more than a day, as CAs round differently.
    ///
    /// The lifetime belongs to the CA's profile: 90 days for Let's Encrypt's `classic`, 160 hours for `shortlived`. A
    /// longer lifetime indicates a wrong profile, or a wrong CA.
    ///
    /// # Errors
    /// [`ChainFault::LivesTooLong`].
    ///
    /// ```no_run
    /// # use fleetcert_x509::{Chain, ChainFault};
    /// use std::time::Duration;
    ///
    /// fn is_short_lived(chain: &Chain) -> Result<(), ChainFault> {
    ///     chain.check_lifetime(Duration::from_secs(160 * 60 * 60))
    /// }
    /// ```
    pub fn check_lifetime(&self, expected: Duration) -> Result<(), ChainFault> {
        let lifetime = self.leaf().validity().lifetime();
        if lifetime > expected.saturating_add(LIFETIME_LEEWAY) {
            return Err(ChainFault::LivesTooLong { lifetime, expected });
        }
        Ok(())
    }

    fn check_issuers(&self, now: SystemTime) -> Result<(), ChainFault> {
        for (position, der) in self.certificates().iter().enumerate().skip(1) {
            // A leaf that repeats an extension cannot be parsed, so the count is one.
            let Some(issuer) = Leaf::from_der(der).ok().filter(Leaf::is_authority) else {
                return Err(ChainFault::IssuerIsNoAuthority { position });
            };
            if issuer.not_after() < now || is_later(issuer.not_before(), now) {
                return Err(ChainFault::IssuerNotValid { position });
            }
        }
        Ok(())
    }

    fn check_leaf(&self, expected: &Expectation<'_>) -> Result<(), ChainFault> {
        let leaf = self.leaf();
        if leaf.spki() != expected.spki {
            return Err(ChainFault::WrongKey);
        }
        let missing = expected.identifiers.iter().find(|one| leaf.identifiers().binary_search(one).is_err());
        if let Some(name) = missing {
            return Err(ChainFault::MissingName(name.to_string()));
        }
        let unexpected = leaf.identifiers().iter().find(|one| !expected.identifiers.contains(one));
        let unexpected = unexpected.map(ToString::to_string);
        if let Some(name) = unexpected.or_else(|| leaf.other_names().first().cloned()) {
            return Err(ChainFault::UnexpectedName(name));
        }
        let (not_before, not_after) = (leaf.not_before(), leaf.not_after());
        if not_after < not_before {
            return Err(ChainFault::NeverValid);
        }
        if is_later(not_before, expected.now) {
            return Err(ChainFault::NotYetValid { not_before });
        }
        if not_after < expected.now {
            return Err(ChainFault::Expired { not_after });
        }
        if !leaf.is_for_servers() {
            return Err(ChainFault::NotForServers);
        }
        if leaf.is_authority() {
            return Err(ChainFault::IsAuthority);
        }
        Ok(())
    }

    fn check_path(&self, expected: &Expectation<'_>, roots: &Roots) -> Result<(), ChainFault> {
        let untrusted = |error: webpki::Error| ChainFault::NotTrusted { reason: error.to_string() };
        let (first, issuers) = self.certificates().split_first().expect("a chain has a leaf");
        let leaf = EndEntityCert::try_from(first).map_err(untrusted)?;
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            roots.anchors(),
            issuers,
            self.time_of_path(expected.now),
            KeyUsage::server_auth(),
            None,
            None,
        )
        .map_err(untrusted)?;
        // Clients look up hosts. One host below a wildcard's base stands for all of them.
        let host = |identifier: &Identifier| match identifier.is_wildcard() {
            true => format!("a.{}", identifier.base()),
            false => identifier.to_string(),
        };
        let accepted = |identifier: &&Identifier| {
            ServerName::try_from(host(identifier))
                .is_ok_and(|server| leaf.verify_is_valid_for_subject_name(&server).is_ok())
        };
        match expected.identifiers.iter().find(|identifier| !accepted(identifier)) {
            Some(identifier) => Err(ChainFault::NotValidForName(identifier.to_string())),
            None => Ok(()),
        }
    }

    /// Returns `now`, or the latest start of validity within the leeway, which the path check does not know.
    fn time_of_path(&self, now: SystemTime) -> UnixTime {
        let beginnings = self.certificates().iter().filter_map(|der| Leaf::from_der(der).ok());
        let moment = beginnings
            .map(|one| one.not_before())
            .filter(|begin| !is_later(*begin, now))
            .fold(now, SystemTime::max);
        UnixTime::since_unix_epoch(moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }
}

fn is_later(moment: SystemTime, now: SystemTime) -> bool {
    moment.duration_since(now).is_ok_and(|ahead| ahead > CLOCK_LEEWAY)
}
