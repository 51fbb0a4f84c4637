//! A name that may stand in a certificate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{DomainName, NameError, NameErrorKind};

/// A host name: at least two labels of letters, digits and hyphens (RFC 1123 section 2.1), lower case.
///
/// It is what a device is called and what its certificate says. No wildcard and no underscore.
///
/// ```
/// use fleetcert_names::HostName;
///
/// let host: HostName = "xi8qz.fleet.test".parse()?;
/// assert_eq!(host.challenge_name().as_str(), "_acme-challenge.xi8qz.fleet.test");
/// assert!("_acme-challenge.fleet.test".parse::<HostName>().is_err());
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct HostName(DomainName);

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The same name as the owner name of records.
    pub fn as_domain(&self) -> &DomainName {
        &self.0
    }

    /// Where the dns-01 value of this name stands: `_acme-challenge.` and the name (RFC 8555 section 8.4).
    pub fn challenge_name(&self) -> DomainName {
        let prefix = CHALLENGE_LABEL.parse().expect("_acme-challenge is a label");
        self.0.child(&prefix).expect("a host name leaves room for the challenge label")
    }
}

const CHALLENGE_LABEL: &str = "_acme-challenge";
/// A name so long that its challenge record could not be named can never be certified by dns-01.
const MAX_LEN: usize = DomainName::MAX_LEN - CHALLENGE_LABEL.len() - 1;

impl TryFrom<DomainName> for HostName {
    type Error = NameError;

    fn try_from(name: DomainName) -> Result<Self, NameError> {
        let fault = if name.as_str().len() > MAX_LEN {
            Some(NameErrorKind::NameTooLong)
        } else if name.as_str().contains('_') {
            Some(NameErrorKind::BadCharacter)
        } else if name.label_count() < 2 {
            Some(NameErrorKind::TooFewLabels)
        } else {
            None
        };
        match fault {
            None => Ok(Self(name)),
            Some(kind) => Err(NameError::new(kind, name.as_str())),
        }
    }
}

impl FromStr for HostName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.parse::<DomainName>()?.try_into()
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostName({self})")
    }
}

impl TryFrom<String> for HostName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(host: HostName) -> Self {
        host.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_refused() {
        for (text, kind) in [
            ("test", NameErrorKind::TooFewLabels),
            ("a_b.test", NameErrorKind::BadCharacter),
            ("*.fleet.test", NameErrorKind::BadCharacter),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap_err().kind(), kind, "{text}");
        }
    }

    #[test]
    fn every_host_name_has_a_challenge_name() {
        let longest = "a.".repeat(MAX_LEN / 2) + "a";
        assert_eq!(longest.len(), MAX_LEN);
        assert_eq!(longest.parse::<HostName>().unwrap().challenge_name().as_str().len(), DomainName::MAX_LEN);
        assert!(format!("a{longest}").parse::<HostName>().is_err());
    }

    proptest! {
        #[test]
        fn serde_is_the_text(text in "[a-z0-9]{1,9}\\.[a-z0-9]{1,9}") {
            let host: HostName = text.parse().unwrap();
            let json = serde_json::to_string(&host).unwrap();
            prop_assert_eq!(&json, &format!("\"{text}\""));
            prop_assert_eq!(serde_json::from_str::<HostName>(&json).unwrap(), host);
        }
    }
}
