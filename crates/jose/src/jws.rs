//! The flattened JWS (RFC 7515 section 7.2.2).

mod sign;
mod verify;

pub use sign::FlattenedJws;
pub use verify::{UnverifiedJws, VerifiedJws};

use aws_lc_rs::hmac;

use crate::{Algorithm, JoseError, JoseErrorKind};

/// Maximum octets of a message that is parsed: 64 KiB.
pub const MAX_JWS: usize = 64 * 1024;

/// Returns the key of a MAC algorithm. It must have at least as many octets as the MAC (RFC 7518 section 3.2).
fn mac_key(algorithm: Algorithm, octets: &[u8]) -> Result<hmac::Key, JoseError> {
    let (mac, least) = match algorithm {
        Algorithm::Hs256 => (hmac::HMAC_SHA256, 32),
        Algorithm::Hs384 => (hmac::HMAC_SHA384, 48),
        Algorithm::Hs512 => (hmac::HMAC_SHA512, 64),
        _ => {
            return Err(JoseError::new(
                JoseErrorKind::Unsupported,
                "the header's algorithm is not a MAC algorithm",
            ));
        }
    };
    if octets.len() < least {
        let why = format!("the key for {} is shorter than {least} octets", algorithm.name());
        return Err(JoseError::new(JoseErrorKind::BadKey, why));
    }
    Ok(hmac::Key::new(mac, octets))
}

#[cfg(test)]
mod tests;
