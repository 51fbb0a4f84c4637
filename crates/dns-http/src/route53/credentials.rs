//! Who signs.

use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleetcert_dns::{BackendError, BackendErrorKind};
use secrecy::SecretString;

use super::pace::Pace;
use super::signature::{Scope, sign};
use crate::CredentialError;
use crate::client::authorize::concealed;
use crate::client::{Authorizer, Call, Outgoing};
use crate::credentials::within;

/// Keys of an IAM user, or those that a role has for a while.
#[derive(Clone, Debug)]
pub struct AwsCredentials {
    /// The id of the access key.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: SecretString,
    /// What the credentials of a role have besides.
    pub session_token: Option<SecretString>,
}

impl AwsCredentials {
    /// The keys of an IAM user.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: SecretString) -> Self {
        Self { access_key_id: access_key_id.into(), secret_access_key, session_token: None }
    }
}

/// Where credentials come from that change: a role of a machine or a container, a vault.
///
/// It is asked before each request, so an implementation keeps what it has until shortly before it expires.
/// [`AwsCredentials`] is a source that never changes.
#[async_trait]
pub trait AwsCredentialSource: Send + Sync + fmt::Debug {
    /// The credentials to sign with now. It is given the time that is left of the call.
    ///
    /// # Errors
    /// [`CredentialError`] when there are none.
    async fn credentials(&self) -> Result<AwsCredentials, CredentialError>;
}

#[async_trait]
impl AwsCredentialSource for AwsCredentials {
    async fn credentials(&self) -> Result<AwsCredentials, CredentialError> {
        Ok(self.clone())
    }
}

/// Signs each attempt, when its turn has come.
#[derive(Debug)]
pub(super) struct Signer {
    source: Arc<dyn AwsCredentialSource>,
    region: String,
    pace: Pace,
    /// What was signed with last, so that no error shows it.
    last: Mutex<Option<AwsCredentials>>,
}

impl Signer {
    pub(super) fn new(source: Arc<dyn AwsCredentialSource>, region: String, min_interval: Duration) -> Self {
        Self { source, region, pace: Pace::new(min_interval), last: Mutex::default() }
    }
}

#[async_trait]
impl Authorizer for Signer {
    async fn authorize(&self, outgoing: &mut Outgoing, call: &Call<'_>) -> Result<(), BackendError> {
        let credentials = within(call, self.source.credentials()).await?;
        let wait = self.pace.turn(call.now());
        if wait >= call.left() {
            let why = "more requests wait for their turn than the account may make in time";
            return Err(call.error(BackendErrorKind::Quota, why).with_retry_after(wait));
        }
        if !wait.is_zero() {
            call.http().clock().sleep(wait).await;
        }
        let scope = Scope { region: &self.region, service: "route53", now: call.now() };
        sign(outgoing, &credentials, scope).ok_or_else(|| {
            let why = "the credentials have characters that a header cannot have";
            call.error(BackendErrorKind::Unauthenticated, why)
        })?;
        *self.last.lock() = Some(credentials);
        Ok(())
    }

    fn conceal(&self, text: &str) -> String {
        let last = self.last.lock();
        let Some(credentials) = &*last else { return text.to_owned() };
        let text = concealed(text, &credentials.secret_access_key);
        credentials.session_token.as_ref().map_or_else(|| text.clone(), |token| concealed(&text, token))
    }
}
