//! The public items of `fleetcert-schedule` do not grow in number.

use std::fs;
use std::path::Path;

/// Maximum number of public items: lower it whenever items go, and never raise it.
const MOST: usize = 219;

/// Counts the lines of `crates/schedule/src` that begin an item with `pub`: functions and methods, structs, enums,
/// traits, constants, statics, type aliases and modules. Fields, variants, re-exports and `pub(crate)` items do not
/// count, nor do the files of unit tests. The lint `unreachable_pub` keeps `pub` off all that no other crate can reach,
/// so each of these lines is a public item.
#[test]
fn schedule_gains_no_public_items() {
    let count = public_items(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/schedule/src")));
    assert!(count <= MOST, "{count} public items, {MOST} at most");
}

fn public_items(folder: &Path) -> usize {
    let entries =
        fs::read_dir(folder).expect("a folder of sources").map(|entry| entry.expect("an entry").path());
    let count = |path: &Path| match path.file_stem().and_then(|name| name.to_str()) {
        Some("tests") => 0,
        _ if path.is_dir() => public_items(path),
        _ => fs::read_to_string(path)
            .expect("a source file")
            .lines()
            .filter(|line| is_public_item(line))
            .count(),
    };
    entries.map(|path| count(&path)).sum()
}

fn is_public_item(line: &str) -> bool {
    let kinds = ["async", "const", "enum", "fn", "mod", "static", "struct", "trait", "type", "unsafe"];
    let item = line.trim_start().strip_prefix("pub ");
    item.and_then(|item| item.split(' ').next()).is_some_and(|word| kinds.contains(&word))
}

#[test]
fn fields_and_reexports_are_not_counted() {
    let lines =
        ["pub fn new() {", "    pub const fn new() {", "pub mod budget;", "pub struct Growth(pub u32);"];
    assert!(lines.into_iter().all(is_public_item));
    let lines =
        ["    pub devices: u32,", "pub use moment::Moment;", "pub(crate) fn new() {", "/// pub fn new() {"];
    assert!(!lines.into_iter().any(is_public_item));
}
