//! How a device is called.

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
/// Labels with an underscore are refused, since no certificate can hold them.
#[derive(Clone, Copy, Debug, Default)]
pub struct AskedLabels;

impl LabelPolicy for AskedLabels {
    fn choose(&self, asked: Option<&Label>, entropy: &dyn Entropy) -> Result<Label, LabelRefusal> {
        match asked {
            Some(label) if label.as_str().contains('_') => {
                Err(LabelRefusal("a label with an underscore cannot stand in a certificate"))
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
