//! The choice of a device's label.

use std::collections::BTreeSet;
use std::fmt;

use fleetcert_ambient::Entropy;
use fleetcert_names::Label;

/// Chooses the label of a new device. The engine ensures that no label is used twice.
pub trait LabelPolicy: Send + Sync + fmt::Debug {
    /// Returns the label for a device that asked for `asked`, or for none.
    ///
    /// # Errors
    /// The reason why it cannot have the label that it asked for.
    fn choose(&self, asked: Option<&Label>, entropy: &dyn Entropy) -> Result<Label, LabelRefusal>;
}

/// A label that a device may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRefusal(pub &'static str);

impl fmt::Display for LabelRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for LabelRefusal {}

/// The default policy: a random label for every device, without a choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomLabels;

impl LabelPolicy for RandomLabels {
    fn choose(&self, asked: Option<&Label>, entropy: &dyn Entropy) -> Result<Label, LabelRefusal> {
        if asked.is_some() {
            return Err(LabelRefusal("this fleet assigns random labels; enrol without asking for one"));
        }
        Ok(random(entropy))
    }
}

/// The label that the device asks for, or a random one if it asks for none: for some dozen servers in an office.
///
/// Labels with an underscore are refused, because no certificate can hold them, and so are the reserved ones, such as
/// those of the zone's own servers.
///
/// ```
/// use fleetcert_ambient::SystemEntropy;
/// use fleetcert_engine::{AskedLabels, LabelPolicy};
///
/// let labels = AskedLabels::except(["ns1".parse()?]);
/// let wished = "printer".parse()?;
/// assert_eq!(labels.choose(Some(&wished), &SystemEntropy)?, wished);
/// assert!(labels.choose(Some(&"ns1".parse()?), &SystemEntropy).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AskedLabels {
    reserved: BTreeSet<Label>,
}

impl AskedLabels {
    /// Allows every label but these.
    pub fn except(reserved: impl IntoIterator<Item = Label>) -> Self {
        Self { reserved: reserved.into_iter().collect() }
    }
}

impl LabelPolicy for AskedLabels {
    fn choose(&self, asked: Option<&Label>, entropy: &dyn Entropy) -> Result<Label, LabelRefusal> {
        match asked {
            Some(label) if label.as_str().contains('_') => {
                Err(LabelRefusal("a certificate cannot hold a label with an underscore; ask for another"))
            }
            Some(label) if self.reserved.contains(label) => {
                Err(LabelRefusal("the label is reserved for the zone; ask for another"))
            }
            Some(label) => Ok(label.clone()),
            None => Ok(random(entropy)),
        }
    }
}

fn random(entropy: &dyn Entropy) -> Label {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    Label::from_entropy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetcert_ambient::SeededEntropy;

    fn asked(text: &str) -> Result<Label, LabelRefusal> {
        let policy = AskedLabels::except(["ns1".parse().unwrap()]);
        policy.choose(Some(&text.parse().unwrap()), &SeededEntropy::new(1))
    }

    #[test]
    fn wished_label_is_given_unless_reserved_or_with_an_underscore() {
        assert_eq!(asked("web1").unwrap().as_str(), "web1");
        assert!(asked("NS1").is_err());
        assert!(asked("_acme-challenge").is_err());
    }

    #[test]
    fn random_labels_differ_and_a_wished_label_is_refused() {
        let entropy = SeededEntropy::new(1);
        let web1 = "web1".parse().unwrap();
        assert!(RandomLabels.choose(Some(&web1), &entropy).is_err());
        assert_ne!(RandomLabels.choose(None, &entropy), RandomLabels.choose(None, &entropy));
    }
}
