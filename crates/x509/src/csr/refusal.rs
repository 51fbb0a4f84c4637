//! Why a CSR was refused.

use std::fmt;

use crate::der::DerFault;

/// The refusal of a CSR: a stable code, the field that is at fault, and one sentence for people.
///
/// Hostile text is in the sentence only escaped and shortened, so that it can be logged and shown as it is. The
/// same CSR is refused again; a device must make another.
///
/// ```
/// use fleetcert_x509::{CsrPolicy, CsrRefusalCode, VerifiedCsr};
///
/// let refusal = VerifiedCsr::parse(b"no CSR", &CsrPolicy::device()).unwrap_err();
/// assert_eq!(refusal.code(), CsrRefusalCode::NotPem);
/// assert_eq!(refusal.code().as_str(), "csr_not_pem");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct CsrRefusal {
    code: CsrRefusalCode,
    field: &'static str,
    sentence: String,
}

impl CsrRefusal {
    pub(super) fn new(code: CsrRefusalCode, field: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, field, sentence: sentence.into() }
    }

    /// The refusal for bytes in `field` that are not the DER they should be.
    pub(super) fn der(field: &'static str) -> impl Fn(DerFault) -> Self {
        move |fault| {
            let (code, what) = match fault {
                DerFault::Malformed => (CsrRefusalCode::NotDer, "is not in DER as a CSR has it"),
                DerFault::Trailing => (CsrRefusalCode::TrailingData, "has more bytes after its end"),
                DerFault::TooDeep => (CsrRefusalCode::TooDeep, "is nested too deep"),
            };
            Self::new(code, field, format!("The {field} {what}."))
        }
    }

    /// The rule that was broken.
    pub fn code(&self) -> CsrRefusalCode {
        self.code
    }

    /// The field of the CSR that breaks it, by its name in RFC 2986 or RFC 5280.
    pub fn field(&self) -> &'static str {
        self.field
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:expr])+ $variant:ident = $code:literal,)+) => {
        /// The rule that a refused CSR breaks. Its text never changes between versions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CsrRefusalCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl CsrRefusalCode {
            /// The code as it goes over the wire and into logs.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }
        }
    };
}

codes! {
    /// More than 16 KiB.
    TooLarge = "csr_too_large",
    /// Neither DER nor exactly one PEM block `CERTIFICATE REQUEST`.
    NotPem = "csr_not_pem",
    /// A private key was sent. It has left the device and must be replaced.
    PrivateKeySent = "private_key_sent",
    /// Not strict DER, or not the structure of RFC 2986.
    NotDer = "csr_not_der",
    /// Bytes after the end of the CSR or of a structure in it.
    TrailingData = "csr_trailing_data",
    /// Nested deeper than 16 levels.
    TooDeep = "csr_too_deep",
    /// The version is not 0.
    BadVersion = "csr_bad_version",
    /// Signed by something else than ECDSA or RSA PKCS #1 v1.5 with SHA-256, SHA-384 or SHA-512.
    SignatureAlgorithmUnsupported = "csr_sigalg_unsupported",
    /// The signature is not one of the key over these bytes.
    BadSignature = "csr_bad_signature",
    /// A kind of key that the policy does not take.
    KeyTypeNotAllowed = "key_type_not_allowed",
    /// An RSA key of a size that the policy does not take.
    KeySizeNotAllowed = "key_size_not_allowed",
    /// The EC point is compressed, infinite, or not on the curve, or the curve is not named.
    KeyInvalidPoint = "key_invalid_point",
    /// The RSA exponent is not 65537.
    KeyBadExponent = "key_bad_exponent",
    /// The RSA modulus is even or negative.
    KeyWeak = "key_weak",
    /// Not exactly one extension request with exactly one value.
    DuplicateAttribute = "csr_duplicate_attribute",
    /// An attribute other than the extension request.
    AttributeNotAllowed = "csr_attribute_not_allowed",
    /// The same extension twice.
    DuplicateExtension = "csr_duplicate_extension",
    /// An extension, or a value in one, that a device's certificate does not have.
    ExtensionNotAllowed = "csr_extension_not_allowed",
    /// There is no name in a subject alternative name extension.
    SanMissing = "san_missing",
    /// More names than the policy takes.
    SanTooMany = "san_too_many",
    /// A name that is not a DNS name.
    SanTypeNotAllowed = "san_type_not_allowed",
    /// The same name twice.
    SanDuplicate = "san_duplicate",
    /// The subject has something else than one common name.
    SubjectNotAllowed = "subject_not_allowed",
    /// The common name is not one of the names.
    CommonNameMismatch = "cn_mismatch",
    /// A byte in a name that is no letter, digit, hyphen or dot.
    NameBadCharacter = "name_bad_character",
    /// A name whose form no CA takes.
    NameMalformed = "name_malformed",
    /// A name other than those granted, or one of those is missing.
    NameNotGranted = "name_not_granted",
    /// A wildcard name.
    WildcardNotGranted = "wildcard_not_granted",
}

impl fmt::Display for CsrRefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text from outside, in a form that does no harm in a log.
pub(super) fn quoted(text: &[u8]) -> String {
    const KEPT: usize = 80;
    let more = if text.len() > KEPT { "..." } else { "" };
    format!("\"{}{more}\"", text[..text.len().min(KEPT)].escape_ascii())
}
