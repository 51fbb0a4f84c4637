//! A child process with an explicit environment, bounded waits and a certain end.

use std::fmt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::lines::{Lines, Waited};
use crate::{Deadline, Fault, Stopwatch};

/// The lines of a log that a fault shows.
const TAIL: usize = 25;
/// Between two looks whether a process has ended, once it has closed its output.
const LOOK: Duration = Duration::from_millis(5);
/// What a process has after an interrupt, before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A running program. It is killed and awaited when this value is dropped.
pub struct Process {
    name: String,
    child: Child,
    stdout: Arc<Lines>,
    stderr: Arc<Lines>,
    began: Stopwatch,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// The lines of standard output.
    pub stdout: Vec<String>,
    /// The lines of standard error.
    pub stderr: Vec<String>,
    /// From start to end.
    pub wall: Duration,
}

impl Process {
    /// Starts `program` with no environment but what `prepare` adds, no standard input, and its output followed.
    pub fn start(
        name: &str,
        program: impl AsRef<Path>,
        prepare: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<Self, Fault> {
        let program = program.as_ref();
        let mut command = Command::new(program);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        prepare(&mut command);
        let began = Stopwatch::start();
        let mut child = command
            .spawn()
            .map_err(Fault::while_doing(format!("starting {name} ({})", program.display())))?;
        let (stdout, stderr) = (Arc::new(Lines::default()), Arc::new(Lines::default()));
        if let Some(stream) = child.stdout.take() {
            stdout.follow(stream);
        }
        if let Some(stream) = child.stderr.take() {
            stderr.follow(stream);
        }
        Ok(Self { name: name.to_owned(), child, stdout, stderr, began })
    }

    /// Waits for a line of standard output.
    ///
    /// # Errors
    /// If the process ends first or the deadline passes; the fault holds the end of its log.
    pub fn wait_for_stdout<T>(
        &self,
        what: &str,
        deadline: Deadline,
        wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, Fault> {
        self.wait_for(&self.stdout, what, deadline, wanted)
    }

    /// Waits for a line of standard error, as [`Process::wait_for_stdout`] does.
    ///
    /// # Errors
    /// If the process ends first or the deadline passes; the fault holds the end of its log.
    pub fn wait_for_stderr<T>(
        &self,
        what: &str,
        deadline: Deadline,
        wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, Fault> {
        self.wait_for(&self.stderr, what, deadline, wanted)
    }

    fn wait_for<T>(
        &self,
        lines: &Lines,
        what: &str,
        deadline: Deadline,
        wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, Fault> {
        match lines.wait_for(deadline, wanted) {
            Waited::Found(found) => Ok(found),
            Waited::Ended => Err(self.fault(&format!("ended before {what}"))),
            Waited::TooLate => Err(self.fault(&format!("showed no {what} within {:?}", deadline.limit()))),
        }
    }

    /// Waits until the process has ended by itself, whatever its exit status.
    ///
    /// # Errors
    /// If the deadline passes; the process is killed then, and the fault holds the end of its log.
    pub fn finish(mut self, deadline: Deadline) -> Result<Finished, Fault> {
        match self.ended(deadline)? {
            Some(status) => Ok(Finished {
                status,
                stdout: self.stdout.all(),
                stderr: self.stderr.all(),
                wall: self.began.elapsed(),
            }),
            None => Err(self.fault(&format!("did not end within {:?} and was killed", deadline.limit()))),
        }
    }

    /// Interrupts the process as Ctrl-C does, and waits ten seconds for its end.
    ///
    /// # Errors
    /// If it cannot be signalled, or does not end in that time; it is killed then.
    pub fn interrupt(self) -> Result<Finished, Fault> {
        self.signal("INT")?;
        self.finish(Deadline::after(GRACE))
    }

    /// Sends the signal of this name to the process.
    ///
    /// # Errors
    /// If it cannot be sent, as when the process has ended.
    pub fn signal(&self, name: &str) -> Result<(), Fault> {
        // The standard library can only kill, and `unsafe` is forbidden: the shell sends the signal.
        let sent = Command::new("/bin/sh")
            .env_clear()
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status()
            .map_err(Fault::while_doing(format!("sending {name} to {}", self.name)))?;
        if sent.success() { Ok(()) } else { Err(self.fault(&format!("could not be sent {name}"))) }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A fault about this process, with the end of what it printed.
    pub fn fault(&self, what: &str) -> Fault {
        let mut text = format!("{} {what}", self.name);
        for (stream, lines) in [("standard output", &self.stdout), ("standard error", &self.stderr)] {
            let tail = lines.tail(TAIL);
            if !tail.is_empty() {
                text.push_str(&format!("\n  end of its {stream}:\n{tail}"));
            }
        }
        Fault::new(text)
    }

    /// Whether its output is still open, so that it has not ended.
    pub fn is_running(&self) -> bool {
        self.stdout.is_open() || self.stderr.is_open()
    }

    /// Every line that the process printed to standard output so far, within bounds.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.all()
    }

    /// Every line that the process printed to standard error so far, within bounds.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.all()
    }

    fn ended(&mut self, deadline: Deadline) -> Result<Option<ExitStatus>, Fault> {
        // The ends of the streams are awaited first: then nothing is lost, and the looks below are few.
        for lines in [&self.stdout, &self.stderr] {
            lines.wait_for(deadline, |_| None::<()>);
        }
        loop {
            let status =
                self.child.try_wait().map_err(Fault::while_doing(format!("waiting for {}", self.name)))?;
            if status.is_some() || deadline.has_passed() {
                return Ok(status);
            }
            thread::sleep(LOOK.min(deadline.remaining()));
        }
    }
}

impl Finished {
    /// This value, if the exit status was 0.
    ///
    /// # Errors
    /// Otherwise, with the end of what the program printed.
    pub fn success(self, name: &str) -> Result<Self, Fault> {
        if self.status.success() {
            return Ok(self);
        }
        let tail = |lines: &[String]| lines[lines.len().saturating_sub(TAIL)..].join("\n    ");
        Err(Fault::new(format!(
            "{name} ended with {}\n  standard output:\n    {}\n  standard error:\n    {}",
            self.status,
            tail(&self.stdout),
            tail(&self.stderr)
        )))
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("id", &self.child.id())
            .finish_non_exhaustive()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start("shell", "/bin/sh", |command| command.args(["-c", script])).unwrap()
    }

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(10))
    }

    #[test]
    fn the_environment_is_empty_unless_given() {
        let process = Process::start("env", "/usr/bin/env", |command| command.env("ONLY", "this")).unwrap();
        assert_eq!(process.finish(soon()).unwrap().stdout, ["ONLY=this"]);
    }

    #[test]
    fn both_streams_and_the_status_are_kept() {
        let finished = shell("echo out; echo err >&2; exit 3").finish(soon()).unwrap();
        assert_eq!((finished.stdout, finished.stderr), (vec!["out".to_owned()], vec!["err".to_owned()]));
        assert_eq!(finished.status.code(), Some(3));
    }

    #[test]
    fn a_failed_program_is_told_with_its_log() {
        let finished = shell("echo why >&2; exit 1").finish(soon()).unwrap();
        let fault = finished.success("shell").unwrap_err().to_string();
        assert!(fault.contains("exit status: 1") && fault.contains("why"), "{fault}");
    }

    #[test]
    fn a_line_is_awaited() {
        let process = shell("echo one; echo port 17; exec sleep 60");
        let port =
            process.wait_for_stdout("a port", soon(), |line| line.strip_prefix("port ").map(str::to_owned));
        assert_eq!(port.unwrap(), "17");
    }

    #[test]
    fn a_process_that_ends_early_is_told_with_its_log() {
        let process = shell("echo address in use");
        let fault = process.wait_for_stdout("the start", soon(), |_| None::<()>).unwrap_err().to_string();
        assert!(fault.contains("ended before the start") && fault.contains("address in use"), "{fault}");
    }

    #[test]
    fn a_process_past_its_deadline_is_killed() {
        let process = shell("echo begun; exec sleep 60");
        let id = process.child.id();
        let fault = process.finish(Deadline::after(Duration::from_millis(200))).unwrap_err().to_string();
        assert!(fault.contains("was killed") && fault.contains("begun"), "{fault}");
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let process = shell("exec sleep 60");
        let entry = format!("/proc/{}", process.child.id());
        assert!(Path::new(&entry).exists());
        drop(process);
        assert!(!Path::new(&entry).exists());
    }

    #[test]
    fn an_interrupt_ends_a_process() {
        let process = shell("trap 'echo interrupted; exit 0' INT; echo ready; while :; do sleep 0.05; done");
        process.wait_for_stdout("ready", soon(), |line| (line == "ready").then_some(())).unwrap();
        assert_eq!(process.interrupt().unwrap().stdout, ["ready", "interrupted"]);
    }
}
