//! From paths to the contents of files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::inventory::Inventory;

/// How far a walk goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Levels of folders below a path that was given.
    pub(crate) depth: usize,
    /// Files and folders that are looked at, in all.
    pub(crate) count: usize,
    /// Octets of one file; one more is read, to tell that it is too large.
    pub(crate) size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 8, count: 10_000, size: 1024 * 1024 }
    }
}

/// Takes in every file at or below the paths, in the order of names. Symbolic links are followed; what was reached
/// before by another way is not taken in again, so that no circle is gone round.
pub(crate) fn walk(paths: &[PathBuf], limits: &Limits, inventory: &mut Inventory) {
    let mut walk = Walk { limits, inventory, seen: BTreeSet::new(), left: limits.count };
    for path in paths {
        walk.visit(path, 0);
    }
}

struct Walk<'a> {
    limits: &'a Limits,
    inventory: &'a mut Inventory,
    /// By their real paths.
    seen: BTreeSet<PathBuf>,
    left: usize,
}

impl Walk<'_> {
    /// A path; at level 0 it was given by name, and must have a certificate.
    fn visit(&mut self, path: &Path, level: usize) {
        if let Err(error) = self.take(path, level) {
            self.inventory.add_unreadable(&path.display().to_string(), &error.to_string());
        }
    }

    fn take(&mut self, path: &Path, level: usize) -> io::Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        if self.left == 0 {
            return Err(io::Error::other(format!(
                "the walk ends here: it has seen {} files and folders",
                self.limits.count
            )));
        }
        let real = fs::canonicalize(path)?;
        let kind = fs::metadata(&real)?;
        if !self.seen.insert(real.clone()) {
            return Ok(());
        }
        if kind.is_dir() {
            return self.folder(path, level);
        }
        if !kind.is_file() {
            // Reading a pipe might never end.
            return if level == 0 { Err(io::Error::other("it is no regular file")) } else { Ok(()) };
        }
        self.file(path, &real, level)
    }

    fn folder(&mut self, path: &Path, level: usize) -> io::Result<()> {
        if level == self.limits.depth {
            return Err(io::Error::other(format!("it lies deeper than {level} levels")));
        }
        // No more names than may be looked at, however many there are; one more tells that it was too many.
        let names = fs::read_dir(path)?.take(self.left + 1).map(|entry| entry.map(|entry| entry.path()));
        let mut below = names.collect::<io::Result<Vec<_>>>()?;
        below.sort();
        below.iter().for_each(|path| self.visit(path, level + 1));
        Ok(())
    }

    fn file(&mut self, path: &Path, real: &Path, level: usize) -> io::Result<()> {
        let mut contents = Vec::new();
        File::open(real)?.take(self.limits.size + 1).read_to_end(&mut contents)?;
        let name = path.display().to_string();
        if contents.len() as u64 > self.limits.size && level > 0 && !looks_like_pem(&contents) {
            // Some large file in a folder, of which nobody says that it is a certificate.
            self.inventory.add(&name, &[]);
            return Ok(());
        }
        let without = self.inventory.without_certificate().len();
        self.inventory.add(&name, &contents);
        if level == 0 && self.inventory.without_certificate().len() > without {
            return Err(io::Error::other("there is no certificate in it"));
        }
        Ok(())
    }
}

fn looks_like_pem(contents: &[u8]) -> bool {
    let begin = b"-----BEGIN CERTIFICATE-----";
    contents.windows(begin.len()).any(|window| window == begin)
}
