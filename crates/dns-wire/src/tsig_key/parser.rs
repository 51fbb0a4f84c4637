//! The two forms of key file, and the form of a command line.

mod bind;
mod knot;
mod one_line;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{TsigKey, TsigKeyError, TsigKeyErrorKind as Kind};

const MAX_TEXT_LEN: usize = 16 * 1024;

/// Parses a text with one key.
pub(super) fn parse(text: &str) -> Result<TsigKey, TsigKeyError> {
    if text.len() > MAX_TEXT_LEN {
        return Err(Kind::TooLong.into());
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    match first {
        _ if text.lines().any(|line| knot::section(line) == Some("key")) => knot::parse(text),
        Some(line) if one_line::is_form_of(line) => one_line::parse(text),
        _ => bind::parse(text),
    }
}

/// The parts of a key that were parsed so far, each with its line. Borrowed, so that the secret is not copied.
#[derive(Default)]
struct KeyParts<'t> {
    name: Option<(&'t str, usize)>,
    algorithm: Option<(&'t str, usize)>,
    secret: Option<(&'t str, usize)>,
}

impl<'t> KeyParts<'t> {
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
