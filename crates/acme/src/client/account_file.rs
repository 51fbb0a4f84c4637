//! An ACME account that is kept in a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Account, AccountKey, Client, Credentials, Registration};
use crate::{AcmeError, AcmeErrorKind, Operation};

/// A file that keeps one ACME account: its key, from before the account exists, and then its URL.
///
/// The file is readable by its owner alone (mode 0600 on Unix). After a crash at any time, the next start finds the same
/// account. Two processes that start at the same time use the same key.
///
/// ```no_run
/// use fleetcert_acme::{AccountFile, Client, ClientOptions, TermsOfService};
/// use fleetcert_ambient::Ambient;
///
/// # async fn example() -> Result<(), fleetcert_acme::AcmeError> {
/// let url = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// let options = ClientOptions::default();
/// let client = Client::new(url, &options, Ambient::system())?;
/// let file = AccountFile::new("/var/lib/fleetcert/account.json");
/// let account = file
///     .open_or_register(&client, TermsOfService::Agreed)
///     .await?;
/// println!("{}", account.credentials().account_url());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct AccountFile {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredAccount {
    directory: String,
    key: AccountKey,
    /// Absent until the CA has answered the registration.
    account_url: Option<String>,
}

/// Largest file that is read; this type writes smaller ones.
const MAX_FILE: u64 = 16 * 1024;

impl AccountFile {
    /// Returns the file at `path`. It is neither read nor written yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the account of the file, or registers one and stores it. A key is on the disk before it is sent to the CA.
    /// If the file has an account, nothing is sent.
    ///
    /// Disk access blocks the calling thread.
    ///
    /// # Errors
    /// [`InvalidInput`](AcmeErrorKind::InvalidInput) when the file cannot be read or written, or has an account of
    /// another CA; otherwise as [`Client::register`].
    ///
    /// **Cancellation.** After a dropped call, the next one uses the same key.
    pub async fn open_or_register(
        &self,
        client: &Client,
        registration: impl Into<Registration>,
    ) -> Result<Account, AcmeError> {
        let directory = client.wire.directory_url().as_str();
        let mut stored = match self.read()? {
            Some(stored) => stored,
            None => self.create(directory)?,
        };
        if stored.directory != directory {
            let other = &stored.directory;
            let why = format!("it keeps an account at {other}; use another file for {directory}");
            return Err(self.unusable(&why));
        }
        if let Some(url) = stored.account_url {
            return client.account(Credentials::new(stored.key, url));
        }
        let account = client.register(stored.key.clone(), registration).await?;
        stored.account_url = Some(account.credentials().account_url().to_owned());
        self.replace(&stored).map_err(|error| self.failed("written", error))?;
        Ok(account)
    }

    fn read(&self) -> Result<Option<StoredAccount>, AcmeError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", error)),
        };
        // Allocated at once: a buffer that grows leaves copies of a secret behind.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
        file.take(MAX_FILE).read_to_end(&mut text).map_err(|error| self.failed("read", error))?;
        // The reason is left out: it may quote the secret.
        let stored = serde_json::from_slice(&text).map_err(|_| {
            self.unusable("it does not hold an account; restore a backup, or remove it to register another")
        })?;
        Ok(Some(stored))
    }

    /// Makes a key and the file. If another process made the file in the meantime, returns its key.
    fn create(&self, directory: &str) -> Result<StoredAccount, AcmeError> {
        let key = AccountKey::generate()?;
        let stored = StoredAccount { directory: directory.to_owned(), key, account_url: None };
        let made = self.write_beside(&stored).and_then(|beside| {
            // Unlike a rename, a link never replaces a file.
            let linked = std::fs::hard_link(&beside, &self.path);
            std::fs::remove_file(&beside)?;
            linked?;
            self.sync_folder()
        });
        match made {
            Ok(()) => Ok(stored),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.read()?.ok_or_else(|| self.unusable("another process removed it"))
            }
            Err(error) => Err(self.failed("written", error)),
        }
    }

    fn replace(&self, stored: &StoredAccount) -> io::Result<()> {
        let beside = self.write_beside(stored)?;
        std::fs::rename(beside, &self.path)?;
        self.sync_folder()
    }

    /// Writes and syncs a whole file under another name.
    fn write_beside(&self, stored: &StoredAccount) -> io::Result<PathBuf> {
        let text = Zeroizing::new(serde_json::to_vec(stored)?);
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        // The key makes the name unique: another process that starts at the same time has another key.
        let mark = u64::from_be_bytes(stored.key.spki_der().last_chunk().copied().unwrap_or_default());
        name.push(format!(".{mark:016x}.new"));
        let beside = self.path.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        Ok(beside)
    }

    /// Syncs the folder, so that the new name survives a crash.
    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn failed(&self, what: &str, error: io::Error) -> AcmeError {
        let detail = format!("the account file {} cannot be {what}: {error}", self.path.display());
        AcmeError::new(AcmeErrorKind::InvalidInput, Operation::Account, detail).because(error)
    }

    fn unusable(&self, why: &str) -> AcmeError {
        let detail = format!("the account file {} cannot be used: {why}", self.path.display());
        AcmeError::new(AcmeErrorKind::InvalidInput, Operation::Account, detail)
    }
}
