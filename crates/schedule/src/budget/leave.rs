//! The part of a bucket that an order leaves to others.

use super::limit::Limit;

/// The part of a shared bucket that must remain after a reservation, for more urgent orders.
///
/// A reservation with a smaller value can use these tokens: a new device reserves with [`Leave::NOTHING`], a routine
/// renewal leaves some tokens.
///
/// It applies to the buckets that all orders of an account or a domain share ([`LimitKind::is_shared`]), if the CA checks
/// them. With a value of the burst or more, no reservation is ever granted.
///
/// [`LimitKind::is_shared`]: super::LimitKind::is_shared
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leave {
    /// Number of tokens of each bucket. A number of the burst or more closes a bucket for good.
    Tokens(u32),
    /// Thousandths of each bucket's burst, rounded down; the number grows with an override.
    PerMille(u16),
}

impl Leave {
    /// Each bucket may become empty.
    pub const NOTHING: Self = Self::Tokens(0);

    /// Returns the number of tokens for a limit.
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
