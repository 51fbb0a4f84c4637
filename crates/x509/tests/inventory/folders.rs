//! The walk of the inventory program through folders, and its JSON.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::entry::InventoryEntry;
use crate::inventory::Inventory;
use crate::json;
use crate::walk::{WalkLimits, walk};

fn certificate(name: &str) -> String {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2026, 4, 1);
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

fn walked(path: &Path, limits: &WalkLimits) -> Inventory {
    let mut inventory = Inventory::new(None);
    walk(&[path.to_owned()], limits, &mut inventory);
    inventory
}

fn names(inventory: &Inventory) -> Vec<String> {
    inventory.entries().iter().flat_map(InventoryEntry::names).collect()
}

#[test]
fn links_are_followed_once() {
    let folder = tempfile::tempdir().unwrap();
    let (live, archive) = (folder.path().join("live"), folder.path().join("archive"));
    fs::create_dir_all(&live).unwrap();
    fs::create_dir_all(&archive).unwrap();
    fs::write(archive.join("cert1.pem"), certificate("a.test")).unwrap();
    symlink("../archive/cert1.pem", live.join("cert.pem")).unwrap();
    symlink("..", live.join("up")).unwrap();
    symlink(".", live.join("self")).unwrap();
    symlink("/nowhere/at/all", live.join("broken")).unwrap();
    symlink("round", live.join("round")).unwrap();
    let inventory = walked(folder.path(), &WalkLimits::default());
    assert_eq!(names(&inventory), ["a.test"]);
    let unreadable = inventory.unreadable().iter().map(|one| Path::new(one.file()).file_name().unwrap());
    assert_eq!(unreadable.collect::<Vec<_>>(), ["broken", "round"]);
    // The file is also found through a link only.
    assert_eq!(names(&walked(&live.join("cert.pem"), &WalkLimits::default())), ["a.test"]);
}

#[test]
fn depth_count_and_size_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("1/2/3");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("deep.pem"), certificate("deep.test")).unwrap();
    fs::write(folder.path().join("top.pem"), certificate("top.test")).unwrap();
    let of = |limits: WalkLimits| walked(folder.path(), &limits);
    assert_eq!(names(&of(WalkLimits { depth: 4, ..WalkLimits::default() })), ["deep.test", "top.test"]);
    let shallow = of(WalkLimits { depth: 3, ..WalkLimits::default() });
    assert_eq!(names(&shallow), ["top.test"]);
    assert!(shallow.unreadable()[0].reason().contains("deeper than 3 levels"));

    let few = of(WalkLimits { count: 3, ..WalkLimits::default() });
    assert!(few.unreadable()[0].reason().contains("the limit of 3 files and folders is reached"));
    assert_eq!(few.unreadable().len(), 1);

    let small = of(WalkLimits { size: 100, ..WalkLimits::default() });
    assert_eq!((small.entries().len(), small.unreadable().len()), (0, 2));
    fs::write(folder.path().join("video.bin"), vec![7; 2 * 1024 * 1024]).unwrap();
    let with_large = of(WalkLimits::default());
    assert_eq!((with_large.unreadable().len(), with_large.without_certificate().len()), (0, 1));
}

#[test]
fn named_file_must_have_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let readme = folder.path().join("README");
    fs::write(&readme, "no certificate").unwrap();
    assert!(walked(folder.path(), &WalkLimits::default()).unreadable().is_empty());
    assert_eq!(
        walked(&readme, &WalkLimits::default()).unreadable()[0].reason(),
        "there is no certificate in it"
    );
    assert_eq!(
        walked(Path::new("/dev/null"), &WalkLimits::default()).unreadable()[0].reason(),
        "it is not a regular file"
    );
    assert_eq!(walked(&folder.path().join("absent"), &WalkLimits::default()).unreadable().len(), 1);
}

#[test]
fn locked_folder_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    // A user who may read everything can read this too.
    let is_locked = fs::read_dir(&locked).is_err();
    assert_eq!(walked(folder.path(), &WalkLimits::default()).unreadable().len(), usize::from(is_locked));
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn json_has_all_fields() {
    let mut inventory = Inventory::new(None);
    inventory.add("a.pem", certificate("a.test").as_bytes());
    inventory.add("key.pem", b"");
    inventory.add_unreadable("b.pem", "Permission denied");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600 + 80 * 86_400);
    let json = json::of(&inventory, now);
    assert_eq!(json["now"], "2026-03-22T00:00:00Z");
    let one = &json["certificates"][0];
    assert_eq!(one["names"], serde_json::json!(["a.test"]));
    assert_eq!((&one["not_after"], &one["days_left"]), (&"2026-04-01T00:00:00Z".into(), &10.into()));
    assert_eq!((&one["renewal_point"], &one["key"]), (&"2026-03-02T00:00:00Z".into(), &"P-256".into()));
    assert_eq!(one["chain"]["state"], "self-signed");
    assert_eq!(one["sha256"].as_str().unwrap().len(), 64);
    assert!(one["duplicate_of"].is_null() && one["certificate_id"].is_null());
    assert_eq!(json["unreadable"], serde_json::json!([{ "file": "b.pem", "reason": "Permission denied" }]));
    assert_eq!(json["without_certificate"], serde_json::json!(["key.pem"]));
}
