//! A secret in a header, as most APIs have it.

use async_trait::async_trait;
use fleetcert_dns::{BackendError, BackendErrorKind};
use http::HeaderName;
use secrecy::SecretString;

use super::authorize::{concealed, secret_header};
use super::{Authorizer, Call, Outgoing};

/// A secret in a header.
#[derive(Debug)]
pub(crate) struct Token {
    header: HeaderName,
    scheme: &'static str,
    secret: SecretString,
}

impl Token {
    /// Returns the secret in this header after a scheme, such as `Bearer ` (RFC 6750 section 2.1), or none.
    pub(crate) fn new(header: HeaderName, scheme: &'static str, secret: SecretString) -> Self {
        Self { header, scheme, secret }
    }
}

#[async_trait]
impl Authorizer for Token {
    async fn authorize(&self, outgoing: &mut Outgoing, call: &Call<'_>) -> Result<(), BackendError> {
        let value = secret_header(self.scheme, &self.secret).ok_or_else(|| {
            call.error(
                BackendErrorKind::Unauthenticated,
                "the token is empty or has characters that a header cannot have",
            )
        })?;
        outgoing.headers.insert(self.header.clone(), value);
        Ok(())
    }

    fn conceal(&self, text: &str) -> String {
        concealed(text, &self.secret)
    }
}
