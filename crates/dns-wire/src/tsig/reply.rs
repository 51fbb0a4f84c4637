//! Verification of replies by the client that signed the request.

use std::time::SystemTime;

use subtle::ConstantTimeEq;

use super::record::{TsigRecord, from_seconds, split};
use super::request::{RequestMac, TsigError, is_key_of};
use crate::TsigKey;

/// Why a reply must not be trusted, or the TSIG error that the server reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyFault {
    /// The reply is not signed. Anyone may have sent it.
    #[error("the reply is not signed")]
    Unsigned,
    /// The reply is not a DNS message, or its TSIG record is malformed.
    #[error("the reply or its signature is malformed")]
    Malformed,
    /// The reply is signed with another key than the request.
    #[error("the reply is signed with another key")]
    WrongKey,
    /// The MAC does not verify: another secret, a changed reply, or a reply to another request.
    #[error("the signature of the reply does not verify")]
    WrongMac,
    /// The signature is valid, but from another time: a replay, or differing clocks.
    #[error("the signature of the reply is from another time")]
    Untimely,
    /// The server does not know the key by this name and algorithm. Not signed, so only a hint.
    #[error("the server does not know the key (BADKEY)")]
    BadKey,
    /// The server could not verify our MAC, so the secrets differ. Not signed, so only a hint.
    #[error("the server has another secret for the key (BADSIG)")]
    BadSig,
    /// The server's clock is too far from ours. Signed, so its time can be trusted.
    #[error("the server's clock is too far from ours (BADTIME)")]
    BadTime {
        /// Server's time.
        server_time: SystemTime,
    },
    /// The server reports another TSIG error. Signed.
    #[error("the server reports the TSIG error {0}")]
    OtherError(u16),
}

/// Verifies the reply to a signed request. After `Ok`, the reply is complete and unchanged: the holder of the key
/// sent it as the answer to this request, within [`MAX_FUDGE`](super::MAX_FUDGE) of `now`. Its response code is not
/// checked.
///
/// To resist forgeries, a UDP client ignores replies with `Unsigned`, `WrongMac`, `BadKey` and `BadSig` until its
/// deadline (RFC 8945 section 5.3.2), or uses TCP.
///
/// # Errors
/// [`ReplyFault`].
pub fn verify_reply(
    reply: &[u8],
    key: &TsigKey,
    request: &RequestMac,
    now: SystemTime,
) -> Result<(), ReplyFault> {
    let signed = split(reply).map_err(|_| ReplyFault::Malformed)?.ok_or(ReplyFault::Unsigned)?;
    let tsig = signed.tsig;
    if tsig.error == TsigError::BadKey.code() {
        return Err(ReplyFault::BadKey);
    }
    if tsig.error == TsigError::BadSig.code() {
        return Err(ReplyFault::BadSig);
    }
    if !is_key_of(key, &tsig) {
        return Err(ReplyFault::WrongKey);
    }
    let expected = key.mac(&tsig.digest_input(Some(request.as_bytes()), &signed.unsigned));
    // Slices of different lengths are never equal, so a truncated MAC fails too.
    if !bool::from(expected.ct_eq(&tsig.mac)) {
        return Err(ReplyFault::WrongMac);
    }
    match tsig.error {
        0 if tsig.is_timely(now) => Ok(()),
        0 => Err(ReplyFault::Untimely),
        error if error == TsigError::BadTime.code() => Err(bad_time(&tsig)),
        error => Err(ReplyFault::OtherError(error)),
    }
}

fn bad_time(tsig: &TsigRecord) -> ReplyFault {
    match tsig.other.as_slice() {
        [high0, high1, low @ ..] if low.len() == 4 => {
            let seconds = [0, 0, *high0, *high1, low[0], low[1], low[2], low[3]];
            ReplyFault::BadTime { server_time: from_seconds(u64::from_be_bytes(seconds)) }
        }
        _ => ReplyFault::Malformed,
    }
}
