//! The oldest Rust that the workspace names is new enough for every package that it builds.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

#[test]
fn no_dependency_needs_a_newer_rust_than_its_user() {
    let run = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--all-features"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let metadata: Value = serde_json::from_slice(&run.stdout).unwrap();

    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).map(|node| (text(&node["id"]), node)).collect();

    let mut too_new = Vec::new();
    for member in list(&metadata["workspace_members"]).map(text) {
        let package = packages[member];
        let ours = version(&package["rust_version"]).expect("every package of the workspace names its Rust");
        for used in built_by(member, &nodes) {
            let needs = version(&packages[used]["rust_version"]);
            if needs.is_some_and(|needs| needs > ours) {
                too_new.push(format!("{} {ours:?} uses {used}, {needs:?}", text(&package["name"])));
            }
        }
    }
    assert!(too_new.is_empty(), "{}", too_new.join("\n"));
}

/// All packages that a build of `member` and of its tests compiles.
fn built_by<'a>(member: &'a str, nodes: &BTreeMap<&'a str, &'a Value>) -> BTreeSet<&'a str> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![member]);
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        for dependency in list(&nodes[id]["deps"]) {
            // A dependency's own tests are not built.
            let is_built = list(&dependency["dep_kinds"]).any(|kind| id == member || kind["kind"] != "dev");
            if is_built {
                next.push(text(&dependency["pkg"]));
            }
        }
    }
    seen
}

fn version(text: &Value) -> Option<(u32, u32)> {
    let mut parts = text.as_str()?.split('.').map(|part| part.parse().unwrap_or(0));
    Some((parts.next()?, parts.next().unwrap_or(0)))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
