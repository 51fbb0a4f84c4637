//! The installer that writes files and switches them by one rename.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::private_files::{new_private_folder, private_folder, remove, sync_folder, write_new};
use crate::{CertificatePair, InstallError, Installer};

/// An installer that keeps the pair as files for other programs:
///
/// ```text
/// folder/current -> pair-7          switched by one rename
/// folder/pair-7/privkey.pem         0600, absent when the key is not here
/// folder/pair-7/fullchain.pem       0600
/// folder/pair-6/...                 previous pair, until the next install
/// ```
///
/// `current` names a complete pair at any time, also after a power cut; the next install removes what was half
/// written. A program that opens the two files one after the other, as nginx does, may open them before and after a
/// switch: reload it after each install. Needs a file system with symbolic links and rename (Unix).
///
/// ```
/// use fleetcert_agent::FileInstaller;
///
/// let installer = FileInstaller::new("/etc/device/tls");
/// // nginx: ssl_certificate     /etc/device/tls/current/fullchain.pem;
/// //        ssl_certificate_key /etc/device/tls/current/privkey.pem;
/// # drop(installer);
/// ```
#[derive(Clone, Debug)]
pub struct FileInstaller {
    folder: PathBuf,
}

/// Link that programs follow.
const CURRENT: &str = "current";
/// Name of the next link until it is renamed.
const NEXT: &str = ".current.new";
const PREFIX: &str = "pair-";
const KEY: &str = "privkey.pem";
const CHAIN: &str = "fullchain.pem";

impl FileInstaller {
    /// Makes an installer for `folder`, which is made with mode 0700 if it does not exist. Two installers must not
    /// share one.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

#[async_trait]
impl Installer for FileInstaller {
    async fn install(&self, pair: &CertificatePair) -> Result<(), InstallError> {
        let (folder, files) =
            (self.folder.clone(), PairFiles { chain: pair.chain_pem(), key: pair.key_pem().cloned() });
        // It runs to its end even if the caller drops the future: a sync to disk cannot be cancelled.
        let done = tokio::task::spawn_blocking(move || install(&folder, &files)).await;
        done.unwrap_or_else(|stopped| Err(failed("the runtime stopped")(io::Error::other(stopped))))
    }
}

/// Contents of one pair folder.
struct PairFiles {
    chain: String,
    key: Option<Zeroizing<String>>,
}

fn install(folder: &Path, files: &PairFiles) -> Result<(), InstallError> {
    if !folder.exists() {
        private_folder(folder).map_err(failed("making the folder"))?;
    }
    let current = current(folder).map_err(failed("reading the link `current`"))?;
    let unchanged = match current {
        Some(number) => {
            files.are_in(&folder.join(name(number))).map_err(failed("reading the current pair"))?
        }
        None => false,
    };
    sweep(folder, current, unchanged).map_err(failed("sweeping old pairs"))?;
    if unchanged {
        return Ok(());
    }
    let next = current.unwrap_or(0).checked_add(1);
    let next = name(next.ok_or_else(|| failed("numbering the pair")(io::ErrorKind::InvalidData.into()))?);
    files.write_to(&folder.join(&next)).map_err(failed("writing the pair"))?;
    sync_folder(folder).map_err(failed("writing the pair"))?;
    switch(folder, &next).map_err(failed("switching to the new pair"))
}

fn failed(step: &'static str) -> impl Fn(io::Error) -> InstallError {
    move |source| InstallError::Files { step, source }
}

impl PairFiles {
    fn write_to(&self, folder: &Path) -> io::Result<()> {
        new_private_folder(folder)?;
        if let Some(key) = &self.key {
            write_new(&folder.join(KEY), key.as_bytes())?;
        }
        write_new(&folder.join(CHAIN), self.chain.as_bytes())?;
        sync_folder(folder)
    }

    fn are_in(&self, folder: &Path) -> io::Result<bool> {
        let key = read_if_there(&folder.join(KEY))?;
        let same_key = key.as_ref().map(|key| key.as_slice()) == self.key.as_ref().map(|key| key.as_bytes());
        let chain = read_if_there(&folder.join(CHAIN))?;
        Ok(same_key && chain.is_some_and(|chain| chain.as_slice() == self.chain.as_bytes()))
    }
}

fn read_if_there(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the number of the pair in use.
fn current(folder: &Path) -> io::Result<Option<u64>> {
    match std::fs::read_link(folder.join(CURRENT)) {
        Ok(target) => match target.to_str().and_then(number) {
            Some(number) => Ok(Some(number)),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "the link does not name a pair")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes what was half written and the pairs before the current one; with `keep_previous`, all but the last of
/// those. Other entries stay.
fn sweep(folder: &Path, current: Option<u64>, keep_previous: bool) -> io::Result<()> {
    remove(&folder.join(NEXT))?;
    let mut others = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let file_name = entry?.file_name();
        others.extend(file_name.to_str().and_then(number).filter(|number| Some(*number) != current));
    }
    let previous = others.iter().copied().filter(|number| Some(*number) < current).max();
    for number in others {
        if !(keep_previous && Some(number) == previous) {
            std::fs::remove_dir_all(folder.join(name(number)))?;
        }
    }
    Ok(())
}

fn switch(folder: &Path, target: &str) -> io::Result<()> {
    std::os::unix::fs::symlink(target, folder.join(NEXT))?;
    std::fs::rename(folder.join(NEXT), folder.join(CURRENT))?;
    sync_folder(folder)
}

fn name(number: u64) -> String {
    format!("{PREFIX}{number}")
}

/// Returns the number in `text`, if it is exactly a name of ours.
fn number(text: &str) -> Option<u64> {
    let number = text.strip_prefix(PREFIX)?.parse().ok()?;
    (name(number) == text).then_some(number)
}

#[cfg(test)]
mod tests;
