//! The TSIG record at the end of a message: parsed and written (RFC 8945 section 4.2).

use std::time::{Duration, SystemTime};

use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::message::HEADER_LEN;

/// Maximum seconds between a message's time and ours, even if the message's fudge is larger.
pub const MAX_FUDGE: u16 = 300;

const TYPE_TSIG: u16 = 250;
const CLASS_ANY: u16 = 255;
const ADDITIONAL_COUNT: std::ops::Range<usize> = 10..12;
const MAX_SECONDS: u64 = (1 << 48) - 1;

/// The error for a message that is malformed, or whose TSIG record is malformed or not the last one (RFC 8945 section
/// 5.2). Answer a request with FORMERR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message or its TSIG record is malformed")]
pub struct Malformed;

/// The error for a message without a header, or without space for a TSIG record within 65,535 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message has no space for a signature")]
pub struct EncodeError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TsigRecord {
    pub(super) key_name: Name,
    pub(super) algorithm: Name,
    /// Seconds since 1970, 48 bits.
    pub(super) time: u64,
    pub(super) fudge: u16,
    pub(super) mac: Vec<u8>,
    pub(super) original_id: u16,
    pub(super) error: u16,
    pub(super) other: Vec<u8>,
}

/// A message split into its signed part and its TSIG record.
pub(super) struct SplitMessage {
    /// Message before the record was added: original id, one additional record fewer.
    pub(super) unsigned: Vec<u8>,
    pub(super) tsig: TsigRecord,
}

/// Splits off the record; `None` if there is none.
pub(super) fn split(message: &[u8]) -> Result<Option<SplitMessage>, Malformed> {
    let Some(start) = RecordWalk::to_tsig(message)? else {
        return Ok(None);
    };
    let tsig = TsigRecord::read(message, start)?;
    let mut unsigned = message[..start].to_vec();
    unsigned[..2].copy_from_slice(&tsig.original_id.to_be_bytes());
    let count = u16_at(&unsigned, ADDITIONAL_COUNT.start)?;
    unsigned[ADDITIONAL_COUNT].copy_from_slice(&count.saturating_sub(1).to_be_bytes());
    Ok(Some(SplitMessage { unsigned, tsig }))
}

impl TsigRecord {
    fn read(message: &[u8], start: usize) -> Result<Self, Malformed> {
        let at = u16::try_from(start).map_err(|_| Malformed)?;
        let mut decoder = BinDecoder::new(message).clone(at);
        let key_name = Name::read(&mut decoder).map_err(|_| Malformed)?;
        let after_name = decoder.index();
        if u16_at(message, after_name + 2)? != CLASS_ANY || u32_at(message, after_name + 4)? != 0 {
            return Err(Malformed);
        }
        let mut decoder =
            BinDecoder::new(message).clone(u16::try_from(after_name + 10).map_err(|_| Malformed)?);
        let algorithm = Name::read(&mut decoder).map_err(|_| Malformed)?;
        let at = decoder.index();
        let time = u64::from(u16_at(message, at)?) << 32 | u64::from(u32_at(message, at + 2)?);
        let fudge = u16_at(message, at + 6)?;
        let mac_len = usize::from(u16_at(message, at + 8)?);
        let mac = octets(message, at + 10, mac_len)?.to_vec();
        let at = at + 10 + mac_len;
        let (original_id, error) = (u16_at(message, at)?, u16_at(message, at + 2)?);
        let other_len = usize::from(u16_at(message, at + 4)?);
        let other = octets(message, at + 6, other_len)?.to_vec();
        // The walk has checked that the record ends at the end of the message.
        if at + 6 + other_len != message.len() {
            return Err(Malformed);
        }
        Ok(Self { key_name, algorithm, time, fudge, mac, original_id, error, other })
    }

    /// Returns the input of the MAC: for a response, the request's MAC; the message; the variables of RFC 8945 section
    /// 4.3.3.
    pub(super) fn digest_input(&self, request_mac: Option<&[u8]>, unsigned: &[u8]) -> Vec<u8> {
        let mut input = Vec::with_capacity(unsigned.len() + 256);
        if let Some(mac) = request_mac {
            input.extend(u16::try_from(mac.len()).unwrap_or(u16::MAX).to_be_bytes());
            input.extend(mac);
        }
        input.extend(unsigned);
        put_name(&mut input, &self.key_name);
        input.extend(CLASS_ANY.to_be_bytes());
        input.extend(0_u32.to_be_bytes());
        put_name(&mut input, &self.algorithm);
        self.put_time(&mut input);
        input.extend(self.error.to_be_bytes());
        self.put_other(&mut input);
        input
    }

    /// Returns the message with this record at its end.
    pub(super) fn append_to(&self, message: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let count = u16_at(message, ADDITIONAL_COUNT.start).map_err(|Malformed| EncodeError)?;
        let count = count.checked_add(1).ok_or(EncodeError)?;
        let mut rdata = Vec::with_capacity(128);
        put_name(&mut rdata, &self.algorithm);
        self.put_time(&mut rdata);
        rdata.extend(u16::try_from(self.mac.len()).map_err(|_| EncodeError)?.to_be_bytes());
        rdata.extend(&self.mac);
        rdata.extend(self.original_id.to_be_bytes());
        rdata.extend(self.error.to_be_bytes());
        self.put_other(&mut rdata);

        let mut signed = Vec::with_capacity(message.len() + rdata.len() + 64);
        signed.extend(message);
        signed[ADDITIONAL_COUNT].copy_from_slice(&count.to_be_bytes());
        put_name(&mut signed, &self.key_name);
        signed.extend(TYPE_TSIG.to_be_bytes());
        signed.extend(CLASS_ANY.to_be_bytes());
        signed.extend(0_u32.to_be_bytes());
        signed.extend(u16::try_from(rdata.len()).map_err(|_| EncodeError)?.to_be_bytes());
        signed.extend(rdata);
        if signed.len() > usize::from(u16::MAX) { Err(EncodeError) } else { Ok(signed) }
    }

    fn put_time(&self, out: &mut Vec<u8>) {
        out.extend(&self.time.to_be_bytes()[2..]);
        out.extend(self.fudge.to_be_bytes());
    }

    fn put_other(&self, out: &mut Vec<u8>) {
        // Six octets in what we write; in what was parsed, a length of 16 bits.
        out.extend(u16::try_from(self.other.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(&self.other);
    }

    /// Returns whether `now` lies within the fudge, which is clamped (RFC 8945 section 5.2.3).
    pub(super) fn is_timely(&self, now: SystemTime) -> bool {
        self.time.abs_diff(to_seconds(now)) <= u64::from(self.fudge.min(MAX_FUDGE))
    }
}

/// Returns a time as TSIG encodes it: seconds since 1970 in 48 bits, clamped.
pub fn to_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs().min(MAX_SECONDS))
}

/// Returns the time of 48 bits of seconds.
pub(super) fn from_seconds(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Writes a name in the canonical form of RFC 4034 section 6.2: uncompressed and in lower case.
fn put_name(out: &mut Vec<u8>, name: &Name) {
    for label in name {
        out.push(u8::try_from(label.len()).expect("a label has at most 63 octets"));
        out.extend(label.iter().map(u8::to_ascii_lowercase));
    }
    out.push(0);
}

/// A walk over the records of a message that parses only what it needs to find their ends.
struct RecordWalk<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> RecordWalk<'m> {
    /// Returns the start of the TSIG record, which must be the last additional record and end the message.
    fn to_tsig(message: &'m [u8]) -> Result<Option<usize>, Malformed> {
        if message.len() > usize::from(u16::MAX) {
            return Err(Malformed);
        }
        let count = |at| u16_at(message, at);
        let (questions, answers, authorities, additionals) = (count(4)?, count(6)?, count(8)?, count(10)?);
        let mut walk = Self { message, at: HEADER_LEN };
        for _ in 0..questions {
            walk.skip_name()?;
            walk.skip(4)?;
        }
        for _ in 0..u32::from(answers) + u32::from(authorities) {
            if walk.skip_record()? == TYPE_TSIG {
                return Err(Malformed);
            }
        }
        for left in (0..additionals).rev() {
            let start = walk.at;
            if walk.skip_record()? == TYPE_TSIG {
                let is_last = left == 0 && walk.at == message.len();
                return if is_last { Ok(Some(start)) } else { Err(Malformed) };
            }
        }
        if walk.at == message.len() { Ok(None) } else { Err(Malformed) }
    }

    fn skip_record(&mut self) -> Result<u16, Malformed> {
        self.skip_name()?;
        let record_type = u16_at(self.message, self.at)?;
        self.skip(8)?;
        let length = u16_at(self.message, self.at)?;
        self.skip(2 + usize::from(length))?;
        Ok(record_type)
    }

    fn skip_name(&mut self) -> Result<(), Malformed> {
        loop {
            let length = *self.message.get(self.at).ok_or(Malformed)?;
            match length {
                0 => return self.skip(1),
                1..=63 => self.skip(1 + usize::from(length))?,
                0xc0.. => return self.skip(2),
                _ => return Err(Malformed),
            }
        }
    }

    fn skip(&mut self, length: usize) -> Result<(), Malformed> {
        octets(self.message, self.at, length)?;
        self.at += length;
        Ok(())
    }
}

// Positions are below 2^17: a message has at most 65,535 octets, and lengths have 16 bits.

fn octets(message: &[u8], at: usize, length: usize) -> Result<&[u8], Malformed> {
    message.get(at..at + length).ok_or(Malformed)
}

fn u16_at(message: &[u8], at: usize) -> Result<u16, Malformed> {
    message.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u16::from_be_bytes).ok_or(Malformed)
}

fn u32_at(message: &[u8], at: usize) -> Result<u32, Malformed> {
    message.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_be_bytes).ok_or(Malformed)
}
