//! Errors of keys.

use std::fmt;

/// The error for an invalid key or key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TsigKeyError {
    kind: TsigKeyErrorKind,
    line: Option<usize>,
}

/// What is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TsigKeyErrorKind {
    /// The text is longer than 16 KiB.
    TooLong,
    /// The text has none of the three forms.
    Syntax,
    /// There is no key in the text.
    NoKey,
    /// The text contains more than one key.
    SeveralKeys,
    /// The key lacks its name, its algorithm or its secret.
    Incomplete,
    /// The name is not a domain name.
    Name,
    /// The algorithm is not `hmac-sha256`, `hmac-sha384` or `hmac-sha512`.
    UnsupportedAlgorithm,
    /// The secret is not base64.
    SecretEncoding,
    /// The secret is shorter than 16 or longer than 1,024 octets.
    SecretLength,
}

impl TsigKeyError {
    pub(super) fn at_line(kind: TsigKeyErrorKind, line: usize) -> Self {
        Self { kind, line: Some(line) }
    }

    /// Returns what is invalid.
    pub fn kind(&self) -> TsigKeyErrorKind {
        self.kind
    }

    /// Returns the line, counted from 1; `None` if no text was parsed.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl From<TsigKeyErrorKind> for TsigKeyError {
    fn from(kind: TsigKeyErrorKind) -> Self {
        Self { kind, line: None }
    }
}

impl fmt::Display for TsigKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TsigKeyErrorKind::TooLong => "the key file is larger than 16 KiB",
            TsigKeyErrorKind::Syntax => "the key has neither BIND's form, `key \"name\" { … };`, nor Knot's, `key:` and below it `- id: name`, nor the form of a line, `hmac-sha256:name:secret`",
            TsigKeyErrorKind::NoKey => "the key file has no key",
            TsigKeyErrorKind::SeveralKeys => "the key file has more than one key",
            TsigKeyErrorKind::Incomplete => "the key needs a name, an algorithm and a secret",
            TsigKeyErrorKind::Name => "the key's name is not a domain name",
            TsigKeyErrorKind::UnsupportedAlgorithm => {
                "the key's algorithm is not hmac-sha256, hmac-sha384 or hmac-sha512"
            }
            TsigKeyErrorKind::SecretEncoding => "the key's secret is not base64",
            TsigKeyErrorKind::SecretLength => "the key's secret must have 16 to 1024 octets",
        })?;
        match self.line {
            Some(line) => write!(f, " (line {line})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TsigKeyError {}
