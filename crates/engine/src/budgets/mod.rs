//! The CA's rate limits, shared by all nodes and kept over crashes.
//!
//! Each bucket is one row of the store. What an order holds of them stands in the order's own record, and both are
//! written in one transaction: with the entry "about to send newOrder" the tokens are held, with the entry that
//! says how the order ended they are spent or free again. So no crash loses a token or counts one twice. What is not
//! known, as when the answer to newOrder was lost, counts as spent.

mod ahead;
mod commit;
mod holding;
mod kind;
mod learned;
mod pause;
mod refusal;
mod rows;
mod settlement;
mod words;

use std::time::SystemTime;

use fleetcert_schedule::budget::{Account, Limits};
use tokio::sync::Mutex;

pub(crate) use commit::{Change, Committed};
pub(crate) use holding::{Holding, host_names};
pub(crate) use refusal::refused;
pub(crate) use rows::StoredRow;
pub(crate) use settlement::{Decision, Settlement, decide, on_pause, on_setting_aside};
pub(crate) use words::words;

use crate::known_ca::{KnownCa, origin};
use crate::records;

/// What one process knows of the budgets besides the store.
#[derive(Debug)]
pub(crate) struct CaBudgets {
    /// What the operator says of the limits.
    configured: Limits,
    /// Which CA: rows of another one are not ours.
    ca: String,
    account: Account,
    /// The limits with what the CA itself said of them, and when that was read.
    limits: Mutex<Option<(SystemTime, Limits)>>,
    /// The rows that all orders share are written by one order at a time; between processes the store decides.
    turn: Mutex<()>,
}

impl CaBudgets {
    pub(crate) fn new(configured: Option<&Limits>, account_url: &str) -> Self {
        let published = || KnownCa::of(account_url).map_or_else(Limits::unknown, KnownCa::limits);
        Self {
            configured: configured.cloned().unwrap_or_else(published),
            ca: key_part(origin(account_url)),
            account: account(account_url),
            limits: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// The key of a row: the text itself, or its hash where that is too long for a key.
    fn store_key(&self, text: &str) -> String {
        let key = format!("{} {text}", self.ca);
        if key.len() <= fleetcert_store::Transaction::MAX_KEY { key } else { hashed(&key) }
    }
}

/// An account by its URL, or by its hash where the URL cannot be one.
fn account(url: &str) -> Account {
    Account::new(url).or_else(|| Account::new(&hashed(url))).expect("a hash is visible ASCII")
}

fn key_part(text: &str) -> String {
    let fits = text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits && !text.is_empty() { text.to_owned() } else { hashed(text) }
}

fn hashed(text: &str) -> String {
    records::hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_known_is_known_by_the_account() {
        let limits = |url| CaBudgets::new(None, url).configured;
        assert_eq!(
            limits("https://acme-v02.api.letsencrypt.org/acme/acct/1"),
            Limits::lets_encrypt_production()
        );
        assert_eq!(
            limits("https://acme-staging-v02.api.letsencrypt.org/acme/acct/1"),
            Limits::lets_encrypt_staging()
        );
        for url in ["https://acme-v02.api.letsencrypt.org.evil.test/a", "https://127.0.0.1:14000/x", "", "é"]
        {
            assert_eq!(limits(url), Limits::unknown(), "{url}");
        }
        let configured = Limits::lets_encrypt_staging();
        assert_eq!(CaBudgets::new(Some(&configured), "https://ca.test/1").configured, configured);
    }

    #[test]
    fn every_row_has_a_key_that_fits_and_is_its_own() {
        let one = CaBudgets::new(None, "https://ca.test/acct/1");
        assert_eq!(one.store_key("x y"), "https://ca.test x y");
        let long = "n".repeat(600);
        assert_eq!(one.store_key(&long).len(), 64);
        assert_ne!(one.store_key(&long), CaBudgets::new(None, "https://cb.test/1").store_key(&long));
        assert_ne!(CaBudgets::new(None, "").store_key("a"), CaBudgets::new(None, " ").store_key("a"));
    }
}
