//! Behaviour of the scripted CA.

use std::time::Duration;

use serde_json::Value;

/// Behaviour of a [`ScriptedCa`](crate::scripted_ca::ScriptedCa).
#[derive(Clone, Default)]
pub(crate) struct Script {
    /// Nonces that are refused, by the number of the POST.
    pub(crate) refuses_nonce: Option<fn(u64) -> bool>,
    /// Readings after the answer at which an order is still pending.
    pub(crate) pending_polls: u32,
    /// Readings after the CSR at which an order is still processing; with `None` it is valid at once.
    pub(crate) processing_polls: Option<u32>,
    /// Identifiers count as validated without a challenge.
    pub(crate) reuses: bool,
    /// Every validation fails.
    pub(crate) fails_validation: bool,
    /// The challenge of a failed validation is invalid, its authorization and its order stay pending.
    pub(crate) leaves_authorization_pending: bool,
    /// The reply to a challenge has the outcome of the validation.
    pub(crate) validates_before_it_replies: bool,
    /// The certificate is for another key.
    pub(crate) wrong_key: bool,
    /// Time by which a certificate begins ahead of the clock.
    pub(crate) begins_ahead: Option<Duration>,
    /// Makes the chain of the leaf and of its issuer, both in PEM.
    pub(crate) chain: Option<fn(&str, &str) -> String>,
    /// `replaces` is refused.
    pub(crate) already_replaced: bool,
    /// `replaces` is accepted and not repeated in the answer.
    pub(crate) forgets_replaces: bool,
    /// The challenges' URLs lead elsewhere.
    pub(crate) foreign_challenge: bool,
    /// URLs are relative.
    pub(crate) relative_urls: bool,
    /// Number of authorizations that an order needs and lists, from its first identifier on; with `None` one for each.
    pub(crate) authorizations: Option<usize>,
    /// Authorizations are for this domain.
    pub(crate) authorizes_parent: Option<&'static str>,
    /// Status with which every signed request is refused as `unauthorized`.
    pub(crate) deactivated: Option<u16>,
    /// Status with which the account is deactivated when the first CSR comes.
    pub(crate) deactivates_at_finalize: Option<u16>,
    /// The answer to newOrder has no status.
    pub(crate) unreadable_new_order: bool,
    /// The certificate has two other chains: one with a cross-signed issuer under "Old Root", and the leaf alone.
    pub(crate) alternates: bool,
    /// newAccount needs an external account binding.
    pub(crate) requires_external_account: bool,
    /// Changes each order object.
    pub(crate) odd_order: Option<fn(&mut Value)>,
    /// Changes each authorization object.
    pub(crate) odd_authorization: Option<fn(&mut Value)>,
}

/// A reply in place of a good one.
#[derive(Clone)]
pub(crate) struct Canned {
    /// Whether the request is carried out all the same.
    pub(crate) done: bool,
    pub(crate) status: u16,
    pub(crate) retry_after: Option<&'static str>,
    pub(crate) body: String,
}
