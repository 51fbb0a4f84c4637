//! The JSON of the webhook as types, for clients and servers.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use fleetcert_dns::{
    Addresses, BackendError, BackendErrorKind, Capabilities, Change, RecordData, RecordSet, RecordType, Ttl,
    TxtValue, ValueError,
};
use fleetcert_names::DomainName;
use serde::{Deserialize, Serialize};

/// The body of `POST apply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// The zone to change.
    pub zone: DomainName,
    /// The changes, in their order.
    pub changes: Vec<ChangeMessage>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ChangeMessage {
    /// The value is among the TXT values of the name afterwards.
    AddTxt {
        /// The owner name.
        name: DomainName,
        /// The value.
        value: Text,
        /// The time to live, in seconds.
        ttl: Ttl,
    },
    /// The value is not among the TXT values of the name afterwards.
    RemoveTxt {
        /// The owner name.
        name: DomainName,
        /// The value.
        value: Text,
    },
    /// The addresses of the name are these afterwards.
    SetAddresses {
        /// The owner name.
        name: DomainName,
        /// All its IPv4 addresses.
        a: Vec<Ipv4Addr>,
        /// All its IPv6 addresses.
        aaaa: Vec<Ipv6Addr>,
        /// The time to live, in seconds.
        ttl: Ttl,
    },
}

/// A TXT value: a string, or base64 of octets that are no UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// `"the value"`
    Plain(String),
    /// `{"base64": "…"}`
    Octets {
        /// The octets (RFC 4648 section 4, with padding).
        base64: String,
    },
}

/// The body of `POST read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadRequest {
    /// The zone to read.
    pub zone: DomainName,
    /// The owner name.
    pub name: DomainName,
    /// The type of the records.
    #[serde(rename = "type")]
    pub record_type: TypeName,
}

/// A type of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum TypeName {
    A,
    Aaaa,
    Txt,
}

/// The answer to `POST read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadAnswer {
    /// The record set; `null` when there is none.
    pub set: Option<SetMessage>,
}

/// A record set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetMessage {
    /// The time to live, in seconds.
    pub ttl: Ttl,
    /// Its values: texts, or addresses as texts.
    pub values: Vec<Text>,
}

/// The answer to `GET capabilities`. What is not said is as in [`Capabilities::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // as the fields of `Capabilities`
pub struct CapabilitiesAnswer {
    pub atomic: bool,
    pub addresses: bool,
    pub reads: bool,
    pub removes: bool,
    pub any_name: bool,
    pub any_text: bool,
    /// `null` for no bound.
    pub max_values: Option<usize>,
    pub min_ttl: Ttl,
    /// `null` for no bound.
    pub max_changes: Option<usize>,
}

/// The body of an answer that is not one of success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// What is wrong.
    pub error: ErrorMessage,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorMessage {
    /// By outcome.
    pub kind: ErrorKind,
    /// For people. The client shows its first two hundred characters.
    #[serde(default)]
    pub message: String,
}

/// The kinds of [`BackendErrorKind`], by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ErrorKind {
    Unauthenticated,
    Refused,
    NotInZone,
    Conflict,
    Quota,
    Unavailable,
    InvalidInput,
}

/// A message that says nothing that the contract knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// A value that no record can have.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A text that is no base64, or no address where one should be.
    #[error("a value cannot be read")]
    Unreadable,
}

impl ApplyRequest {
    /// The message for these changes.
    pub fn new(zone: &DomainName, changes: &[Change]) -> Self {
        Self { zone: zone.clone(), changes: changes.iter().map(ChangeMessage::from).collect() }
    }

    /// The changes of the message.
    ///
    /// # Errors
    /// When one of them cannot be.
    pub fn changes(&self) -> Result<Vec<Change>, MessageError> {
        self.changes.iter().map(Change::try_from).collect()
    }
}

impl From<&Change> for ChangeMessage {
    fn from(change: &Change) -> Self {
        match change.clone() {
            Change::AddTxt { name, value, ttl } => Self::AddTxt { name, value: (&value).into(), ttl },
            Change::RemoveTxt { name, value } => Self::RemoveTxt { name, value: (&value).into() },
            Change::SetAddresses { name, addresses, ttl } => {
                Self::SetAddresses { name, a: addresses.v4().collect(), aaaa: addresses.v6().collect(), ttl }
            }
        }
    }
}

impl TryFrom<&ChangeMessage> for Change {
    type Error = MessageError;

    fn try_from(message: &ChangeMessage) -> Result<Self, MessageError> {
        Ok(match message.clone() {
            ChangeMessage::AddTxt { name, value, ttl } => {
                Self::AddTxt { name, value: (&value).try_into()?, ttl }
            }
            ChangeMessage::RemoveTxt { name, value } => Self::RemoveTxt { name, value: (&value).try_into()? },
            ChangeMessage::SetAddresses { name, a, aaaa, ttl } => {
                let all = a.into_iter().map(Into::into).chain(aaaa.into_iter().map(Into::into));
                Self::SetAddresses { name, addresses: Addresses::new(all)?, ttl }
            }
        })
    }
}

impl From<&TxtValue> for Text {
    fn from(value: &TxtValue) -> Self {
        match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => Self::Plain(text.to_owned()),
            Err(_) => Self::Octets { base64: BASE64.encode(value.as_bytes()) },
        }
    }
}

impl TryFrom<&Text> for TxtValue {
    type Error = MessageError;

    fn try_from(text: &Text) -> Result<Self, MessageError> {
        Ok(match text {
            Text::Plain(text) => Self::new(text.as_bytes())?,
            Text::Octets { base64 } => {
                Self::new(&BASE64.decode(base64).map_err(|_| MessageError::Unreadable)?)?
            }
        })
    }
}

impl From<RecordType> for TypeName {
    fn from(record_type: RecordType) -> Self {
        match record_type {
            RecordType::A => Self::A,
            RecordType::Aaaa => Self::Aaaa,
            RecordType::Txt => Self::Txt,
        }
    }
}

impl From<TypeName> for RecordType {
    fn from(name: TypeName) -> Self {
        match name {
            TypeName::A => Self::A,
            TypeName::Aaaa => Self::Aaaa,
            TypeName::Txt => Self::Txt,
        }
    }
}

impl ReadAnswer {
    /// The message for this set.
    pub fn new(set: Option<&RecordSet>) -> Self {
        let message = |set: &RecordSet| {
            let value = |data: &RecordData| match data {
                RecordData::A(address) => Text::Plain(address.to_string()),
                RecordData::Aaaa(address) => Text::Plain(address.to_string()),
                RecordData::Txt(value) => value.into(),
            };
            SetMessage { ttl: set.ttl, values: set.values.iter().map(value).collect() }
        };
        Self { set: set.map(message) }
    }

    /// The set of the message, whose values are of this type. One without values is no set.
    ///
    /// # Errors
    /// When one of the values cannot be.
    pub fn set(&self, record_type: RecordType) -> Result<Option<RecordSet>, MessageError> {
        let Some(set) = self.set.as_ref().filter(|set| !set.values.is_empty()) else { return Ok(None) };
        let value = |text: &Text| match (record_type, text) {
            (RecordType::Txt, text) => Ok(RecordData::Txt(text.try_into()?)),
            (RecordType::A, Text::Plain(text)) => {
                text.parse().map(RecordData::A).map_err(|_| MessageError::Unreadable)
            }
            (RecordType::Aaaa, Text::Plain(text)) => {
                text.parse().map(RecordData::Aaaa).map_err(|_| MessageError::Unreadable)
            }
            (_, Text::Octets { .. }) => Err(MessageError::Unreadable),
        };
        let values = set.values.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Some(RecordSet { ttl: set.ttl, values }))
    }
}

impl From<Capabilities> for CapabilitiesAnswer {
    fn from(capabilities: Capabilities) -> Self {
        let Capabilities { atomic, addresses, reads, removes, any_name, any_text, min_ttl, .. } =
            capabilities;
        let bound = |most| Some(most).filter(|most| *most != usize::MAX);
        let (max_values, max_changes) = (bound(capabilities.max_values), bound(capabilities.max_changes));
        Self { atomic, addresses, reads, removes, any_name, any_text, max_values, min_ttl, max_changes }
    }
}

impl From<CapabilitiesAnswer> for Capabilities {
    fn from(answer: CapabilitiesAnswer) -> Self {
        let CapabilitiesAnswer { atomic, addresses, reads, removes, any_name, any_text, min_ttl, .. } =
            answer;
        Self {
            atomic,
            addresses,
            reads,
            removes,
            any_name,
            any_text,
            max_values: answer.max_values.unwrap_or(usize::MAX),
            min_ttl,
            max_changes: answer.max_changes.unwrap_or(usize::MAX),
        }
    }
}

impl Default for CapabilitiesAnswer {
    fn default() -> Self {
        Capabilities::ALL.into()
    }
}

impl ErrorAnswer {
    /// The message of an error of a backend. A server sends its [`status`](ErrorKind::status), and the time to wait in
    /// the header `Retry-After`.
    pub fn new(error: &BackendError) -> Self {
        Self::of_kind(error.kind().into(), error.to_string())
    }

    /// A message of one's own.
    pub fn of_kind(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { error: ErrorMessage { kind, message: message.into() } }
    }
}

impl ErrorKind {
    /// The HTTP status of an answer of this kind.
    pub fn status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Refused => 403,
            Self::NotInZone => 404,
            Self::Conflict => 409,
            Self::Quota => 429,
            Self::Unavailable => 503,
            Self::InvalidInput => 422,
        }
    }
}

impl From<BackendErrorKind> for ErrorKind {
    fn from(kind: BackendErrorKind) -> Self {
        match kind {
            BackendErrorKind::Unauthenticated => Self::Unauthenticated,
            BackendErrorKind::Refused => Self::Refused,
            BackendErrorKind::NotInZone => Self::NotInZone,
            BackendErrorKind::Conflict => Self::Conflict,
            BackendErrorKind::Quota => Self::Quota,
            BackendErrorKind::InvalidInput => Self::InvalidInput,
            // A kind of a later contract says at least that it was not done.
            _ => Self::Unavailable,
        }
    }
}

impl From<ErrorKind> for BackendErrorKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unauthenticated => Self::Unauthenticated,
            ErrorKind::Refused => Self::Refused,
            ErrorKind::NotInZone => Self::NotInZone,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Quota => Self::Quota,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::InvalidInput => Self::InvalidInput,
        }
    }
}
