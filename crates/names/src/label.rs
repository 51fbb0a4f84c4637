//! One label of a name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{NameError, NameErrorKind};

/// One label: 1 to 63 lower-case letters, digits, hyphens and underscores, with no hyphen at either end.
///
/// ```
/// use fleetcert_names::Label;
///
/// assert_eq!("XI8QZ".parse::<Label>()?.as_str(), "xi8qz");
/// assert!("-a".parse::<Label>().is_err());
/// # Ok::<(), fleetcert_names::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Label(Arc<str>);

/// No vowels, so that no word comes out; none of `l`, `y`, `0`, `1`, which people misread.
const ALPHABET: &[u8; 27] = b"bcdfghjkmnpqrstvwxz23456789";
/// The letters of the alphabet stand first; a label begins with one of them.
const LETTERS: u64 = 19;
const RANDOM_LENGTH: usize = 20;

impl Label {
    /// The most octets of a label (RFC 1035 section 2.3.4).
    pub const MAX_LEN: usize = 63;

    /// A label of 20 characters that holds nothing but the given randomness: about 94 bits of it.
    ///
    /// The same bytes make the same label. It says nothing about the device, and nobody can guess it.
    ///
    /// ```
    /// use fleetcert_names::Label;
    ///
    /// let label = Label::from_entropy([7; 32]);
    /// assert_eq!(label.as_str().len(), 20);
    /// assert_eq!(label, Label::from_entropy([7; 32]));
    /// ```
    pub fn from_entropy(entropy: [u8; 32]) -> Self {
        // Two numbers of 128 bits, each spent on ten characters: what is left of the division by 27^10 (48
        // bits) is more than 2^80 times smaller than the whole, so no character is measurably likelier.
        let (low, high) = entropy.split_at(16);
        let mut text = String::with_capacity(RANDOM_LENGTH);
        for half in [low, high] {
            let mut number = half.iter().fold(0u128, |number, byte| number << 8 | u128::from(*byte));
            for _ in 0..RANDOM_LENGTH / 2 {
                let choices = if text.is_empty() { LETTERS } else { ALPHABET.len() as u64 };
                let choice = (number % u128::from(choices)) as usize;
                number /= u128::from(choices);
                text.push(char::from(ALPHABET[choice]));
            }
        }
        Self(text.into())
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match label_fault(text) {
            None => Ok(Self(text.to_ascii_lowercase().into())),
            Some(kind) => Err(NameError::new(kind, text)),
        }
    }
}

/// The rule that `label` breaks, if any.
pub(crate) fn label_fault(label: &str) -> Option<NameErrorKind> {
    let bytes = label.as_bytes();
    if bytes.is_empty() {
        Some(NameErrorKind::EmptyLabel)
    } else if bytes.len() > Label::MAX_LEN {
        Some(NameErrorKind::LabelTooLong)
    } else if !bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        Some(NameErrorKind::BadCharacter)
    } else if bytes.starts_with(b"-") || bytes.ends_with(b"-") {
        Some(NameErrorKind::HyphenAtEdge)
    } else {
        None
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({})", self.0)
    }
}

impl TryFrom<String> for Label {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits_of_the_length() {
        assert!("a".repeat(63).parse::<Label>().is_ok());
        assert_eq!("a".repeat(64).parse::<Label>().unwrap_err().kind(), NameErrorKind::LabelTooLong);
        assert_eq!("".parse::<Label>().unwrap_err().kind(), NameErrorKind::EmptyLabel);
    }

    proptest! {
        #[test]
        fn a_random_label_is_a_label_and_begins_with_a_letter(entropy: [u8; 32]) {
            let label = Label::from_entropy(entropy);
            prop_assert_eq!(&label.as_str().parse::<Label>().unwrap(), &label);
            prop_assert!(label.as_str().as_bytes()[0].is_ascii_lowercase());
            prop_assert!(!label.as_str().contains(['a', 'e', 'i', 'o', 'u', 'l', 'y', '0', '1']));
        }
    }
}
