//! What the guides and READMEs name is there: files, folders, and the crates of each layer.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn every_relative_link_leads_to_a_file() {
    let mut broken = Vec::new();
    let mut links = 0;
    for document in documents() {
        let text = read(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            links += 1;
            let folder = document.parent().unwrap_or(Path::new(""));
            if !Path::new(ROOT).join(folder).join(file).exists() {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(links > 20, "only {links} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_path_in_code_spans_is_there() {
    let mut missing = Vec::new();
    let mut paths = 0;
    for document in documents() {
        let text = read(&document);
        for span in text.split('`').skip(1).step_by(2) {
            let Some(path) = as_path(span) else { continue };
            paths += 1;
            if !path.exists() {
                missing.push(format!("{}: {span}", document.display()));
            }
        }
    }
    assert!(paths > 30, "only {paths} paths were found");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn architecture_names_every_crate_once_in_its_table() {
    let text = read(Path::new("docs/architecture.md"));
    let mut wrong = Vec::new();
    for entry in fs::read_dir(Path::new(ROOT).join("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let rows = text.lines().filter(|line| line.starts_with(&format!("| `{name}` |"))).count();
        if rows != 1 {
            wrong.push(format!("{name}: {rows} rows"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The file that a code span names: from the root of the repository, or from the folder of the crates.
fn as_path(span: &str) -> Option<PathBuf> {
    let is_path = span.contains('/')
        && span.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
        && span.split('/').all(|part| !part.is_empty() || span.ends_with('/'));
    let first = span.split('/').next()?;
    let in_root = ["crates", "docs", "tests", "examples"].contains(&first);
    let in_crates =
        Path::new(ROOT).join("crates").join(first).is_dir() && span.split('/').nth(1) == Some("src");
    match (is_path, in_root, in_crates) {
        (true, true, _) => Some(Path::new(ROOT).join(span)),
        (true, _, true) => Some(Path::new(ROOT).join("crates").join(span)),
        _ => None,
    }
}

/// The guides, and the READMEs of the repository and of the examples. The READMEs of crates link to the web.
fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md"].map(PathBuf::from).into();
    for (folder, name) in [("docs", None), ("examples", Some("README.md"))] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).expect("the folder is there") {
            let path = Path::new(folder).join(entry.expect("an entry that was listed").file_name());
            let path = name.map_or_else(|| path.clone(), |name| path.join(name));
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).expect("a document in UTF-8")
}
