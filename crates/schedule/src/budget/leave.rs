//! What must be left for others.

use super::limit::Limit;

/// How much of a shared bucket must be left after a reservation, for those who need it more.
///
/// Asked with a smaller one, the tokens that were left are to be had: a new device is reserved with
/// [`Leave::NOTHING`], a routine renewal leaves some for it.
///
/// It holds for the buckets that all orders of an account or a domain share ([`LimitKind::is_shared`]), as far as
/// the CA checks them. From a burst on, nothing is ever to be had.
///
/// [`LimitKind::is_shared`]: super::LimitKind::is_shared
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leave {
    /// So many tokens of each, whatever its burst: as many as the smallest of the bursts close that bucket for good.
    Tokens(u32),
    /// So many thousandths of each bucket's burst, rounded down; it grows with an override.
    PerMille(u16),
}

impl Leave {
    /// Each bucket may become empty.
    pub const NOTHING: Self = Self::Tokens(0);

    /// Returns the number of tokens that it means for a limit.
    pub fn of(self, limit: &Limit) -> u32 {
        match self {
            Self::Tokens(tokens) => tokens,
            Self::PerMille(part) => {
                let tokens = u64::from(limit.burst()) * u64::from(part) / 1000;
                u32::try_from(tokens).unwrap_or(u32::MAX)
            }
        }
    }
}

impl From<u32> for Leave {
    fn from(tokens: u32) -> Self {
        Self::Tokens(tokens)
    }
}
