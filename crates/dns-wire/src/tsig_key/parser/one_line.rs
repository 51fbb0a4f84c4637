//! The form of a command line.

use super::KeyParts;
use crate::tsig_key::{TsigKey, TsigKeyError, TsigKeyErrorKind as Kind};

/// Returns whether the line has the form `hmac-sha256:name:secret`.
pub(super) fn is_form_of(line: &str) -> bool {
    let has_marks = line.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"'));
    line.contains(':') && !has_marks
}

/// Parses `hmac-sha256:name:secret`, as `nsupdate -y` takes it and `keymgr -t` writes it. The default algorithm is
/// hmac-sha256, as for `nsupdate`.
pub(super) fn parse(text: &str) -> Result<TsigKey, TsigKeyError> {
    let mut lines = (1..)
        .zip(text.lines().map(str::trim))
        .filter(|(_, content)| !content.is_empty() && !content.starts_with('#'));
    let (line, content) = lines.next().ok_or(Kind::NoKey)?;
    if let Some((other, _)) = lines.next() {
        return Err(TsigKeyError::at_line(Kind::SeveralKeys, other));
    }
    let words: Vec<_> = content.split(':').collect();
    let (algorithm, name, secret) = match words[..] {
        [name, secret] => ("hmac-sha256", name, secret),
        [algorithm, name, secret] => (algorithm, name, secret),
        _ => return Err(TsigKeyError::at_line(Kind::Syntax, line)),
    };
    let mut parts = KeyParts::default();
    for (what, value) in [("id", name), ("algorithm", algorithm), ("secret", secret)] {
        parts.set(what, value, line)?;
    }
    parts.finish(line)
}
