//! The state of a certificate's chain.

use std::fmt;

/// Whether the certificate's chain is in its file, and what is missing.
///
/// Positions count from 0, the certificate itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChainState {
    /// Complete up to a root: a given one or, if none were given, the self-signed one in the file.
    Complete,
    /// Complete up to an issuer that is not in the file, as servers send chains. Without given roots, it is unknown
    /// whether that issuer is a root.
    Open {
        /// Issuer of the last certificate.
        issuer: String,
    },
    /// The certificate is self-signed and not one of the given roots.
    SelfSigned,
    /// The issuer of a certificate is missing in the file, and not one of the given roots. Without given roots, a
    /// single server certificate counts as this too: no public CA signs it with a root's key (Baseline Requirements
    /// section 6.1.7).
    MissingIssuer {
        /// Position of the certificate without its issuer.
        position: usize,
        /// Name of the missing certificate.
        issuer: String,
    },
    /// A certificate has the issuer's name, but did not sign.
    BrokenLink {
        /// Position of the certificate that it did not sign.
        position: usize,
        /// Name that both have.
        issuer: String,
    },
    /// All links are there, but not in the order leaf, issuer, issuer's issuer, in which servers send them.
    Disordered,
    /// The chain ends in a self-signed certificate that is not one of the given roots.
    UnknownRoot {
        /// Name of the root.
        root: String,
    },
    /// The issuers form a circle, or there are more than ten.
    Endless,
}

impl ChainState {
    /// Returns one or two words for a table.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Open { .. } => "open",
            Self::SelfSigned => "self-signed",
            Self::MissingIssuer { .. } => "incomplete",
            Self::BrokenLink { .. } => "broken",
            Self::Disordered => "disordered",
            Self::UnknownRoot { .. } => "unknown root",
            Self::Endless => "endless",
        }
    }

    /// Returns whether a server can send it as it is: [`Complete`](Self::Complete) or [`Open`](Self::Open).
    pub(crate) fn can_be_served(&self) -> bool {
        matches!(self, Self::Complete | Self::Open { .. })
    }
}

impl fmt::Display for ChainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => write!(f, "the chain is complete"),
            Self::Open { issuer } => {
                write!(f, "the chain leads to \"{issuer}\", which is not in the file, as is usual for a root")
            }
            Self::SelfSigned => write!(f, "the certificate is self-signed"),
            Self::MissingIssuer { position, issuer } => {
                write!(f, "the issuer \"{issuer}\" of certificate {position} of the chain is missing")
            }
            Self::BrokenLink { position, issuer } => {
                write!(f, "certificate {position} of the chain was not signed by this \"{issuer}\"")
            }
            Self::Disordered => write!(f, "the certificates of the chain are not in order"),
            Self::UnknownRoot { root } => {
                write!(f, "the chain leads to the root \"{root}\", which is not one of the given roots")
            }
            Self::Endless => write!(f, "the chain does not end"),
        }
    }
}
