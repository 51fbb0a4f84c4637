//! The CA, with the account that is kept in the state folder.

use std::path::PathBuf;

use fleetcert_acme::{Account, AccountFile, AcmeErrorKind, Client, ClientOptions, TermsOfService};
use fleetcert_ambient::Ambient;

use crate::error::{SetupError, SetupErrorKind};
use crate::state_dir::StateDir;

pub(crate) const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
pub(crate) const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// Which CA is asked.
#[derive(Clone, Debug)]
pub(crate) struct CaChoice {
    pub(crate) directory: String,
    pub(crate) terms: TermsOfService,
    /// The root of the CA's web server, where it is not a public one.
    pub(crate) root: Option<PathBuf>,
}

impl CaChoice {
    /// Opens the account, or registers one. Its key is in the state folder before the CA hears of it.
    pub(crate) async fn open(self, state: &StateDir, ambient: &Ambient) -> Result<Account, SetupError> {
        let failed = |error: fleetcert_acme::AcmeError| {
            let remedy = match error.kind() {
                AcmeErrorKind::Unreachable => {
                    "check the URL and the network; for a CA of your own, trust its web server with ca_root()"
                }
                AcmeErrorKind::RateLimited | AcmeErrorKind::Unavailable => "start again later",
                _ => "correct what the message names and start again",
            };
            SetupError::new(
                SetupErrorKind::Ca,
                format!("cannot use the CA at {}", self.directory),
                error,
                remedy,
            )
        };
        let roots_pem = self.root.as_deref().map(std::fs::read).transpose().map_err(|error| {
            let path = self.root.clone().unwrap_or_default();
            let context = format!("cannot read {}", path.display());
            SetupError::new(SetupErrorKind::Ca, context, error, "check the path that you gave ca_root()")
        })?;
        let options = ClientOptions { roots_pem, ..ClientOptions::default() };
        let client = Client::new(&self.directory, &options, ambient.clone()).map_err(failed)?;
        let file = AccountFile::new(state.file(&account_file_name(&self.directory)));
        file.open_or_register(&client, self.terms).await.map_err(failed)
    }
}

/// A file for each CA, so that a change from staging to production and back keeps both accounts.
fn account_file_name(directory: &str) -> String {
    let rest = directory.split_once("://").map_or(directory, |(_, rest)| rest);
    let name: String = rest
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' })
        .collect();
    format!("account-{name}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directory_has_a_file_of_its_own() {
        assert_eq!(
            account_file_name(LETS_ENCRYPT_STAGING),
            "account-acme-staging-v02.api.letsencrypt.org_directory.json"
        );
        assert_ne!(account_file_name(LETS_ENCRYPT), account_file_name(LETS_ENCRYPT_STAGING));
    }
}
