//! Walking through files and folders.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::inventory::Inventory;

/// The limits of a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WalkLimits {
    /// Maximum levels of folders below a given path.
    pub(crate) depth: usize,
    /// Maximum files and folders in all.
    pub(crate) count: usize,
    /// Maximum octets of one file; one more is read to detect a larger file.
    pub(crate) size: u64,
}

impl Default for WalkLimits {
    fn default() -> Self {
        Self { depth: 8, count: 10_000, size: 1024 * 1024 }
    }
}

/// Adds every file at or below the paths, in the order of names. Follows symbolic links, but visits each file and
/// folder once, so that circles end.
pub(crate) fn walk(paths: &[PathBuf], limits: &WalkLimits, inventory: &mut Inventory) {
    let mut walk = Walk { limits, inventory, seen: BTreeSet::new(), left: limits.count };
    for path in paths {
        walk.visit(path, 0);
    }
}

struct Walk<'a> {
    limits: &'a WalkLimits,
    inventory: &'a mut Inventory,
    /// Real paths that were visited.
    seen: BTreeSet<PathBuf>,
    left: usize,
}

impl Walk<'_> {
    /// Visits a path. At level 0, the path was given by name and must have a certificate.
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
                "the limit of {} files and folders is reached",
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
            return if level == 0 { Err(io::Error::other("it is not a regular file")) } else { Ok(()) };
        }
        self.file(path, &real, level)
    }

    fn folder(&mut self, path: &Path, level: usize) -> io::Result<()> {
        if level == self.limits.depth {
            return Err(io::Error::other(format!("it is deeper than {level} levels")));
        }
        // At most as many names as the limit allows; one more detects that there were too many.
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
            // A large file in a folder is probably not a certificate.
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
