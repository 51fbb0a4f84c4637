//! How a device is called.

use std::collections::BTreeSet;
use std::fmt;

use fleetcert_ambient::Entropy;
use fleetcert_names::Label;

/// Chooses the label of a new device. The engine sees to it that no label is given out twice.
pub trait LabelPolicy: Send + Sync + fmt::Debug {
    /// The label for a device that asked for `asked`, or for none.
    ///
    /// # Errors
    /// Why it cannot have the label that it asked for.
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

/// The default: a random label for every device, and no choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomLabels;

impl LabelPolicy for RandomLabels {
    fn choose(&self, asked: Option<&Label>, entropy: &dyn Entropy) -> Result<Label, LabelRefusal> {
        if asked.is_some() {
            return Err(LabelRefusal("this fleet gives out random labels; enrol without asking for one"));
        }
        Ok(random(entropy))
    }
}

/// For a dozen servers in an office: the label that was asked for, else a random one.
///
/// Labels with an underscore are refused, since no certificate can hold them, and so are the reserved ones: those of
/// the zone's own servers, which no device may be called.
#[derive(Clone, Debug, Default)]
pub struct AskedLabels {
    reserved: BTreeSet<Label>,
}

impl AskedLabels {
    /// Every label but these.
    pub fn except(reserved: impl IntoIterator<Item = Label>) -> Self {
        Self { reserved: reserved.into_iter().collect() }
    }
}

impl LabelPolicy for AskedLabels {
    fn choose(&self, asked: Option<&Label>, entropy: &dyn Entropy) -> Result<Label, LabelRefusal> {
        match asked {
            Some(label) if label.as_str().contains('_') => {
                Err(LabelRefusal("a label with an underscore cannot stand in a certificate"))
            }
            Some(label) if self.reserved.contains(label) => {
                Err(LabelRefusal("the zone itself uses this label; ask for another"))
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
    fn the_label_that_was_asked_for_unless_it_is_the_zones_own() {
        assert_eq!(asked("web1").unwrap().as_str(), "web1");
        assert!(asked("NS1").is_err());
        assert!(asked("_acme-challenge").is_err());
    }

    #[test]
    fn random_labels_are_not_chosen() {
        let entropy = SeededEntropy::new(1);
        let web1 = "web1".parse().unwrap();
        assert!(RandomLabels.choose(Some(&web1), &entropy).is_err());
        assert_ne!(RandomLabels.choose(None, &entropy), RandomLabels.choose(None, &entropy));
    }
}
