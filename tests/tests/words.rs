//! The words and names that `tests/words.txt` rules out, looked for in every Rust and Markdown file.
//!
//! `tests/words-pending.txt` lists paths that are not clean yet. It only gets shorter: a path that has become clean
//! fails the test until its line is removed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuleKind {
    Phrase,
    Name,
    Type,
    OneType,
}

#[derive(Clone, Debug)]
struct Rule {
    kind: RuleKind,
    text: String,
    instead: String,
}

/// One use of a word that a rule excludes.
#[derive(Clone, Debug)]
struct Finding {
    path: String,
    line: usize,
    text: String,
    instead: String,
}

#[test]
fn repository_uses_the_words_of_the_field() {
    let rules = rules(&read("tests/words.txt")).unwrap();
    let pending: Vec<String> = lines(&read("tests/words-pending.txt")).map(str::to_owned).collect();
    let files = sources();
    assert!(files.len() > 300, "only {} files were found", files.len());

    let mut found = Vec::new();
    for path in &files {
        found.extend(check(path, &read(path), &rules));
    }
    found.extend(types_with_two_meanings(&files, &rules));

    let mut report = String::new();
    for one in found.iter().filter(|one| !pending.iter().any(|prefix| one.path.starts_with(prefix))) {
        writeln!(report, "{}:{}: \"{}\"; write {}", one.path, one.line, one.text, one.instead).unwrap();
    }
    for prefix in &pending {
        let left = found.iter().filter(|one| one.path.starts_with(prefix)).count();
        println!("{prefix}: {left} left");
        if left == 0 {
            writeln!(report, "{prefix} is clean: remove its line from tests/words-pending.txt").unwrap();
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn phrase_across_two_comment_lines_is_found() {
    let rules =
        rules("phrase  blue moon  =>  a noun\nname  SKY  =>  a role\ntype  Cloud  =>  whose").unwrap();
    let text = "/// Once in a blue\n/// moon.\nconst SKY: u8 = 1; // not SKYS, SKY_BLUE\npub struct Cloud;\n";
    let found: Vec<(usize, String)> =
        check("a.rs", text, &rules).into_iter().map(|one| (one.line, one.text)).collect();
    let expected = [(1, "blue moon".to_owned()), (3, "SKY".to_owned()), (4, "Cloud".to_owned())];
    assert_eq!(found, expected);
    assert!(check("a.rs", "/// Also blue moonlight. Clouds, ACloud.\n", &rules).is_empty());
    assert_eq!(check("a.md", "Blue\nmoon SKY struct Cloud\n", &rules).len(), 1, "Markdown has prose only");
}

fn rules(list: &str) -> Result<Vec<Rule>, String> {
    lines(list)
        .map(|line| {
            let (rule, instead) = line.split_once("=>").ok_or(format!("no => in {line:?}"))?;
            let (kind, text) = rule.split_once(' ').ok_or(format!("no kind in {line:?}"))?;
            let kind = match kind {
                "phrase" => RuleKind::Phrase,
                "name" => RuleKind::Name,
                "type" => RuleKind::Type,
                "one-type" => RuleKind::OneType,
                other => return Err(format!("unknown kind {other:?} in {line:?}")),
            };
            let text = text.trim();
            let text = if kind == RuleKind::Phrase { text.to_lowercase() } else { text.to_owned() };
            Ok(Rule { kind, text, instead: instead.trim().to_owned() })
        })
        .collect()
}

fn check(path: &str, text: &str, rules: &[Rule]) -> Vec<Finding> {
    let is_rust = path.ends_with(".rs");
    let prose = Flowed::new(text);
    let mut found = Vec::new();
    for rule in rules {
        let lines: Vec<usize> = match rule.kind {
            RuleKind::Phrase => {
                whole_words(&prose.text, &rule.text).into_iter().map(|at| prose.line_of(at)).collect()
            }
            RuleKind::Name if is_rust => {
                whole_words(text, &rule.text).into_iter().map(|at| line_of(text, at)).collect()
            }
            RuleKind::Type if is_rust => defined_types(text)
                .into_iter()
                .filter(|(_, name)| *name == rule.text)
                .map(|(line, _)| line)
                .collect(),
            _ => Vec::new(),
        };
        found.extend(lines.into_iter().map(|line| Finding {
            path: path.to_owned(),
            line,
            text: rule.text.clone(),
            instead: rule.instead.clone(),
        }));
    }
    found
}

/// Definitions of a type whose name may stand for one thing only, where there are several.
fn types_with_two_meanings(files: &[String], rules: &[Rule]) -> Vec<Finding> {
    let mut definitions: BTreeMap<&str, Vec<Finding>> = BTreeMap::new();
    let rules: Vec<&Rule> = rules.iter().filter(|rule| rule.kind == RuleKind::OneType).collect();
    for path in files.iter().filter(|path| path.ends_with(".rs")) {
        let text = read(path);
        for (line, name) in defined_types(&text) {
            if let Some(rule) = rules.iter().find(|rule| rule.text == name) {
                definitions.entry(&rule.text).or_default().push(Finding {
                    path: path.clone(),
                    line,
                    text: rule.text.clone(),
                    instead: rule.instead.clone(),
                });
            }
        }
    }
    definitions.into_values().filter(|found| found.len() > 1).flatten().collect()
}

/// The types that a Rust file defines, each with its line.
fn defined_types(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
        let (Some("struct" | "enum" | "trait" | "union"), Some(rest)) = (words.next(), words.next()) else {
            continue;
        };
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        found.push((index + 1, &rest[..end]));
    }
    found
}

/// A text in lower case with its lines joined, without the marks that begin a comment.
struct Flowed {
    text: String,
    starts: Vec<usize>,
}

impl Flowed {
    fn new(source: &str) -> Self {
        let (mut text, mut starts) = (String::new(), Vec::new());
        for line in source.lines() {
            starts.push(text.len());
            text.push_str(&line.trim().trim_start_matches(['/', '!', '#', '>', '*']).trim().to_lowercase());
            text.push(' ');
        }
        Self { text, starts }
    }

    fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Where `needle` stands in `text` as whole words.
fn whole_words(text: &str, needle: &str) -> Vec<usize> {
    text.match_indices(needle)
        .map(|(at, _)| at)
        .filter(|at| {
            !text[..*at].chars().next_back().is_some_and(is_word)
                && !text[at + needle.len()..].chars().next().is_some_and(is_word)
        })
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn lines(list: &str) -> impl Iterator<Item = &str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The paths of all Rust and Markdown files, from the root of the repository.
fn sources() -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(Path::new(ROOT).join(&folder)).expect("a folder that was listed") {
            let entry = entry.expect("an entry that was listed");
            let name = entry.file_name().into_string().expect("a path in UTF-8");
            let path = folder.join(&name);
            let kind = entry.file_type().expect("an entry that was listed");
            if kind.is_symlink() {
                continue;
            }
            if kind.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") || name.ends_with(".md") {
                found.push(path.into_os_string().into_string().expect("a path in UTF-8"));
            }
        }
    }
    found.sort();
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).expect("a file of the repository in UTF-8")
}
