//! The form of Knot.

use super::KeyParts;
use crate::tsig_key::{TsigKey, TsigKeyError, TsigKeyErrorKind as Kind};

/// Returns the section that begins with this line, such as `key:` at its very start.
pub(super) fn section(line: &str) -> Option<&str> {
    let name = line.split('#').next().unwrap_or_default().trim_end().strip_suffix(':')?;
    let is_word = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-');
    is_word.then_some(name)
}

/// Parses `key:`, then `- id: …`, `algorithm: …` and `secret: …` on separate lines. Skips other sections of a
/// `knot.conf`.
pub(super) fn parse(text: &str) -> Result<TsigKey, TsigKeyError> {
    let mut parts = KeyParts::default();
    let (mut in_list, mut last_line) = (false, 1);
    for (line, whole) in (1..).zip(text.lines()) {
        // A comment begins at a line's start or after a blank; base64 and names contain no `#`.
        let content = whole.split('#').next().unwrap_or_default().trim();
        if content.is_empty() {
            continue;
        }
        if let Some(name) = section(whole) {
            in_list = name == "key";
            last_line = if in_list { line } else { last_line };
            continue;
        }
        if !in_list {
            continue;
        }
        last_line = line;
        let item = content.strip_prefix('-').map(str::trim_start);
        if item.is_some() && (parts.name.is_some() || parts.algorithm.is_some() || parts.secret.is_some()) {
            return Err(TsigKeyError::at_line(Kind::SeveralKeys, line));
        }
        let (what, value) = item
            .unwrap_or(content)
            .split_once(':')
            .ok_or_else(|| TsigKeyError::at_line(Kind::Syntax, line))?;
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        parts.set(what.trim_end(), unquoted.unwrap_or(value), line)?;
    }
    if parts.name.is_none() && parts.algorithm.is_none() && parts.secret.is_none() {
        return Err(TsigKeyError::at_line(Kind::NoKey, last_line));
    }
    parts.finish(last_line)
}
