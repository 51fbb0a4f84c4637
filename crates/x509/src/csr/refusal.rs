//! Why a CSR was refused.

use std::fmt;

use crate::der::DerFault;

/// The refusal of a CSR: a stable code, the field that is at fault, and one sentence for people.
///
/// The sentence says what is wrong and what to change, for the device's owner. Hostile text is in it only escaped
/// and shortened, so that it can be logged and shown as it is. The same CSR is refused again and a device must make
/// another, unless the refusal [is temporary](Self::is_temporary).
///
/// ```
/// use fleetcert_x509::{CsrPolicy, CsrRefusalCode, VerifiedCsr};
///
/// let refusal = VerifiedCsr::parse(b"no CSR", &CsrPolicy::device()).unwrap_err();
/// assert_eq!(refusal.code(), CsrRefusalCode::NotPem);
/// assert_eq!(refusal.code().as_str(), "csr_not_pem");
/// assert!(refusal.to_string().ends_with("send the CSR in DER, or as one PEM block CERTIFICATE REQUEST."));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct CsrRefusal {
    code: CsrRefusalCode,
    field: &'static str,
    sentence: String,
}

impl CsrRefusal {
    /// `what` is wrong, as a sentence; what to change is added by the code.
    pub(super) fn new(code: CsrRefusalCode, field: &'static str, what: impl AsRef<str>) -> Self {
        Self::with_remedy(code, field, what.as_ref(), code.remedy())
    }

    /// The same, where the policy knows better what to change.
    pub(super) fn with_remedy(code: CsrRefusalCode, field: &'static str, what: &str, remedy: &str) -> Self {
        Self { code, field, sentence: format!("{}; {remedy}.", what.trim_end_matches('.')) }
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

    /// Whether the same CSR may pass later: a list of blocked keys could not be asked. Nothing was accepted.
    pub fn is_temporary(&self) -> bool {
        self.code == CsrRefusalCode::KeyCheckUnavailable
    }

    /// The field of the CSR that breaks it, by its name in RFC 2986 or RFC 5280.
    pub fn field(&self) -> &'static str {
        self.field
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:expr])+ $variant:ident = $code:literal, $remedy:literal;)+) => {
        /// The rule that a refused CSR breaks. Its text never changes between versions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CsrRefusalCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl CsrRefusalCode {
            /// All of them, in the order in which they are documented.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code as it goes over the wire and into logs.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// What to change, as the second half of a sentence.
            fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)+
                }
            }
        }
    };
}

codes! {
    /// More than 16 KiB.
    TooLarge = "csr_too_large", "send one CSR and nothing else";
    /// Neither DER nor exactly one PEM block `CERTIFICATE REQUEST`.
    NotPem = "csr_not_pem", "send the CSR in DER, or as one PEM block CERTIFICATE REQUEST";
    /// A private key was sent. It has left the device and must be replaced.
    PrivateKeySent = "private_key_sent", "make a new key on the device and send only a CSR";
    /// Not strict DER, or not the structure of RFC 2986.
    NotDer = "csr_not_der", "make the CSR with a tool that writes DER";
    /// Bytes after the end of the CSR or of a structure in it.
    TrailingData = "csr_trailing_data", "send the CSR without anything after it or in between";
    /// Nested deeper than 16 levels.
    TooDeep = "csr_too_deep", "make the CSR with a tool that writes DER";
    /// The version is not 0.
    BadVersion = "csr_bad_version", "make a PKCS #10 CSR, which has the version 0";
    /// Signed by something else than ECDSA or RSA PKCS #1 v1.5 with SHA-256, SHA-384 or SHA-512.
    SignatureAlgorithmUnsupported = "csr_sigalg_unsupported", "sign with ECDSA or RSA PKCS #1 v1.5, and SHA-256, SHA-384 or SHA-512";
    /// The signature is not one of the key over these bytes.
    BadSignature = "csr_bad_signature", "sign the CSR with its own key and change nothing afterwards";
    /// A kind of key that the policy does not take.
    KeyTypeNotAllowed = "key_type_not_allowed", "make a key of a kind that is taken";
    /// An RSA key of a size that the policy does not take.
    KeySizeNotAllowed = "key_size_not_allowed", "make a key of a size that is taken";
    /// The EC point is compressed, infinite, or not on the curve, or the curve is not named.
    KeyInvalidPoint = "key_invalid_point", "write the key with a named curve and its point uncompressed";
    /// The RSA exponent is not 65537.
    KeyBadExponent = "key_bad_exponent", "make the key with the public exponent 65537";
    /// The RSA modulus is even or negative, has a prime factor below 752, or is a power.
    KeyWeak = "key_weak", "make a new key with a sound generator of random numbers";
    /// The two primes of the RSA modulus are so close to each other that Fermat's method finds them.
    KeyClosePrimes = "key_close_primes", "make a new key with a sound generator of random numbers";
    /// The RSA modulus has the fingerprint of ROCA (CVE-2017-15361).
    KeyRoca = "key_roca", "make the key in software, or in a chip without this fault";
    /// The key is on a list of keys that are known to others.
    KeyBlocked = "key_blocked", "make a new key on the device";
    /// A list of blocked keys could not be asked. The same CSR may pass later.
    KeyCheckUnavailable = "key_check_unavailable", "send the same CSR again later";
    /// Another device has or had this key.
    KeyReused = "key_reused", "make a new key on each device";
    /// It is the key by which the device proves who it is.
    KeyIsIdentity = "key_is_identity", "make a key for the certificate apart from the identity key";
    /// It is the key of an ACME account.
    KeyIsAccount = "key_is_account", "make a key for the certificate alone";
    /// The policy wants a new key for each certificate, and this is the old one.
    KeyNotRotated = "key_not_rotated", "make a new key for each certificate";
    /// Not exactly one extension request with exactly one value.
    DuplicateAttribute = "csr_duplicate_attribute", "put all extensions into one extension request with one value";
    /// An attribute other than the extension request.
    AttributeNotAllowed = "csr_attribute_not_allowed", "leave out every attribute but the extension request";
    /// The same extension twice.
    DuplicateExtension = "csr_duplicate_extension", "request each extension once";
    /// An extension, or a value in one, that a device's certificate does not have.
    ExtensionNotAllowed = "csr_extension_not_allowed", "request only names, and what a TLS server needs";
    /// There is no name in a subject alternative name extension.
    SanMissing = "san_missing", "put the DNS name into a subject alternative name extension";
    /// More names than the policy takes.
    SanTooMany = "san_too_many", "ask for fewer names";
    /// A name that is not a DNS name.
    SanTypeNotAllowed = "san_type_not_allowed", "put only DNS names into the subject alternative names";
    /// The same name twice.
    SanDuplicate = "san_duplicate", "write each name once";
    /// The subject has something else than one common name.
    SubjectNotAllowed = "subject_not_allowed", "leave the subject empty";
    /// The common name is not one of the names.
    CommonNameMismatch = "cn_mismatch", "leave the subject empty, or repeat one of the names there";
    /// A byte in a name that is no letter, digit, hyphen or dot.
    NameBadCharacter = "name_bad_character", "write the name with letters, digits, hyphens and dots";
    /// A name whose form no CA takes.
    NameMalformed = "name_malformed", "write a whole DNS name";
    /// A name other than those granted, or one of those is missing.
    NameNotGranted = "name_not_granted", "ask for exactly the names that were assigned";
    /// A wildcard name that was not granted.
    WildcardNotGranted = "wildcard_not_granted", "ask for the name without an asterisk";
    /// The bytes about to be sent are not those that were checked. This is a fault of the server, not of the device.
    InternalMismatch = "internal_csr_mismatch", "send the same CSR again; if it is refused again, tell the operator";
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_escaped_and_cut() {
        assert_eq!(quoted(b"a\x1b\"\xff\n"), r#""a\x1b\"\xff\n""#);
        assert_eq!(quoted(&[b'a'; 80]), format!("\"{}\"", "a".repeat(80)));
        assert_eq!(quoted(&[b'a'; 81]), format!("\"{}...\"", "a".repeat(80)));
    }

    #[test]
    fn a_sentence_says_what_is_wrong_and_what_to_change() {
        let refusal = CsrRefusal::new(CsrRefusalCode::SanMissing, "subjectAltName", "There is none.");
        assert_eq!(
            refusal.to_string(),
            "There is none; put the DNS name into a subject alternative name extension."
        );
        assert_eq!((refusal.field(), refusal.is_temporary()), ("subjectAltName", false));
        assert_eq!(CsrRefusalCode::SanMissing.to_string(), "san_missing");
        let fault = CsrRefusal::der("subject")(DerFault::TooDeep);
        assert_eq!((fault.code(), fault.field()), (CsrRefusalCode::TooDeep, "subject"));
    }
}
