//! An absolute domain name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::label::label_fault;
use crate::{Label, NameError, NameErrorKind};

/// An absolute domain name, lower case, without the trailing dot: the owner name of a record, or a zone.
///
/// It has at least one label and fits into 255 octets on the wire. Underscores are allowed, as in
/// `_acme-challenge`. A clone shares its text.
///
/// ```
/// use fleetcert_names::DomainName;
///
/// let zone: DomainName = "Fleet.Test.".parse()?;
/// let name = zone.child(&"xi8qz".parse()?)?;
/// assert_eq!(name.as_str(), "xi8qz.fleet.test");
/// assert_eq!(name.parent(), Some(zone));
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// The most characters of a name: 255 octets on the wire less the first length and the root.
    pub const MAX_LEN: usize = 253;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn shared_text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The labels, the device's own first and the top-level domain last.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// How many labels there are; at least one.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// The name without its first label; `None` for a top-level domain.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, rest)| Self(rest.into()))
    }

    /// The name one label below this one.
    ///
    /// # Errors
    /// [`NameErrorKind::NameTooLong`] when the whole would be too long.
    pub fn child(&self, label: &Label) -> Result<Self, NameError> {
        format!("{label}.{self}").parse()
    }

    /// Whether this name is `zone` or stands below it.
    ///
    /// ```
    /// use fleetcert_names::DomainName;
    ///
    /// let name: DomainName = "evilfleet.test".parse()?;
    /// assert!(!name.is_within(&"fleet.test".parse()?));
    /// # Ok::<(), fleetcert_names::NameError>(())
    /// ```
    pub fn is_within(&self, zone: &Self) -> bool {
        match self.0.strip_suffix(zone.as_str()) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }
}

impl FromStr for DomainName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let relative = text.strip_suffix('.').unwrap_or(text);
        if relative.len() > Self::MAX_LEN {
            return Err(NameError::new(NameErrorKind::NameTooLong, text));
        }
        match relative.split('.').find_map(label_fault) {
            None => Ok(Self(relative.to_ascii_lowercase().into())),
            Some(kind) => Err(NameError::new(kind, text)),
        }
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DomainName({})", self.0)
    }
}

impl TryFrom<String> for DomainName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<DomainName> for String {
    fn from(name: DomainName) -> Self {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(text: &str) -> NameErrorKind {
        text.parse::<DomainName>().unwrap_err().kind()
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(kind(""), NameErrorKind::EmptyLabel);
        assert_eq!(kind("."), NameErrorKind::EmptyLabel);
        assert_eq!(kind("a..b"), NameErrorKind::EmptyLabel);
        assert_eq!(kind("a.b.."), NameErrorKind::EmptyLabel);
        assert_eq!(kind("*.b"), NameErrorKind::BadCharacter);
        assert_eq!(kind("host\0.b"), NameErrorKind::BadCharacter);
        assert_eq!(kind("ſ.b"), NameErrorKind::BadCharacter);
        assert_eq!(kind("a-.b"), NameErrorKind::HyphenAtEdge);
        assert_eq!(kind(&"a.".repeat(128)), NameErrorKind::NameTooLong);
    }

    #[test]
    fn the_longest_name() {
        let longest = "a.".repeat(126) + "a";
        assert_eq!(longest.len(), DomainName::MAX_LEN);
        let name: DomainName = longest.parse().unwrap();
        assert!(name.child(&"b".parse().unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn what_was_parsed_parses_to_itself(text in "[A-Za-z0-9_.-]{0,80}") {
            if let Ok(name) = text.parse::<DomainName>() {
                prop_assert_eq!(&name.as_str().parse::<DomainName>().unwrap(), &name);
                prop_assert!(name.is_within(&name));
                prop_assert!(name.parent().is_none_or(|parent| name.is_within(&parent) && !parent.is_within(&name)));
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<DomainName>();
        }
    }
}
