//! Credentials, and that nothing shows them.

use super::*;

#[tokio::test]
async fn no_error_shows_a_secret() {
    let secret = AwsCredentials {
        session_token: Some("the session token".into()),
        ..AwsCredentials::new("AKID", "the secret".into())
    };
    let script = Script::new([expect(
        "GET",
        "/2013-04-01/hostedzone/Z1/rrset?maxitems=1&name=_acme-challenge.a.fleet.test.&type=TXT",
    )
    .header("x-amz-security-token", "the session token")
    .answer(status(403).text("text/plain", "you sent the session token and the secret"))])
    .await;
    let options = Route53Options { credentials: Arc::new(secret), ..options(&script.url("/")) };
    let shown = format!("{options:?}");
    let backend = Route53Backend::new(options, &client(|_| {}));
    let error = backend.read(&zone(), &challenge(), RecordType::Txt).await.unwrap_err();
    for shown in [shown, error.to_string(), format!("{error:?}"), format!("{backend:?}")] {
        assert!(!shown.contains("the session token") && !shown.contains("the secret"), "{shown}");
    }
    script.finish();
}

/// A source that gives nothing, or never answers.
#[derive(Debug)]
enum Dry {
    Refused,
    Silent,
}

#[async_trait]
impl AwsCredentialSource for Dry {
    async fn credentials(&self) -> Result<AwsCredentials, CredentialError> {
        match self {
            Self::Refused => Err(CredentialError::refused("no role")),
            Self::Silent => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    for (dry, kind) in
        [(Dry::Refused, BackendErrorKind::Unauthenticated), (Dry::Silent, BackendErrorKind::Unavailable)]
    {
        let script = Script::new([]).await;
        let options = Route53Options { credentials: Arc::new(dry), ..options(&script.url("/")) };
        let http = client(|http| http.call_within = Duration::from_millis(50));
        let error = Route53Backend::new(options, &http)
            .read(&zone(), &challenge(), RecordType::Txt)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        script.finish();
    }
}
