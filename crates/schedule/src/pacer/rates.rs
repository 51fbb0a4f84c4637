//! The request rates of a CA as data.

use std::time::Duration;

use super::Endpoint;
use crate::budget::Limit;

/// The rate of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests in a second; zero counts as one.
    pub per_second: u32,
    /// Requests at once; zero counts as one.
    pub burst: u32,
    /// Whether a request counts for [`Endpoint::Other`] as well.
    pub counts_as_other: bool,
}

impl Rate {
    /// Returns the maximum number of halvings, down to one request a second. A load balancer was once set that low by
    /// mistake, for a week.
    pub(super) fn most_halvings(self) -> u8 {
        u8::try_from(self.per_second.max(1).ilog2()).unwrap_or(u8::MAX)
    }

    /// Returns `per_mille` thousandths of the rate, halved `halvings` times.
    pub(super) fn limit(&self, per_mille: u16, halvings: u8) -> Option<Limit> {
        let part = |whole: u32| {
            let part = u64::from(whole) * u64::from(per_mille) / 1000;
            u32::try_from(part).unwrap_or(u32::MAX).max(1)
        };
        let second = Duration::from_millis(1000 * 1000 / u64::from(per_mille.max(1)));
        let period = second.checked_mul(1u32.checked_shl(halvings.into())?)?;
        // A longer period lowers the rate without rounding; the burst is rounded.
        let burst = part(self.burst).checked_shr(halvings.into()).unwrap_or(0).max(1);
        Limit::new(burst, self.per_second.max(1), period).ok()
    }
}

/// The rates of one CA's load balancer, for one client address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Rates in the order of [`Endpoint::ALL`].
    rates: [Option<Rate>; Endpoint::ALL.len()],
}

impl Rates {
    /// Returns the rates of Let's Encrypt's production service, from its documentation of August 2026.
    ///
    /// The documentation does not say whether an endpoint with a rate of its own also counts for the rest. Here it does,
    /// except `renewalInfo`, whose rate is four times that of the rest; so the pace can only be too slow.
    pub(crate) fn lets_encrypt_production() -> Self {
        Self::none()
            .with(Endpoint::Directory, apart(40, 40))
            .with(Endpoint::NewNonce, counted(20, 10))
            .with(Endpoint::NewAccount, counted(5, 15))
            .with(Endpoint::NewOrder, counted(300, 200))
            .with(Endpoint::RevokeCert, counted(10, 100))
            .with(Endpoint::RenewalInfo, apart(1000, 100))
            .with(Endpoint::Other, apart(250, 125))
    }

    /// Returns the rates of Let's Encrypt's staging service, from its documentation of August 2026.
    pub(crate) fn lets_encrypt_staging() -> Self {
        Self::lets_encrypt_production()
            .with(Endpoint::NewOrder, counted(20, 40))
            .with(Endpoint::Other, apart(20, 20))
    }

    /// Returns no rates, for a CA that publishes none, such as ZeroSSL, Google Trust Services and SSL.com. An endpoint
    /// still backs off after a refusal. Add a rate of your own with [`with`](Self::with).
    pub fn none() -> Self {
        Self { rates: [None; Endpoint::ALL.len()] }
    }

    /// Returns the rates with another one for `endpoint`.
    #[must_use]
    pub fn with(mut self, endpoint: Endpoint, rate: Rate) -> Self {
        if let Some(place) = self.rates.get_mut(endpoint as usize) {
            *place = Some(rate);
        }
        self
    }

    /// Returns the rate of an endpoint, if it has one.
    pub(crate) fn rate(&self, endpoint: Endpoint) -> Option<Rate> {
        self.rates.get(endpoint as usize).copied().flatten()
    }
}

fn counted(per_second: u32, burst: u32) -> Rate {
    Rate { per_second, burst, counts_as_other: true }
}

fn apart(per_second: u32, burst: u32) -> Rate {
    Rate { per_second, burst, counts_as_other: false }
}
