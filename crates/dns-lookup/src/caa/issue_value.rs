//! The value of an `issue` or `issuewild` property.

use std::str;

/// The parsed value: the CA that may issue, and under which conditions (RFC 8659 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueValue {
    issuer: Option<String>,
    parameters: Vec<(String, String)>,
}

/// The reason why a value breaks the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum IssueValueError {
    /// An octet other than printable ASCII, a blank or a tab.
    #[error("it has an octet that is not printable")]
    Octet,
    /// The part before the first semicolon is not a domain name.
    #[error("the CA is not a domain name")]
    Issuer,
    /// A parameter without `=`, or nothing between two semicolons.
    #[error("a parameter is not of the form tag=value")]
    Parameter,
    /// A parameter's tag that is not letters, digits and inner hyphens.
    #[error("a parameter's tag has a wrong character")]
    Tag,
    /// A parameter's value with a blank in it.
    #[error("a parameter's value has a blank in it")]
    Value,
}

impl IssueValue {
    /// Parses the octets, strictly by the grammar of RFC 8659 section 4.2.
    ///
    /// # Errors
    /// [`IssueValueError`]. Such a value counts as `";"`, which allows no CA.
    pub fn parse(octets: &[u8]) -> Result<Self, IssueValueError> {
        let allowed = |octet: &u8| matches!(octet, b'\t' | b' '..=b'~');
        let text = str::from_utf8(octets)
            .ok()
            .filter(|text| text.as_bytes().iter().all(allowed))
            .ok_or(IssueValueError::Octet)?;
        let (issuer, parameters) = match text.split_once(';') {
            Some((issuer, parameters)) => (trimmed(issuer), trimmed(parameters)),
            None => (trimmed(text), ""),
        };
        if !issuer.is_empty() && !issuer.split('.').all(is_label) {
            return Err(IssueValueError::Issuer);
        }
        let parameters = match parameters {
            "" => Vec::new(),
            list => list.split(';').map(parameter).collect::<Result<_, _>>()?,
        };
        let issuer = (!issuer.is_empty()).then(|| issuer.to_owned());
        Ok(Self { issuer, parameters })
    }

    /// Returns the CA that may issue; `None` for none.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns the values of the parameters with this tag, compared without regard to case.
    pub fn parameters<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a str> {
        let tagged = move |(other, _): &&(String, String)| other.eq_ignore_ascii_case(tag);
        self.parameters.iter().filter(tagged).map(|(_, value)| value.as_str())
    }
}

fn parameter(text: &str) -> Result<(String, String), IssueValueError> {
    let (tag, value) = text.split_once('=').ok_or(IssueValueError::Parameter)?;
    let (tag, value) = (trimmed(tag), trimmed(value));
    if !is_label(tag) {
        return Err(IssueValueError::Tag);
    }
    if value.contains([' ', '\t']) {
        return Err(IssueValueError::Value);
    }
    Ok((tag.to_owned(), value.to_owned()))
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// `(ALPHA / DIGIT) *( *("-") (ALPHA / DIGIT))`
fn is_label(text: &str) -> bool {
    let of_label = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    !text.is_empty() && text.bytes().all(of_label) && !text.starts_with('-') && !text.ends_with('-')
}
