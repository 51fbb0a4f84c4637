//! Refusals of the gate.

use std::fmt;

use crate::der::DerFault;

/// The refusal of a CSR: a stable code, the field at fault, and one sentence for people.
///
/// The sentence says what is wrong and what to change, for the device's owner. Text from the CSR is escaped and
/// shortened, so that the sentence can be logged and shown. The same CSR is refused again, and the device must make
/// another one, unless the refusal [is temporary](Self::is_temporary).
///
/// ```
/// use fleetcert_x509::{CsrPolicy, CsrRefusalCode, VerifiedCsr};
///
/// let refusal = VerifiedCsr::parse(b"no CSR", &CsrPolicy::device()).unwrap_err();
/// assert_eq!(refusal.code(), CsrRefusalCode::NotPem);
/// assert_eq!(refusal.code().as_str(), "csr_not_pem");
/// let advice = "send the CSR in DER, or as one PEM block CERTIFICATE REQUEST.";
/// assert!(refusal.to_string().ends_with(advice));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct CsrRefusal {
    code: CsrRefusalCode,
    field: &'static str,
    sentence: String,
}

impl CsrRefusal {
    /// Returns a refusal. `what` is a sentence that says what is wrong; the code adds what to change.
    pub(super) fn new(code: CsrRefusalCode, field: &'static str, what: impl AsRef<str>) -> Self {
        Self::with_remedy(code, field, what.as_ref(), code.remedy())
    }

    /// Returns a refusal with a remedy of the policy.
    pub(super) fn with_remedy(code: CsrRefusalCode, field: &'static str, what: &str, remedy: &str) -> Self {
        Self { code, field, sentence: format!("{}; {remedy}.", what.trim_end_matches('.')) }
    }

    /// Returns the refusal for a `field` that is not valid DER.
    pub(super) fn der(field: &'static str) -> impl Fn(DerFault) -> Self {
        move |fault| {
            let (code, what) = match fault {
                DerFault::Malformed => (CsrRefusalCode::NotDer, "is not the DER that a CSR must have"),
                DerFault::Trailing => (CsrRefusalCode::TrailingData, "has more bytes after its end"),
                DerFault::TooDeep => (CsrRefusalCode::TooDeep, "is nested too deeply"),
            };
            Self::new(code, field, format!("The {field} {what}."))
        }
    }

    /// Returns the rule that was broken.
    pub fn code(&self) -> CsrRefusalCode {
        self.code
    }

    /// Returns whether the same CSR may pass later: records or a list of blocked keys were unavailable.
    pub fn is_temporary(&self) -> bool {
        self.code == CsrRefusalCode::KeyCheckUnavailable
    }

    /// Returns the field at fault, by its name in RFC 2986 or RFC 5280.
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
            /// All codes, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the code as in messages and logs.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// Returns what to change, as the second half of a sentence.
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
    /// Signed with something other than ECDSA or RSA PKCS #1 v1.5 with SHA-256, SHA-384 or SHA-512.
    SignatureAlgorithmUnsupported = "csr_sigalg_unsupported", "sign with ECDSA or RSA PKCS #1 v1.5, and SHA-256, SHA-384 or SHA-512";
    /// The signature does not verify with the key over these bytes.
    BadSignature = "csr_bad_signature", "sign the CSR with its own key and change nothing afterwards";
    /// A kind of key that the policy does not allow.
    KeyTypeNotAllowed = "key_type_not_allowed", "make a key of a kind that is allowed";
    /// An RSA key of a size that the policy does not allow.
    KeySizeNotAllowed = "key_size_not_allowed", "make a key of a size that is allowed";
    /// The EC point is compressed, infinite, or not on the curve, or the curve is not named.
    KeyInvalidPoint = "key_invalid_point", "write the key with a named curve and its point uncompressed";
    /// The RSA exponent is not 65537.
    KeyBadExponent = "key_bad_exponent", "make the key with the public exponent 65537";
    /// The RSA modulus is even or negative, has a prime factor below 752, or is a power.
    KeyWeak = "key_weak", "make a new key with a good random number generator";
    /// The two primes of the RSA modulus are so close to each other that Fermat's method finds them.
    KeyClosePrimes = "key_close_primes", "make a new key with a good random number generator";
    /// The RSA modulus has the fingerprint of ROCA (CVE-2017-15361).
    KeyRoca = "key_roca", "make the key in software, or in a chip without this fault";
    /// The key is on a list of keys whose secret is known to others.
    KeyBlocked = "key_blocked", "make a new key on the device";
    /// Records or a list of blocked keys were unavailable. The same CSR may pass later.
    KeyCheckUnavailable = "key_check_unavailable", "send the same CSR again later";
    /// Another device has or had this key.
    KeyReused = "key_reused", "make a new key on each device";
    /// The identity key of the device.
    KeyIsIdentity = "key_is_identity", "make a separate key for the certificate";
    /// The key of an ACME account.
    KeyIsAccount = "key_is_account", "make a separate key for the certificate";
    /// The key of an earlier certificate, although the policy demands a new one.
    KeyNotRotated = "key_not_rotated", "make a new key for each certificate";
    /// Not exactly one extension request with exactly one value.
    DuplicateAttribute = "csr_duplicate_attribute", "put all extensions into one extension request with one value";
    /// An attribute other than the extension request.
    AttributeNotAllowed = "csr_attribute_not_allowed", "leave out every attribute but the extension request";
    /// A repeated extension.
    DuplicateExtension = "csr_duplicate_extension", "request each extension once";
    /// An extension, or a value in one, that a device's certificate does not have.
    ExtensionNotAllowed = "csr_extension_not_allowed", "request only names, and what a TLS server needs";
    /// There is no name in a subject alternative name extension.
    SanMissing = "san_missing", "put the DNS name into a subject alternative name extension";
    /// More names than the policy allows.
    SanTooMany = "san_too_many", "ask for fewer names";
    /// A name that is not a DNS name.
    SanTypeNotAllowed = "san_type_not_allowed", "put only DNS names into the subject alternative names";
    /// A repeated name.
    SanDuplicate = "san_duplicate", "write each name once";
    /// The subject has something other than one common name.
    SubjectNotAllowed = "subject_not_allowed", "leave the subject empty";
    /// The common name is not one of the names.
    CommonNameMismatch = "cn_mismatch", "leave the subject empty, or repeat one of the names there";
    /// A byte in a name that is not a letter, digit, hyphen or dot.
    NameBadCharacter = "name_bad_character", "write the name with letters, digits, hyphens and dots";
    /// A name in a form that no CA accepts.
    NameMalformed = "name_malformed", "write a complete DNS name";
    /// A name that was not granted, or a granted name that is missing.
    NameNotGranted = "name_not_granted", "ask for exactly the names that were assigned";
    /// A wildcard name that was not granted.
    WildcardNotGranted = "wildcard_not_granted", "ask for the name without an asterisk";
    /// The bytes to send are not those that were checked. This is a fault of the server, not of the device.
    InternalMismatch = "internal_csr_mismatch", "send the same CSR again; if it is refused again, tell the operator";
}

impl fmt::Display for CsrRefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Escapes and shortens text from outside for a log.
pub(super) fn quoted(text: &[u8]) -> String {
    const KEPT: usize = 80;
    let more = if text.len() > KEPT { "..." } else { "" };
    format!("\"{}{more}\"", text[..text.len().min(KEPT)].escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_escaped_and_shortened() {
        assert_eq!(quoted(b"a\x1b\"\xff\n"), r#""a\x1b\"\xff\n""#);
        assert_eq!(quoted(&[b'a'; 80]), format!("\"{}\"", "a".repeat(80)));
        assert_eq!(quoted(&[b'a'; 81]), format!("\"{}...\"", "a".repeat(80)));
    }

    #[test]
    fn sentence_has_the_fault_and_the_remedy() {
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
