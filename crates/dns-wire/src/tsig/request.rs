//! Requests: signed by a client, checked by a server, which then signs its response.

use std::fmt;
use std::time::SystemTime;

use subtle::ConstantTimeEq;

use super::record::{EncodeError, MAX_FUDGE, Malformed, TsigRecord, split, to_seconds};
use crate::{TsigKey, name};

/// A request ready to be sent, and what its reply must be checked against.
#[derive(Clone, Debug)]
pub struct SignedMessage {
    /// The octets to send.
    pub message: Vec<u8>,
    /// The request's code, for [`verify_reply`](super::verify_reply).
    pub mac: RequestMac,
}

/// The code of a request. A response signs it too, so that it answers this request and no other.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestMac(Vec<u8>);

/// Signs an encoded request that has no TSIG record yet.
///
/// # Errors
/// [`EncodeError`] when there is no room for the signature.
pub fn sign_request(message: &[u8], key: &TsigKey, now: SystemTime) -> Result<SignedMessage, EncodeError> {
    let original_id = id_of(message).ok_or(EncodeError)?;
    let mut tsig = record_of(key, to_seconds(now), original_id);
    tsig.mac = key.mac(&tsig.digest_input(None, message));
    Ok(SignedMessage { message: tsig.append_to(message)?, mac: RequestMac(tsig.mac) })
}

/// What a server found at the end of a request.
#[derive(Debug)]
pub enum Checked<'k> {
    /// There is no signature.
    Unsigned,
    /// A key that we have signed exactly this request, now.
    Signed(SignedRequest<'k>),
    /// There is a signature that counts for nothing. The answer is NOTAUTH, finished by
    /// [`RefusedRequest::sign_response`].
    Refused(RefusedRequest<'k>),
}

/// Checks a request in the order of RFC 8945 section 5.2: key, code, time, length of the code.
///
/// Whether the same request came before is for the caller to remember, by [`SignedRequest::mac`].
///
/// # Errors
/// [`Malformed`]: the answer is FORMERR.
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
    // RFC 8945 section 5.2.2.1: shorter or longer than this is no code at all.
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

/// The proof that a key that we have signed a request.
#[derive(Debug)]
pub struct SignedRequest<'k> {
    key: &'k TsigKey,
    time: u64,
    mac: RequestMac,
    id: u16,
}

impl<'k> SignedRequest<'k> {
    /// The key.
    pub fn key(&self) -> &'k TsigKey {
        self.key
    }

    /// When the client says that it signed, in seconds since 1970.
    pub fn time_signed(&self) -> u64 {
        self.time
    }

    /// The request's code. Within twice [`MAX_FUDGE`] the same code is the same request.
    pub fn mac(&self) -> &RequestMac {
        &self.mac
    }

    /// By how many octets [`sign_response`](Self::sign_response) makes a response longer.
    pub fn signature_len(&self) -> usize {
        // Names with their roots, then: type, class, ttl, length; time, fudge, code's length, id, error, length.
        let names = self.key.name().as_str().len() + 2 + self.key.algorithm().as_str().len() + 2;
        names + 10 + 16 + self.key.algorithm().mac_len()
    }

    /// Signs an encoded response to this request (RFC 8945 section 5.3).
    ///
    /// # Errors
    /// [`EncodeError`] when there is no room for the signature.
    pub fn sign_response(&self, response: &[u8], now: SystemTime) -> Result<Vec<u8>, EncodeError> {
        let mut tsig = record_of(self.key, to_seconds(now), self.id);
        tsig.mac = self.key.mac(&tsig.digest_input(Some(self.mac.as_bytes()), response));
        tsig.append_to(response)
    }
}

/// A request whose signature counts for nothing, and why.
#[derive(Debug)]
pub struct RefusedRequest<'k> {
    error: TsigError,
    key: Option<&'k TsigKey>,
    tsig: TsigRecord,
}

impl RefusedRequest<'_> {
    /// Why it counts for nothing.
    pub fn error(&self) -> TsigError {
        self.error
    }

    /// Adds the TSIG record that says why (RFC 8945 section 5.3.2): without a code for BADKEY and BADSIG, signed
    /// for BADTIME, which carries our time, and for BADTRUNC.
    ///
    /// # Errors
    /// [`EncodeError`] when there is no room for it.
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
    /// The code does not fit: another secret, or another message.
    BadSig,
    /// No key has this name and algorithm.
    BadKey,
    /// The clocks are too far apart.
    BadTime,
    /// The code fits and is cut shorter than we take.
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
    /// The octets of the code.
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
