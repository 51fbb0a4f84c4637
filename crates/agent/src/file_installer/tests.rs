use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn files(text: &str) -> PairFiles {
    PairFiles { chain: format!("chain {text}"), key: Some(Zeroizing::new(format!("key {text}"))) }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(CURRENT).join(name)).unwrap()
}

#[test]
fn a_pair_is_private_and_the_previous_one_stays_until_the_next() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("tls");
    install(&folder, &files("one")).unwrap();
    let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.clone()), 0o700);
    assert_eq!(mode(folder.join("pair-1")), 0o700);
    assert_eq!(mode(folder.join("pair-1/privkey.pem")), 0o600);
    assert_eq!(mode(folder.join("pair-1/fullchain.pem")), 0o600);
    install(&folder, &files("two")).unwrap();
    assert_eq!(names(&folder), ["current", "pair-1", "pair-2"]);
    install(&folder, &files("three")).unwrap();
    assert_eq!(names(&folder), ["current", "pair-2", "pair-3"]);
    assert_eq!((read(&folder, KEY), read(&folder, CHAIN)), ("key three".into(), "chain three".into()));
}

#[test]
fn the_same_pair_again_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    install(home.path(), &files("one")).unwrap();
    install(home.path(), &files("two")).unwrap();
    install(home.path(), &files("two")).unwrap();
    assert_eq!(names(home.path()), ["current", "pair-1", "pair-2"]);
}

#[test]
fn without_its_key_only_the_chain_is_written() {
    let home = tempfile::tempdir().unwrap();
    install(home.path(), &files("one")).unwrap();
    install(home.path(), &PairFiles { key: None, ..files("two") }).unwrap();
    assert_eq!(names(&home.path().join(CURRENT)), [CHAIN]);
}

/// Every state that a power cut between two steps of an install can leave.
#[test]
fn every_interrupted_install_is_swept_and_the_old_pair_stays() {
    let cuts: [fn(&Path); 5] = [
        |folder| new_private_folder(&folder.join("pair-2")).unwrap(),
        |folder| {
            new_private_folder(&folder.join("pair-2")).unwrap();
            write_new(&folder.join("pair-2").join(KEY), b"hal").unwrap();
        },
        |folder| files("two").write_to(&folder.join("pair-2")).unwrap(),
        |folder| {
            files("two").write_to(&folder.join("pair-2")).unwrap();
            std::os::unix::fs::symlink("pair-2", folder.join(NEXT)).unwrap();
        },
        |folder| std::os::unix::fs::symlink("pair-9", folder.join(NEXT)).unwrap(),
    ];
    for cut in cuts {
        let home = tempfile::tempdir().unwrap();
        install(home.path(), &files("one")).unwrap();
        cut(home.path());
        assert_eq!(
            (read(home.path(), KEY), read(home.path(), CHAIN)),
            ("key one".into(), "chain one".into())
        );
        install(home.path(), &files("two")).unwrap();
        assert_eq!(
            (read(home.path(), KEY), read(home.path(), CHAIN)),
            ("key two".into(), "chain two".into())
        );
        assert_eq!(names(home.path()), ["current", "pair-1", "pair-2"]);
    }
}

#[test]
fn the_first_install_may_be_interrupted_too() {
    let home = tempfile::tempdir().unwrap();
    files("one").write_to(&home.path().join("pair-1")).unwrap();
    install(home.path(), &files("two")).unwrap();
    assert_eq!(names(home.path()), ["current", "pair-1"]);
    assert_eq!(read(home.path(), KEY), "key two");
}

#[test]
fn foreign_entries_stay_and_a_foreign_link_is_refused() {
    let home = tempfile::tempdir().unwrap();
    for name in ["pair-01", "pair-x", "root.pem"] {
        std::fs::write(home.path().join(name), "mine").unwrap();
    }
    install(home.path(), &files("one")).unwrap();
    assert_eq!(names(home.path()), ["current", "pair-01", "pair-1", "pair-x", "root.pem"]);
    std::fs::remove_file(home.path().join(CURRENT)).unwrap();
    std::os::unix::fs::symlink("/etc", home.path().join(CURRENT)).unwrap();
    assert!(matches!(install(home.path(), &files("two")), Err(InstallError::Files { .. })));
}

/// A reader that opens `current` once sees a key and a chain that belong together, whatever the installer does.
#[test]
fn a_reader_never_sees_half_of_each() {
    let home = tempfile::tempdir().unwrap();
    install(home.path(), &files("0")).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let Ok(pair) = home.path().join(CURRENT).canonicalize() else { continue };
                let read = |name| std::fs::read_to_string(pair.join(name));
                // Two installs may have passed in between; then the folder is gone, which is not a torn pair.
                if let (Ok(key), Ok(chain)) = (read(KEY), read(CHAIN)) {
                    assert_eq!(key.strip_prefix("key "), chain.strip_prefix("chain "));
                    seen += 1;
                }
            }
            seen
        });
        for round in 1..100 {
            install(home.path(), &files(&round.to_string())).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}
