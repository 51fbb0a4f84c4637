//! Requests: signed by a client, and verified by a server, which then signs its response.

use std::fmt;
use std::time::SystemTime;

use subtle::ConstantTimeEq;

use super::record::{EncodeError, MAX_FUDGE, Malformed, TsigRecord, split, to_seconds};
use crate::{TsigKey, name};

/// A signed request, with the MAC against which its reply is verified.
#[derive(Clone, Debug)]
pub struct SignedMessage {
    /// Octets to send.
    pub message: Vec<u8>,
    /// MAC of the request, for [`verify_reply`](super::verify_reply).
    pub mac: RequestMac,
}

/// The MAC of a request. A response signs it too, so that it answers this request only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestMac(Vec<u8>);

/// Signs an encoded request that has no TSIG record yet.
///
/// # Errors
/// [`EncodeError`] if there is no space for the signature.
pub fn sign_request(message: &[u8], key: &TsigKey, now: SystemTime) -> Result<SignedMessage, EncodeError> {
    let original_id = id_of(message).ok_or(EncodeError)?;
    let mut tsig = record_of(key, to_seconds(now), original_id);
    tsig.mac = key.mac(&tsig.digest_input(None, message));
    Ok(SignedMessage { message: tsig.append_to(message)?, mac: RequestMac(tsig.mac) })
}

/// The result of verifying a request.
#[derive(Debug)]
pub enum Checked<'k> {
    /// The request has no signature.
    Unsigned,
    /// The request is signed with one of our keys.
    Signed(SignedRequest<'k>),
    /// The signature is invalid. Answer NOTAUTH, completed by [`RefusedRequest::sign_response`].
    Refused(RefusedRequest<'k>),
}

/// Verifies a request in the order of RFC 8945 section 5.2: key, MAC, time, length of the MAC.
///
/// The caller must detect replays by [`SignedRequest::mac`].
///
/// # Errors
/// [`Malformed`]: answer FORMERR.
pub fn verify_request<'k>(
    message: &[u8],
    keys: impl IntoIterator<Item = &'k TsigKey>,
    now: SystemTime,
) -> Result<Checked<'k>, Malformed> {
    let Some(signed) = split(message)? else {
        return Ok(Checked::Unsigned);
    };
    let tsig = signed.tsig;
    let Some(key) = keys.into_iter().find(|key| is_key_of(key, &tsig)) else {
        return Ok(Checked::Refused(RefusedRequest { error: TsigError::BadKey, key: None, tsig }));
    };
    let whole = key.algorithm().mac_len();
    // RFC 8945 section 5.2.2.1: a shorter or longer MAC is malformed.
    if tsig.mac.len() > whole || tsig.mac.len() < (whole / 2).max(10) {
        return Err(Malformed);
    }
    let expected = key.mac(&tsig.digest_input(None, &signed.unsigned));
    let refused = |error, tsig| Ok(Checked::Refused(RefusedRequest { error, key: Some(key), tsig }));
    if !bool::from(expected[..tsig.mac.len()].ct_eq(&tsig.mac)) {
        refused(TsigError::BadSig, tsig)
    } else if !tsig.is_timely(now) {
        refused(TsigError::BadTime, tsig)
    } else if tsig.mac.len() < whole {
        refused(TsigError::BadTrunc, tsig)
    } else {
        Ok(Checked::Signed(SignedRequest {
            key,
            time: tsig.time,
            mac: RequestMac(tsig.mac),
            id: tsig.original_id,
        }))
    }
}

/// Proof that one of our keys signed a request.
#[derive(Debug)]
pub struct SignedRequest<'k> {
    key: &'k TsigKey,
    time: u64,
    mac: RequestMac,
    id: u16,
}

impl<'k> SignedRequest<'k> {
    /// Returns the key.
    pub fn key(&self) -> &'k TsigKey {
        self.key
    }

    /// Returns the time at which the client signed, in seconds since 1970.
    pub fn time_signed(&self) -> u64 {
        self.time
    }

    /// Returns the MAC of the request. Within twice [`MAX_FUDGE`], an equal MAC is a replay.
    pub fn mac(&self) -> &RequestMac {
        &self.mac
    }

    /// Returns the octets that [`sign_response`](Self::sign_response) adds to a response.
    pub fn signature_len(&self) -> usize {
        // Names with their roots, then: type, class, ttl, length; time, fudge, MAC length, id, error, length.
        let names = self.key.name().as_str().len() + 2 + self.key.algorithm().as_str().len() + 2;
        names + 10 + 16 + self.key.algorithm().mac_len()
    }

    /// Signs an encoded response to this request (RFC 8945 section 5.3).
    ///
    /// # Errors
    /// [`EncodeError`] if there is no space for the signature.
    pub fn sign_response(&self, response: &[u8], now: SystemTime) -> Result<Vec<u8>, EncodeError> {
        let mut tsig = record_of(self.key, to_seconds(now), self.id);
        tsig.mac = self.key.mac(&tsig.digest_input(Some(self.mac.as_bytes()), response));
        tsig.append_to(response)
    }
}

/// A request with an invalid signature.
#[derive(Debug)]
pub struct RefusedRequest<'k> {
    error: TsigError,
    key: Option<&'k TsigKey>,
    tsig: TsigRecord,
}

impl RefusedRequest<'_> {
    /// Returns why the signature is invalid.
    pub fn error(&self) -> TsigError {
        self.error
    }

    /// Adds the TSIG record with the error (RFC 8945 section 5.3.2): without a MAC for BADKEY and BADSIG, signed for
    /// BADTIME, which carries our time, and for BADTRUNC.
    ///
    /// # Errors
    /// [`EncodeError`] if there is no space for it.
    pub fn sign_response(&self, response: &[u8], now: SystemTime) -> Result<Vec<u8>, EncodeError> {
        let now = to_seconds(now);
        let mut tsig = TsigRecord {
            key_name: self.tsig.key_name.clone(),
            algorithm: self.tsig.algorithm.clone(),
            time: now,
            fudge: MAX_FUDGE,
            mac: Vec::new(),
            original_id: self.tsig.original_id,
            error: self.error.code(),
            other: Vec::new(),
        };
        if self.error == TsigError::BadTime {
            // The client checks the response against its own clock, and takes ours from the other data.
            tsig.time = self.tsig.time;
            tsig.other = now.to_be_bytes()[2..].to_vec();
        }
        if let (Some(key), TsigError::BadTime | TsigError::BadTrunc) = (self.key, self.error) {
            tsig.mac = key.mac(&tsig.digest_input(Some(&self.tsig.mac), response));
        }
        tsig.append_to(response)
    }
}

/// The error codes of RFC 8945 section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TsigError {
    /// The MAC does not verify: another secret, or another message.
    BadSig,
    /// No key has this name and algorithm.
    BadKey,
    /// The clocks are too far apart.
    BadTime,
    /// The MAC is valid, but truncated more than we accept.
    BadTrunc,
}

impl TsigError {
    pub(super) fn code(self) -> u16 {
        match self {
            Self::BadSig => 16,
            Self::BadKey => 17,
            Self::BadTime => 18,
            Self::BadTrunc => 22,
        }
    }
}

impl RequestMac {
    /// Returns the octets of the MAC.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for RequestMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestMac({} octets)", self.0.len())
    }
}

pub(super) fn is_key_of(key: &TsigKey, tsig: &TsigRecord) -> bool {
    name::to_wire(key.name()) == tsig.key_name && key.algorithm().to_name() == tsig.algorithm
}

fn record_of(key: &TsigKey, time: u64, original_id: u16) -> TsigRecord {
    TsigRecord {
        key_name: name::to_wire(key.name()),
        algorithm: key.algorithm().to_name(),
        time,
        fudge: MAX_FUDGE,
        mac: Vec::new(),
        original_id,
        error: 0,
        other: Vec::new(),
    }
}

fn id_of(message: &[u8]) -> Option<u16> {
    message.first_chunk().copied().map(u16::from_be_bytes)
}
