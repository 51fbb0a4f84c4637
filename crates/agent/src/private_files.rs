//! Files that only their owner can read, and that are written completely or not at all.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
const OF_OTHERS: u32 = 0o077;

/// Makes `folder` with mode 0700, or removes the rights of others from an existing one.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    let mode = folder.metadata()?.permissions().mode();
    if mode & OF_OTHERS != 0 {
        std::fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE))?;
    }
    Ok(())
}

/// Makes `folder`, which must not exist, with mode 0700.
pub(crate) fn new_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(folder)
}

/// Writes a file, which must not exist, with mode 0600, and syncs it to the disk.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Opens a file to lock it.
pub(crate) fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(path)
}

/// Replaces `folder/name`: after a power cut it is the old file or the new one.
pub(crate) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!(".{name}.new"));
    remove(&temporary)?;
    write_new(&temporary, bytes)?;
    std::fs::rename(&temporary, folder.join(name))?;
    sync_folder(folder)
}

/// Reads a file of at most `limit` bytes; `None` when it does not exist. A file that others can read is refused: a key
/// in it is no longer a secret.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if metadata.permissions().mode() & OF_OTHERS != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "other users have rights on this file; its key may be known to them",
        ));
    }
    if metadata.len() > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    // Allocated once: a buffer that grows leaves copies of a secret behind.
    let room = usize::try_from(metadata.len()).map_err(io::Error::other)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room.saturating_add(1)));
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Removes a file, if it exists.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Syncs the names in `folder` to the disk; without it a power cut may undo a rename.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn replaced_file_is_private_and_leaves_no_temporary_file() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        private_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        std::fs::write(folder.join(".key.new"), "left by a power cut").unwrap();
        replace(&folder, "key", b"first").unwrap();
        replace(&folder, "key", b"second").unwrap();
        assert_eq!(mode(&folder.join("key")), 0o600);
        assert_eq!(read(&folder.join("key"), 100).unwrap().unwrap().as_slice(), b"second");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "a temporary file is left");
    }

    #[test]
    fn folder_of_others_is_closed_and_file_of_others_refused() {
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        private_folder(home.path()).unwrap();
        assert_eq!(mode(home.path()), 0o700);
        let file = home.path().join("key");
        write_new(&file, b"secret").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(read(&file, 100).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn missing_file_is_none_and_large_file_is_refused() {
        let home = tempfile::tempdir().unwrap();
        assert!(read(&home.path().join("none"), 100).unwrap().is_none());
        write_new(&home.path().join("large"), &[0; 101]).unwrap();
        assert_eq!(read(&home.path().join("large"), 100).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
