//! The form of BIND.

use super::KeyParts;
use crate::tsig_key::{TsigKey, TsigKeyError, TsigKeyErrorKind as Kind};

/// Parses `key "name" { algorithm hmac-sha256; secret "…"; };`.
pub(super) fn parse(text: &str) -> Result<TsigKey, TsigKeyError> {
    let mut words = Tokens { rest: text, line: 1 };
    let mut found = None;
    while let Some(word) = words.next()? {
        match (word, &found) {
            (";", Some(_)) => continue,
            ("key", None) => {}
            ("key", Some(_)) => return Err(words.error(Kind::SeveralKeys)),
            _ => return Err(words.error(Kind::Syntax)),
        }
        let mut parts = KeyParts::default();
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

/// The tokens of BIND's configuration, without its three kinds of comment.
struct Tokens<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Tokens<'t> {
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
