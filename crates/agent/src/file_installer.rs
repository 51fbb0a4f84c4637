//! A pair on the disk, changed at once.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::private_files::{new_private_folder, private_folder, remove, sync_folder, write_new};
use crate::{InstallError, Installer, Pair};

/// Keeps the pair as files for other programs:
///
/// ```text
/// folder/current -> pair-7          switched by one rename
/// folder/pair-7/privkey.pem         0600, absent when the key is not here
/// folder/pair-7/fullchain.pem       0600
/// folder/pair-6/...                 the pair before, until the next install
/// ```
///
/// A program that reads both files through one handle on `current` never gets a key and a chain that do not
/// belong together. After a power cut at any moment `current` names a complete pair; what was half written is
/// swept by the next install. Needs a file system with symbolic links and rename (Unix).
#[derive(Clone, Debug)]
pub struct FileInstaller {
    folder: PathBuf,
}

/// The link that programs follow.
const CURRENT: &str = "current";
/// Where the next link is made before it is renamed.
const NEXT: &str = ".current.new";
const PREFIX: &str = "pair-";
const KEY: &str = "privkey.pem";
const CHAIN: &str = "fullchain.pem";

impl FileInstaller {
    /// Installs into `folder`, which is made with mode 0700 when it is not there. Two installers must not share
    /// one.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

#[async_trait]
impl Installer for FileInstaller {
    async fn install(&self, pair: &Pair) -> Result<(), InstallError> {
        let (folder, files) =
            (self.folder.clone(), Files { chain: pair.chain_pem(), key: pair.key_pem().cloned() });
        // Once begun it runs to its end even if the caller gives up: a sync to disk cannot be cancelled.
        let done = tokio::task::spawn_blocking(move || install(&folder, &files)).await;
        done.unwrap_or_else(|stopped| Err(failed("the runtime stopped")(io::Error::other(stopped))))
    }
}

/// What one pair folder holds.
struct Files {
    chain: String,
    key: Option<Zeroizing<String>>,
}

fn install(folder: &Path, files: &Files) -> Result<(), InstallError> {
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

impl Files {
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

/// The number of the pair that is in use.
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
/// those. Entries that are not ours stay.
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

/// The number in `name`, if it is exactly a name that we give.
fn number(text: &str) -> Option<u64> {
    let number = text.strip_prefix(PREFIX)?.parse().ok()?;
    (name(number) == text).then_some(number)
}

#[cfg(test)]
mod tests;
