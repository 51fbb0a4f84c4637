//! The two things that `tests/run` tells the tests: where the peers' programs are, and the built `quickstart`.

use std::path::PathBuf;

use crate::Fault;

/// The program of a peer, as `tests/peers/install` linked it.
#[cfg(feature = "peers")]
pub(crate) fn peer_program(name: &str) -> Result<PathBuf, Fault> {
    let folder = std::env::var_os("FLEETCERT_PEERS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers")),
        PathBuf::from,
    );
    existing(folder.join("bin").join(name), "run `tests/peers/install`, or set FLEETCERT_PEERS to its folder")
}

/// The built `quickstart` program. There is no guess: a stale program would be tested in silence.
pub(crate) fn quickstart_program() -> Result<PathBuf, Fault> {
    let program = std::env::var_os("FLEETCERT_QUICKSTART").ok_or_else(|| {
        Fault::new(
            "FLEETCERT_QUICKSTART is not set: run `tests/run`, or build with \
             `cargo build --release -p quickstart` and set it to the program",
        )
    })?;
    existing(PathBuf::from(program), "build it with `cargo build --release -p quickstart`")
}

fn existing(program: PathBuf, remedy: &str) -> Result<PathBuf, Fault> {
    if program.is_file() {
        Ok(program)
    } else {
        Err(Fault::new(format!("no program {}: {remedy}", program.display())))
    }
}
