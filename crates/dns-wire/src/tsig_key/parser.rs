//! The two forms of key file, and the form of a command line.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{TsigKey, TsigKeyError, TsigKeyErrorKind as Kind};

const MAX_TEXT_LEN: usize = 16 * 1024;

/// The one key of the text.
pub(super) fn parse(text: &str) -> Result<TsigKey, TsigKeyError> {
    if text.len() > MAX_TEXT_LEN {
        return Err(Kind::TooLong.into());
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    match first {
        _ if text.lines().any(|line| section(line) == Some("key")) => knot(text),
        Some(line) if is_one_line(line) => one_line(text),
        _ => bind(text),
    }
}

/// Whether it is words between colons: `hmac-sha256:name:secret`.
fn is_one_line(line: &str) -> bool {
    let has_marks = line.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"'));
    line.contains(':') && !has_marks
}

/// `hmac-sha256:name:secret`, as `nsupdate -y` takes it and `keymgr -t` writes it. Without an algorithm it is
/// hmac-sha256, as for `nsupdate`.
fn one_line(text: &str) -> Result<TsigKey, TsigKeyError> {
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
    let mut parts = Parts::default();
    for (what, value) in [("id", name), ("algorithm", algorithm), ("secret", secret)] {
        parts.set(what, value, line)?;
    }
    parts.finish(line)
}

/// What was read of a key so far, each part with its line. It borrows, so that no secret is copied about.
#[derive(Default)]
struct Parts<'t> {
    name: Option<(&'t str, usize)>,
    algorithm: Option<(&'t str, usize)>,
    secret: Option<(&'t str, usize)>,
}

impl<'t> Parts<'t> {
    fn set(&mut self, what: &str, value: &'t str, line: usize) -> Result<(), TsigKeyError> {
        let part = match what {
            "id" => &mut self.name,
            "algorithm" => &mut self.algorithm,
            "secret" => &mut self.secret,
            _ => return Err(TsigKeyError::at_line(Kind::Syntax, line)),
        };
        match part.replace((value, line)) {
            None => Ok(()),
            Some(_) => Err(TsigKeyError::at_line(Kind::Syntax, line)),
        }
    }

    fn finish(self, line: usize) -> Result<TsigKey, TsigKeyError> {
        let (Some(name), Some(algorithm), Some(secret)) = (self.name, self.algorithm, self.secret) else {
            return Err(TsigKeyError::at_line(Kind::Incomplete, line));
        };
        let name = name.0.parse().map_err(|_| TsigKeyError::at_line(Kind::Name, name.1))?;
        let algorithm = algorithm
            .0
            .parse()
            .map_err(|error: TsigKeyError| TsigKeyError::at_line(error.kind(), algorithm.1))?;
        let octets = STANDARD
            .decode(secret.0)
            .map(Zeroizing::new)
            .map_err(|_| TsigKeyError::at_line(Kind::SecretEncoding, secret.1))?;
        TsigKey::new(name, algorithm, &octets).map_err(|error| TsigKeyError::at_line(error.kind(), secret.1))
    }
}

/// `key "name" { algorithm hmac-sha256; secret "…"; };`
fn bind(text: &str) -> Result<TsigKey, TsigKeyError> {
    let mut words = Words { rest: text, line: 1 };
    let mut found = None;
    while let Some(word) = words.next()? {
        match (word, &found) {
            (";", Some(_)) => continue,
            ("key", None) => {}
            ("key", Some(_)) => return Err(words.error(Kind::SeveralKeys)),
            _ => return Err(words.error(Kind::Syntax)),
        }
        let mut parts = Parts::default();
        parts.set("id", words.value()?, words.line)?;
        words.expect("{")?;
        loop {
            match words.next()? {
                Some("}") => break,
                Some(what @ ("algorithm" | "secret")) => parts.set(what, words.value()?, words.line)?,
                _ => return Err(words.error(Kind::Syntax)),
            }
            words.expect(";")?;
        }
        found = Some(parts.finish(words.line)?);
    }
    found.ok_or_else(|| words.error(Kind::NoKey))
}

/// The words and marks of BIND's configuration, without its three kinds of comment.
struct Words<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Words<'t> {
    fn next(&mut self) -> Result<Option<&'t str>, TsigKeyError> {
        self.skip_blanks()?;
        let length = match self.rest.as_bytes().first() {
            None => return Ok(None),
            Some(b'{' | b'}' | b';') => 1,
            Some(b'"') => {
                let inside = &self.rest[1..];
                let end = inside.find(['"', '\n']).filter(|&end| inside[end..].starts_with('"'));
                let end = end.ok_or_else(|| self.error(Kind::Syntax))?;
                self.rest = &inside[end + 1..];
                return Ok(Some(&inside[..end]));
            }
            Some(_) => {
                let is_end = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"');
                self.rest.find(is_end).unwrap_or(self.rest.len())
            }
        };
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(Some(word))
    }

    fn skip_blanks(&mut self) -> Result<(), TsigKeyError> {
        loop {
            let rest = self.rest;
            let skipped = if rest.starts_with("//") || rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else if let Some(comment) = rest.strip_prefix("/*") {
                comment.find("*/").ok_or_else(|| self.error(Kind::Syntax))? + 4
            } else {
                rest.len() - rest.trim_start().len()
            };
            if skipped == 0 {
                return Ok(());
            }
            let (blank, rest) = rest.split_at(skipped);
            self.line += blank.matches('\n').count();
            self.rest = rest;
        }
    }

    fn value(&mut self) -> Result<&'t str, TsigKeyError> {
        match self.next()? {
            Some(word) if !matches!(word, "{" | "}" | ";") => Ok(word),
            _ => Err(self.error(Kind::Syntax)),
        }
    }

    fn expect(&mut self, mark: &str) -> Result<(), TsigKeyError> {
        if self.next()? == Some(mark) { Ok(()) } else { Err(self.error(Kind::Syntax)) }
    }

    fn error(&self, kind: Kind) -> TsigKeyError {
        TsigKeyError::at_line(kind, self.line)
    }
}

/// The section that begins with this line of Knot's form, such as `key:` at its very start.
fn section(line: &str) -> Option<&str> {
    let name = line.split('#').next().unwrap_or_default().trim_end().strip_suffix(':')?;
    let is_word = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-');
    is_word.then_some(name)
}

/// `key:`, then `- id: …`, `algorithm: …` and `secret: …` on lines of their own. Other sections of a `knot.conf` are
/// passed over.
fn knot(text: &str) -> Result<TsigKey, TsigKeyError> {
    let mut parts = Parts::default();
    let (mut in_list, mut last_line) = (false, 1);
    for (line, whole) in (1..).zip(text.lines()) {
        // A comment begins at a line's start or after a blank; base64 and names have no `#`.
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
