//! Why a text is not a name.

use std::fmt;

/// A text that is not a valid name.
///
/// It holds the beginning of the text, escaped, so that it can be logged as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    kind: NameErrorKind,
    text: String,
}

/// The rule that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameErrorKind {
    /// There is no label, or one of them is empty.
    EmptyLabel,
    /// A label has more than 63 octets (RFC 1035 section 2.3.4).
    LabelTooLong,
    /// The name has more than 253 characters (255 octets on the wire, RFC 1035 section 2.3.4).
    NameTooLong,
    /// A character other than a letter, a digit, a hyphen or, where it is allowed, an underscore.
    BadCharacter,
    /// A label begins or ends with a hyphen (RFC 1123 section 2.1).
    HyphenAtEdge,
    /// One label where at least two are needed.
    TooFewLabels,
    /// A set without an identifier.
    NoIdentifiers,
    /// A set of more than 100 identifiers.
    TooManyIdentifiers,
}

/// Characters of a hostile text that an error keeps.
const EXCERPT_LEN: usize = 80;

impl NameError {
    pub(crate) fn new(kind: NameErrorKind, text: &str) -> Self {
        Self { kind, text: text.chars().take(EXCERPT_LEN).flat_map(char::escape_debug).collect() }
    }

    /// The rule that was broken.
    pub fn kind(&self) -> NameErrorKind {
        self.kind
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match self.kind {
            NameErrorKind::EmptyLabel => "a label is empty",
            NameErrorKind::LabelTooLong => "a label has more than 63 characters",
            NameErrorKind::NameTooLong => "it has more than 253 characters",
            NameErrorKind::BadCharacter => "it has a character that a name cannot have",
            NameErrorKind::HyphenAtEdge => "a label begins or ends with a hyphen",
            NameErrorKind::TooFewLabels => "it needs at least two labels",
            NameErrorKind::NoIdentifiers => return f.write_str("a certificate needs at least one name"),
            NameErrorKind::TooManyIdentifiers => return f.write_str("a certificate has at most 100 names"),
        };
        write!(f, "\"{}\" is not a domain name: {rule}", self.text)
    }
}

impl std::error::Error for NameError {}
