//! The flattened JWS (RFC 7515 section 7.2.2).

mod sign;
mod verify;

pub use sign::FlattenedJws;
pub use verify::{UnverifiedJws, VerifiedJws};

use aws_lc_rs::hmac;

use crate::{JoseError, JoseErrorKind};

/// Maximum octets of a message that is parsed: 64 KiB.
pub const MAX_JWS: usize = 64 * 1024;

/// Checks that a key for HS256 has at least as many octets as the MAC (RFC 7518 section 3.2).
fn mac_key(octets: &[u8]) -> Result<hmac::Key, JoseError> {
    if octets.len() < 32 {
        return Err(JoseError::new(JoseErrorKind::BadKey, "the key for HS256 is shorter than 32 octets"));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, octets))
}

#[cfg(test)]
mod tests;
