//! Transaction signatures of messages (RFC 8945), both sides.
//!
//! A client signs its request ([`sign_request`]) and verifies the reply ([`verify_reply`]). A server verifies the
//! request ([`verify_request`]) and signs its response, or reports a TSIG error.
//!
//! MACs are compared in constant time and only in full length. A message may be off by its own fudge or by
//! [`MAX_FUDGE`], whichever is less. Time arithmetic saturates: a client whose clock shows 1970 gets BADTIME.

mod record;
mod reply;
mod request;

pub use record::{EncodeError, MAX_FUDGE, Malformed, to_seconds};
pub use reply::{ReplyFault, verify_reply};
pub use request::{
    Checked, RefusedRequest, RequestMac, SignedMessage, SignedRequest, TsigError, sign_request,
    verify_request,
};

#[cfg(test)]
mod tests;
