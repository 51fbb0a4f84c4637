//! What went wrong, in one sentence: which step, why, and what to try.

use std::fmt;

/// A step of the journey. Its text is what the user reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Start,
    Enrolled,
    Labelled,
    AddressReported,
    AddressAnswered,
    KeyMade,
    RequestAccepted,
    Ordered,
    ChallengeSeen,
    ChallengeAnswered,
    Validated,
    Finalized,
    Installed,
    PageFetched,
    AddressChanged,
    Renewed,
    PageRenewed,
    ZoneClean,
}

impl Step {
    /// Its place in the story; the start has none.
    pub fn number(self) -> usize {
        self as usize
    }

    /// What was done, when it was done.
    pub fn done(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Enrolled => "enrolled by a one-time token",
            Self::Labelled => "label given out",
            Self::AddressReported => "address reported",
            Self::AddressAnswered => "A record answered, UDP and TCP",
            Self::KeyMade => "key and CSR made on the device",
            Self::RequestAccepted => "request authenticated, CSR accepted",
            Self::Ordered => "order placed",
            Self::ChallengeSeen => "TXT seen on the authoritative server",
            Self::ChallengeAnswered => "challenge answered",
            Self::Validated => "validated by the CA's own DNS query",
            Self::Finalized => "finalized",
            Self::Installed => "chain checked, installed atomically",
            Self::PageFetched => "page fetched, trusting the CA's root alone",
            Self::AddressChanged => "address changed, and the record with it",
            Self::Renewed => "renewed inside the CA's ARI window",
            Self::PageRenewed => "new certificate served, no request failed",
            Self::ZoneClean => "no _acme-challenge left",
        }
    }

    /// What a user can try when it fails.
    fn advice(self) -> &'static str {
        match self {
            Self::Start => "check the addresses, files and servers that the flags name",
            Self::Enrolled | Self::Labelled => "if a label was asked for, ask for another",
            Self::AddressReported => "run it again with --json and report the sentence",
            Self::AddressAnswered | Self::AddressChanged => {
                "ask the zone's server by dig, and see whether the TSIG key may write A records there"
            }
            Self::KeyMade | Self::RequestAccepted => {
                "with --csr, make it with a P-256, P-384 or RSA key and -addext subjectAltName=DNS:NAME for exactly the name \
                 of --label and the zone"
            }
            Self::Ordered | Self::Finalized => {
                "see what the CA logs, and restart it if it does not answer any more"
            }
            Self::ChallengeSeen => {
                "see whether the TSIG key may write TXT records, and whether the server is up"
            }
            Self::ChallengeAnswered | Self::Validated => {
                "see that the CA's resolver asks the zone's server, by UDP and TCP, and restart a CA that hangs"
            }
            Self::Installed => "see that the folder can be written and that --ca-root belongs to this CA",
            Self::PageFetched | Self::PageRenewed => "with --key, see that it is the key of the --csr",
            Self::Renewed => "see what the CA says of its renewal window",
            Self::ZoneClean => {
                "remove the records by hand, and see whether the TSIG key may delete TXT records"
            }
        }
    }
}

/// A step that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub step: Step,
    why: String,
}

impl Failure {
    /// `step` failed because of `why`.
    pub fn new(step: Step, why: impl fmt::Display) -> Self {
        Self { step, why: why.to_string() }
    }

    /// For `map_err`.
    pub fn at<E: fmt::Display>(step: Step) -> impl Fn(E) -> Self {
        move |error| Self::new(step, error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, why } = self;
        let why = why.trim_end_matches('.');
        write!(f, "step {} ({}) failed: {why}; {}.", step.number(), step.done(), step.advice())
    }
}

/// An error with all that is below it.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
