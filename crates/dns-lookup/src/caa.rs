//! CAA: whether a CA may issue, by CAA records (RFC 8659) with the parameters of RFC 8657. Pure.
//!
//! [`judge`] evaluates a set of records as a CA does. It reads values strictly by the grammar: a value that one CA accepts
//! and another rejects counts as forbidden.

mod issue_value;

use std::fmt;

use hickory_proto::rr::rdata::CAA;

pub use issue_value::{IssueValue, IssueValueError};

/// A CAA record (RFC 8659 section 4.1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CaaRecord {
    /// Flags; [`is_critical`](Self::is_critical) reads them.
    pub flags: u8,
    /// Property tag, in lower case: `issue`, `issuewild`, `iodef`, …
    pub tag: String,
    /// Value, as the server sent it.
    pub value: Vec<u8>,
}

/// A request for a certificate, as CAA sees it: the CA, the account and the validation method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// Domain of the CA in CAA records: `letsencrypt.org`.
    pub issuer: String,
    /// URL of the account at the CA; `None` if there is none yet. Then a record that names an account forbids.
    pub account_uri: Option<String>,
    /// Validation method: `dns-01`.
    pub method: String,
}

/// The kind of identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateFor {
    /// The name itself.
    Name,
    /// `*.` and the name.
    Wildcard,
}

/// The result of evaluating a set of CAA records.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaaVerdict {
    /// No record applies to this kind of identifier, so every CA may issue.
    Unrestricted,
    /// This record allows it.
    Allowed(CaaRecord),
    /// No record allows it; each record that applies, with the reason.
    Forbidden(Vec<(CaaRecord, CaaRefusal)>),
}

/// The reason why a record does not allow issuance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CaaRefusal {
    /// The property is critical, and RFC 8659 does not define it.
    #[error("it is critical and not one of issue, issuewild and iodef")]
    UnknownCritical,
    /// The value breaks the grammar, which counts as naming no CA.
    #[error("its value is malformed: {0}")]
    Malformed(IssueValueError),
    /// It names no CA: `";"`.
    #[error("it allows no CA")]
    Nobody,
    /// It names another CA.
    #[error("it is for another CA")]
    OtherIssuer,
    /// It names another account, or an account while there is none (RFC 8657 section 3).
    #[error("it is for another account")]
    OtherAccount,
    /// It names other validation methods (RFC 8657 section 4).
    #[error("it does not allow the validation method")]
    OtherMethod,
}

/// Evaluates the records of one name for this applicant and kind of identifier. A name without records inherits those of
/// its parent: see [`Finder::caa`](crate::Finder::caa).
///
/// ```
/// use fleetcert_dns_lookup::caa::{
///     Applicant, CaaRecord, CaaVerdict, CertificateFor, judge,
/// };
///
/// let value = b"letsencrypt.org; validationmethods=dns-01".into();
/// let record = CaaRecord { flags: 0, tag: "issue".into(), value };
/// let me = Applicant {
///     issuer: "letsencrypt.org".into(),
///     account_uri: None,
///     method: "dns-01".into(),
/// };
/// let verdict = judge(&[record.clone()], &me, CertificateFor::Name);
/// assert!(matches!(verdict, CaaVerdict::Allowed(_)));
/// let other = Applicant { method: "http-01".into(), ..me };
/// let verdict = judge(&[record], &other, CertificateFor::Name);
/// assert!(matches!(verdict, CaaVerdict::Forbidden(_)));
/// ```
pub fn judge(records: &[CaaRecord], applicant: &Applicant, certificate: CertificateFor) -> CaaVerdict {
    let unknown = |record: &&CaaRecord| {
        record.is_critical() && !matches!(&*record.tag, "issue" | "issuewild" | "iodef")
    };
    if let Some(record) = records.iter().find(unknown) {
        return CaaVerdict::Forbidden(vec![(record.clone(), CaaRefusal::UnknownCritical)]);
    }
    let tagged = |tag: &'static str| records.iter().filter(move |record| record.tag == tag);
    let wild = certificate == CertificateFor::Wildcard && tagged("issuewild").next().is_some();
    let mut refusals = Vec::new();
    for record in tagged(if wild { "issuewild" } else { "issue" }) {
        match applicant.is_refused_by(record) {
            None => return CaaVerdict::Allowed(record.clone()),
            Some(refusal) => refusals.push((record.clone(), refusal)),
        }
    }
    if refusals.is_empty() { CaaVerdict::Unrestricted } else { CaaVerdict::Forbidden(refusals) }
}

impl Applicant {
    fn is_refused_by(&self, record: &CaaRecord) -> Option<CaaRefusal> {
        let value = match IssueValue::parse(&record.value) {
            Ok(value) => value,
            Err(error) => return Some(CaaRefusal::Malformed(error)),
        };
        match value.issuer() {
            None => return Some(CaaRefusal::Nobody),
            Some(issuer) if !issuer.eq_ignore_ascii_case(&self.issuer) => {
                return Some(CaaRefusal::OtherIssuer);
            }
            Some(_) => {}
        }
        // RFC 8657 sections 3 and 4: a repeated parameter cannot be satisfied.
        let accounts: Vec<_> = value.parameters("accounturi").collect();
        if !accounts.iter().all(|account| Some(*account) == self.account_uri.as_deref()) || accounts.len() > 1
        {
            return Some(CaaRefusal::OtherAccount);
        }
        let methods: Vec<_> = value.parameters("validationmethods").collect();
        let allowed =
            |list: &&str| is_method_list(list) && list.split(',').any(|method| method == self.method);
        if !methods.iter().all(allowed) || methods.len() > 1 {
            return Some(CaaRefusal::OtherMethod);
        }
        None
    }
}

/// Returns whether the text is a list of methods by RFC 8657 section 4: labels separated by commas.
fn is_method_list(list: &str) -> bool {
    let of_label = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    list.split(',').all(|method| !method.is_empty() && method.bytes().all(of_label))
}

impl CaaRecord {
    /// Returns whether a CA that does not know the tag must not issue. The bit of RFC 8659 is 128; because many zones set 1
    /// instead, Let's Encrypt accepts that too.
    pub fn is_critical(&self) -> bool {
        self.flags & (128 | 1) != 0
    }
}

impl From<&CAA> for CaaRecord {
    fn from(caa: &CAA) -> Self {
        Self { flags: caa.flags(), tag: caa.tag.to_ascii_lowercase(), value: caa.value.clone() }
    }
}

/// In the form of a zone file.
impl fmt::Display for CaaRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} \"{}\"", self.flags, self.tag.escape_debug(), self.value.escape_ascii())
    }
}

impl fmt::Debug for CaaRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaaRecord({self})")
    }
}

#[cfg(test)]
mod tests;
