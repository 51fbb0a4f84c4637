//! Installers: what brings a new certificate into use.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use fleetcert_https::{CertificateError, Certificates};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::CertificatePair;

/// Brings a pair to where it is used: files, a server in this process, another program.
///
/// # Effect
/// After `Ok` the pair is in use. After an error the pair that was in use before still is, or comes back when it
/// is installed again, which the agent then does.
///
/// # Idempotence
/// Implementers MUST take the same pair again without harm: after a crash the agent cannot know how far it came.
///
/// # Cancellation
/// Dropped at any await, an implementer MUST leave the old pair or the new one in use, never half of each.
///
/// ```
/// use async_trait::async_trait;
/// use fleetcert_agent::{CertificatePair, FileInstaller, InstallError, Installer};
/// use std::process::Command;
///
/// /// Files, and a web server that reads them again.
/// struct Nginx(FileInstaller);
///
/// #[async_trait]
/// impl Installer for Nginx {
///     async fn install(&self, pair: &CertificatePair) -> Result<(), InstallError> {
///         self.0.install(pair).await?;
///         let reload = || Command::new("nginx").args(["-s", "reload"]).status();
///         match tokio::task::spawn_blocking(reload).await {
///             Ok(Ok(status)) if status.success() => Ok(()),
///             other => Err(InstallError::Other(format!("nginx: {other:?}").into())),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Installer: Send + Sync {
    /// Installs `pair` in the place of the one before.
    ///
    /// # Errors
    /// [`InstallError`].
    async fn install(&self, pair: &CertificatePair) -> Result<(), InstallError>;
}

/// A pair that was not installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// This installer needs the private key, and the pair has none.
    #[error("the private key is not here: the CSR was made elsewhere")]
    NoKey,
    /// The files could not be written.
    #[error("{step}")]
    Files {
        /// Operation that failed.
        step: &'static str,
        /// Cause.
        source: io::Error,
    },
    /// The server in this process refuses the pair.
    #[error("the server refuses the pair")]
    Refused(#[from] CertificateError),
    /// An installer of yours failed.
    #[error("the certificate could not be brought into use")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Several installers, one after the other; the first error ends it.
///
/// ```
/// use fleetcert_agent::{AllInstallers, FileInstaller, Installer, ReloadInstaller};
/// use fleetcert_https::Certificates;
/// use std::sync::Arc;
///
/// let files: Arc<dyn Installer> = Arc::new(FileInstaller::new("/etc/device/tls"));
/// let own_server = Arc::new(ReloadInstaller::new(Certificates::empty()));
/// let both = AllInstallers::new([files, own_server]);
/// # drop(both);
/// ```
#[derive(Clone, Default)]
pub struct AllInstallers {
    installers: Vec<Arc<dyn Installer>>,
}

impl AllInstallers {
    /// Makes an installer that calls each of `installers`, in this order.
    pub fn new(installers: impl IntoIterator<Item = Arc<dyn Installer>>) -> Self {
        Self { installers: installers.into_iter().collect() }
    }
}

#[async_trait]
impl Installer for AllInstallers {
    async fn install(&self, pair: &CertificatePair) -> Result<(), InstallError> {
        for installer in &self.installers {
            installer.install(pair).await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for AllInstallers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AllInstallers").field("installers", &self.installers.len()).finish()
    }
}

/// Gives the pair to a [`fleetcert_https::Server`] in this process, by its [`Certificates`].
///
/// ```
/// use fleetcert_agent::ReloadInstaller;
/// use fleetcert_https::Certificates;
///
/// let certificates = Certificates::empty(); // the server shares it
/// let installer = ReloadInstaller::new(certificates.clone());
/// # drop(installer);
/// ```
#[derive(Clone, Debug)]
pub struct ReloadInstaller {
    certificates: Certificates,
}

impl ReloadInstaller {
    /// Makes an installer that replaces what `certificates` shows.
    pub fn new(certificates: Certificates) -> Self {
        Self { certificates }
    }
}

#[async_trait]
impl Installer for ReloadInstaller {
    async fn install(&self, pair: &CertificatePair) -> Result<(), InstallError> {
        let key = pair.key_der().ok_or(InstallError::NoKey)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()));
        Ok(self.certificates.replace(pair.chain().certificates().to_vec(), key)?)
    }
}
