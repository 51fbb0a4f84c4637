//! The folder in which a control server keeps what must survive a restart.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{SetupError, SetupErrorKind};

/// A folder that only its owner can read.
#[derive(Clone, Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// Creates the folder with mode 0700 if it does not exist, and takes the rights of others away if it does.
    pub(crate) fn open(path: &Path) -> Result<Self, SetupError> {
        create_private(path).map_err(|error| {
            let context = format!("cannot use the state folder {}", path.display());
            let remedy =
                "create it, owned by the user that runs this program, or name another with state_dir()";
            SetupError::new(SetupErrorKind::State, context, error, remedy)
        })?;
        Ok(Self { path: path.to_owned() })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a file; `None` when it does not exist.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, SetupError> {
        match std::fs::read(self.file(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", name, error)),
        }
    }

    /// Writes a file with mode 0600. After a power cut it is the old file or the new one.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), SetupError> {
        self.replace(name, bytes).map_err(|error| self.failed("write", name, error))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let beside = self.file(&format!(".{name}.new"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(beside, self.file(name))?;
        File::open(&self.path)?.sync_all()
    }

    fn failed(&self, verb: &str, name: &str, error: io::Error) -> SetupError {
        let context = format!("cannot {verb} {}", self.file(name).display());
        let remedy = "check the owner, the rights and the free space of the state folder";
        SetupError::new(SetupErrorKind::State, context, error, remedy)
    }
}

fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        builder.mode(0o700).create(path)?;
        let mode = path.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }
    #[cfg(not(unix))]
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn folder_and_files_are_readable_by_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        let state = StateDir::open(&path).unwrap();
        state.write("key", b"first").unwrap();
        state.write("key", b"second").unwrap();
        assert_eq!((mode(&path), mode(&path.join("key"))), (0o700, 0o600));
        assert_eq!(state.read("key").unwrap().as_deref(), Some(&b"second"[..]));
        assert_eq!(state.read("none").unwrap(), None);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        StateDir::open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn path_that_is_a_file_is_named_with_a_remedy() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = StateDir::open(file.path()).unwrap_err();
        assert_eq!(error.kind(), SetupErrorKind::State);
        assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
        assert!(error.to_string().contains("state_dir()"), "{error}");
    }
}
