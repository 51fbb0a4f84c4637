//! Names: DNS names only, each once, in a form that a public CA accepts.

use fleetcert_names::{HostName, Identifier, IdentifierSet, NameErrorKind};

use super::super::refusal::{CsrRefusal, CsrRefusalCode as Code, quoted};
use super::extensions::subject_alt_name;
use crate::CsrPolicy;
use crate::der::{Reader, tag};

const FIELD: &str = "subjectAltName";
/// Maximum labels of a name, as at Let's Encrypt.
const MAX_LABELS: usize = 10;

/// Returns the identifiers that a CSR requests; wildcards must be in the policy's grant.
pub(super) fn identifiers(extensions: Reader<'_>, policy: &CsrPolicy) -> Result<IdentifierSet, CsrRefusal> {
    let mut general_names = subject_alt_name(extensions, policy)?.unwrap_or(Reader::new(&[]));
    let mut identifiers = Vec::new();
    while !general_names.is_empty() {
        if identifiers.len() >= policy.max_names() {
            let sentence = format!("The CSR has more than {} names.", policy.max_names());
            return Err(refuse(Code::SanTooMany, sentence));
        }
        let general_name = general_names.any().map_err(CsrRefusal::der(FIELD))?;
        if general_name.tag != tag::DNS_NAME {
            let sentence =
                format!("A name is {} instead of a DNS name.", general_name_type(general_name.tag));
            return Err(refuse(Code::SanTypeNotAllowed, sentence));
        }
        identifiers.push(if general_name.content.contains(&b'*') {
            wildcard(general_name.content, policy)?
        } else {
            host_name(general_name.content, MAX_LABELS, policy)?.into()
        });
    }
    each_once(&mut identifiers)?;
    IdentifierSet::new(identifiers)
        .map_err(|_none| refuse(Code::SanMissing, "The CSR has no subject alternative name."))
}

fn each_once(identifiers: &mut [Identifier]) -> Result<(), CsrRefusal> {
    identifiers.sort();
    match identifiers.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let sentence = format!("The name {} is repeated.", quoted(pair[0].as_str().as_bytes()));
            Err(refuse(Code::SanDuplicate, sentence))
        }
        None => Ok(()),
    }
}

/// Parses a wildcard: the asterisk is the whole left-most label, and the wildcard was granted.
fn wildcard(bytes: &[u8], policy: &CsrPolicy) -> Result<Identifier, CsrRefusal> {
    let refusal = || {
        let sentence = format!("The wildcard name {} was not granted.", quoted(bytes));
        refuse(Code::WildcardNotGranted, sentence)
    };
    let grant = policy.grant().ok_or_else(refusal)?;
    let base = match bytes {
        [b'*', b'.', base @ ..] if !base.contains(&b'*') => base,
        _ => return Err(refusal()),
    };
    let wildcard = Identifier::wildcard(host_name(base, MAX_LABELS - 1, policy)?);
    if grant.allows(&wildcard) { Ok(wildcard) } else { Err(refusal()) }
}

fn host_name(bytes: &[u8], max_labels: usize, policy: &CsrPolicy) -> Result<HostName, CsrRefusal> {
    // An IA5String is octets; only letters, digits, hyphens and dots become text.
    let ldh = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(ldh) => text,
        _ => {
            let what = "has a character other than letters, digits, hyphen and dot";
            return Err(refuse(Code::NameBadCharacter, format!("The name {} {what}.", quoted(bytes))));
        }
    };
    let malformed = |what: &str| refuse(Code::NameMalformed, format!("The name {} {what}.", quoted(bytes)));
    if text.ends_with('.') {
        return Err(malformed("ends with a dot"));
    }
    let name = text.parse::<HostName>().map_err(|error| {
        malformed(match error.kind() {
            NameErrorKind::EmptyLabel => "has an empty label",
            NameErrorKind::LabelTooLong => "has a label of more than 63 characters",
            NameErrorKind::NameTooLong => "is too long",
            NameErrorKind::HyphenAtEdge => "has a label with a hyphen at its edge",
            NameErrorKind::TooFewLabels => "has only one label",
            _ => "is not a host name",
        })
    })?;
    match form_fault(&name, max_labels, policy) {
        Some(what) => Err(malformed(what)),
        None => Ok(name),
    }
}

fn form_fault(name: &HostName, max_labels: usize, policy: &CsrPolicy) -> Option<&'static str> {
    let domain = name.as_domain();
    if domain.label_count() > max_labels {
        return Some("has more than ten labels");
    }
    for label in domain.labels() {
        // Hyphens in third and fourth place are reserved; so far only `xn--` has a meaning (RFC 5891 4.2.3.1).
        if label.get(2..4) == Some("--") && !(label.starts_with("xn--") && policy.allows_a_labels()) {
            return Some("has a label with hyphens in third and fourth place");
        }
    }
    // A name that browsers read as an IPv4 address is not a DNS name: the last label is a number.
    let last = domain.labels().next_back().unwrap_or_default();
    let digits = last.strip_prefix("0x").map_or_else(
        || last.bytes().all(|byte| byte.is_ascii_digit()),
        |hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
    );
    digits.then_some("ends with a number, as an IP address does")
}

/// Returns the kind of a GeneralName (RFC 5280 section 4.2.1.6) by its tag number.
fn general_name_type(tag: u8) -> &'static str {
    match tag & 0x1f {
        0 => "an otherName",
        1 => "an email address",
        3 => "an X.400 address",
        4 => "a directory name",
        5 => "an EDI party name",
        6 => "a URI",
        7 => "an IP address",
        8 => "a registered identifier",
        _ => "something unknown",
    }
}

fn refuse(code: Code, sentence: impl AsRef<str>) -> CsrRefusal {
    CsrRefusal::new(code, FIELD, sentence)
}
