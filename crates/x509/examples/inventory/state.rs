//! Whether a file's certificate comes with its chain.

use std::fmt;

/// Whether the certificate's chain is in its file, and what is missing.
///
/// Positions count from 0 for the certificate itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChainState {
    /// Linked up to a root: one that was given, or if none were given, the self-signed one in the file.
    Complete,
    /// Linked up to an issuer that is not in the file, as servers send chains. Whether that is a root is not known,
    /// as no roots were given.
    Open {
        /// The issuer of the last certificate.
        issuer: String,
    },
    /// The certificate signed itself, and is not one of the roots that were given.
    SelfSigned,
    /// The issuer of a certificate is not in the file, and not among the roots if some were given. Without roots a
    /// server's certificate that stands alone counts as this too: no public CA signs them with a root's key
    /// (Baseline Requirements section 6.1.7).
    MissingIssuer {
        /// Which certificate of the chain lacks it.
        position: usize,
        /// The name of the missing certificate.
        issuer: String,
    },
    /// A certificate of the issuer's name is there, but it did not sign.
    BrokenLink {
        /// Which certificate of the chain it did not sign.
        position: usize,
        /// The name that both have.
        issuer: String,
    },
    /// All links are there, but not in the order leaf, issuer, issuer's issuer. Servers send them as they stand.
    Disordered,
    /// The chain ends in a self-signed certificate that is none of the roots that were given.
    UnknownRoot {
        /// Its name.
        root: String,
    },
    /// The issuers go round in a circle, or there are more than ten.
    Endless,
}

impl ChainState {
    /// One or two words for a table.
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

    /// Whether a server can send it as it is: [`Complete`](Self::Complete) or [`Open`](Self::Open).
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
            Self::SelfSigned => write!(f, "the certificate signed itself"),
            Self::MissingIssuer { position, issuer } => {
                write!(f, "the issuer \"{issuer}\" of certificate {position} of the chain is missing")
            }
            Self::BrokenLink { position, issuer } => {
                write!(f, "certificate {position} of the chain was not signed by this \"{issuer}\"")
            }
            Self::Disordered => write!(f, "the certificates of the chain do not follow each other"),
            Self::UnknownRoot { root } => {
                write!(f, "the chain leads to the root \"{root}\", which was not given")
            }
            Self::Endless => write!(f, "the chain does not end"),
        }
    }
}
