//! The built `quickstart` program, run with given flags and a hard deadline, and what it reports with `--json`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use tempfile::TempDir;

use crate::{Deadline, Directory, Fault, Finished, Process, setting};

/// What the ACME server has to answer in, when it is asked whether it still lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// A run of `quickstart` that is being prepared.
#[derive(Debug)]
pub struct Quickstart {
    program: PathBuf,
    arguments: Vec<OsString>,
    directory: Option<Directory>,
}

/// A run that ended with success.
#[derive(Debug)]
pub struct Journey {
    /// The lines that it told, without the summary.
    pub lines: Vec<String>,
    /// The last line, read as JSON.
    pub summary: Summary,
    /// From the start of the process to its end.
    pub wall: Duration,
}

/// The object that `--json` makes the last line of standard output; it may hold more than this.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Summary {
    /// Devices that took part.
    pub devices: u64,
    /// Certificates issued, renewals included.
    pub issued: u64,
    /// Devices that failed.
    pub failed: u64,
    /// How long it took.
    pub seconds: f64,
    /// Requests from newOrder to download, repeats included, over certificates issued; `null` if none was.
    #[serde(deserialize_with = "present")]
    pub acme_requests_per_certificate: Option<f64>,
    /// `_acme-challenge` records that the zone's server still had at the end.
    pub leftover_challenge_records: u64,
}

impl Quickstart {
    /// The program that `tests/run` built, named by the variable `FLEETCERT_QUICKSTART`.
    ///
    /// # Errors
    /// If the variable is not set or names no file.
    pub fn built() -> Result<Self, Fault> {
        Ok(Self::at(setting::quickstart_program()?))
    }

    /// The program at this path.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), directory: None }
    }

    /// Adds a flag, or a value of the flag before.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds `--directory URL --ca-root FILE`; a run that does not end asks this server whether it lives.
    #[must_use]
    pub fn directory(mut self, directory: &Directory) -> Self {
        self.directory = Some(directory.clone());
        self.arg("--directory").arg(directory.url()).arg("--ca-root").arg(directory.ca_root())
    }

    /// Runs it with `--json` until it ends with exit status 0.
    ///
    /// # Errors
    /// If it fails, its last line is not the summary, or the deadline passes. In the last case it is killed, and the
    /// fault says whether the ACME server still answers within three seconds.
    pub fn run(self, limit: Duration) -> Result<Journey, Fault> {
        let Finished { stdout: mut lines, wall, .. } =
            self.arg("--json").finish(limit)?.success("quickstart")?;
        let last = lines.pop().unwrap_or_default();
        let summary = serde_json::from_str(&last)
            .map_err(Fault::while_doing(format!("quickstart's last line is not the summary: {last}")))?;
        Ok(Journey { lines, summary, wall })
    }

    /// Runs it until it ends, whatever its exit status: for runs that are meant to fail.
    ///
    /// # Errors
    /// If the deadline passes, as in [`Quickstart::run`].
    pub fn finish(self, limit: Duration) -> Result<Finished, Fault> {
        let directory = self.directory.clone();
        let running = self.start()?;
        running.process.finish(Deadline::after(limit)).map_err(|fault| match directory {
            Some(directory) => Fault::new(format!("{fault}\n  {}", directory.diagnosis(SIGN_OF_LIFE))),
            None => fault,
        })
    }

    /// Starts it and returns at once: for `--stay`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(self) -> Result<Running, Fault> {
        let temporary = tempfile::tempdir().map_err(Fault::while_doing("a folder for quickstart"))?;
        let process = Process::start("quickstart", &self.program, |command| {
            command.args(&self.arguments).env("TMPDIR", temporary.path())
        })?;
        Ok(Running { process, directory: self.directory, _temporary: temporary })
    }
}

/// A running `quickstart`; it is killed when this value is dropped.
#[derive(Debug)]
pub struct Running {
    process: Process,
    directory: Option<Directory>,
    // Last, so that the process is gone when its folder is removed.
    _temporary: TempDir,
}

impl Running {
    /// Waits for a line of standard output, and returns what `wanted` makes of it.
    ///
    /// # Errors
    /// If the program ends first or the time passes; the fault says whether the ACME server still answers.
    pub fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, Fault> {
        self.process.wait_for_stdout(what, Deadline::after(limit), wanted).map_err(|fault| {
            match &self.directory {
                Some(directory) => Fault::new(format!("{fault}\n  {}", directory.diagnosis(SIGN_OF_LIFE))),
                None => fault,
            }
        })
    }

    /// Interrupts it as Ctrl-C does, and waits ten seconds for its end.
    ///
    /// # Errors
    /// If it does not end in that time.
    pub fn interrupt(self) -> Result<Finished, Fault> {
        self.process.interrupt()
    }
}

/// Reads a value that may be `null` but must be there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Option::deserialize(deserializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell in the program's place: what is tested here is how a run is watched, not what it does.
    fn shell(script: &str) -> Quickstart {
        Quickstart::at("/bin/sh").arg("-c").arg(script)
    }

    const SUMMARY: &str = r#"{"devices":2,"issued":4,"failed":0,"seconds":1.5,"acme_requests_per_certificate":7.0,"leftover_challenge_records":0,"more":1}"#;

    #[test]
    fn the_last_line_is_the_summary() {
        let journey = shell(&format!("echo told; echo '{SUMMARY}'")).run(Duration::from_secs(5)).unwrap();
        assert_eq!(journey.lines, ["told"]);
        assert_eq!((journey.summary.devices, journey.summary.issued), (2, 4));
        assert_eq!(journey.summary.acme_requests_per_certificate, Some(7.0));
    }

    #[test]
    fn every_field_must_be_there() {
        for field in [
            "devices",
            "issued",
            "failed",
            "seconds",
            "acme_requests_per_certificate",
            "leftover_challenge_records",
        ] {
            let text = SUMMARY.replace(&format!("\"{field}\""), "\"other\"");
            assert!(serde_json::from_str::<Summary>(&text).is_err(), "{field}");
        }
        assert!(serde_json::from_str::<Summary>(&SUMMARY.replace("7.0", "null")).is_ok());
    }

    #[test]
    fn a_failed_run_is_told_with_its_sentence() {
        let fault = shell("echo 'step 3: no answer' >&2; exit 1").run(Duration::from_secs(5)).unwrap_err();
        assert!(fault.to_string().contains("step 3: no answer"), "{fault}");
    }

    #[test]
    fn a_run_past_its_deadline_says_whether_the_acme_server_lives() {
        let root = tempfile::NamedTempFile::new().unwrap();
        let gone = Directory::new("https://127.0.0.1:1/dir", root.path());
        let fault = shell("exec sleep 60").directory(&gone).run(Duration::from_millis(200)).unwrap_err();
        let text = fault.to_string();
        assert!(text.contains("was killed") && text.contains("the ACME server hangs or is gone"), "{text}");
    }

    #[test]
    fn a_program_that_stays_is_interrupted() {
        let running = shell("trap 'exit 0' INT; echo serving at 127.0.0.1:7; while :; do sleep 0.05; done")
            .start()
            .unwrap();
        let place = running.wait_for("a place", Duration::from_secs(5), |line| {
            line.strip_prefix("serving at ").map(str::to_owned)
        });
        assert_eq!(place.unwrap(), "127.0.0.1:7");
        assert!(running.interrupt().unwrap().status.success());
    }
}
