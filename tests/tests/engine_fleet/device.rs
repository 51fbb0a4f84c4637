//! A device: the agent's own plan, with its steps done in memory.

use std::time::{Duration, SystemTime};

use fleetcert_agent::plan::{PlanAction, PlanEvent, PlanState, plan};
use fleetcert_names::HostName;
use fleetcert_protocol::{CertificateRequest, CertificateStatus, CsrBytes};
use fleetcert_x509::{Chain, KeyKind, KeyPair, Validity, csr_for};

use crate::control_server::{ControlServer, Member, Unanswered};

pub(crate) struct Device {
    pub(crate) member: Member,
    pub(crate) name: HostName,
    state: PlanState,
    request: Option<(CertificateRequest, Vec<u8>)>,
    chain: String,
    answer: String,
    /// When the certificate in use falls due, as the server last said.
    renew_at: Option<SystemTime>,
    pub(crate) installed: Option<Installed>,
    pub(crate) awake_since: Option<SystemTime>,
    pub(crate) lost_files_at: Option<SystemTime>,
    /// Counts wake-ups, so that an older one is void.
    pub(crate) generation: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Installed {
    pub(crate) validity: Validity,
    pub(crate) at: SystemTime,
}

/// What came of a round of the plan.
pub(crate) struct Round {
    pub(crate) wait: Duration,
    /// Time that the replaced certificate had left, where the device has been on since it fell due.
    pub(crate) replaced_with_left: Option<Duration>,
    pub(crate) installed: bool,
}

impl Device {
    pub(crate) fn new(member: Member, name: HostName, now: SystemTime) -> Self {
        Self {
            member,
            name,
            state: PlanState::at_start(false, None),
            request: None,
            chain: String::new(),
            answer: String::new(),
            renew_at: None,
            installed: None,
            awake_since: Some(now),
            lost_files_at: None,
            generation: 0,
        }
    }

    /// Forgets the request and the certificate, as a device does that lost its disk but for its identity.
    pub(crate) fn lose_files(&mut self, now: SystemTime) {
        self.lost_files_at = Some(now);
        self.installed = None;
        self.renew_at = None;
        self.state = PlanState::at_start(false, None);
        self.request = None;
        self.chain.clear();
    }

    /// Starts again with what is on its disk.
    pub(crate) fn wake(&mut self, now: SystemTime) {
        self.awake_since = Some(now);
        let validity = self.installed.map(|installed| installed.validity);
        self.state = PlanState::at_start(self.request.is_some(), validity);
    }

    /// Whether the device has been on since its certificate fell due, so that the certificate must not expire.
    pub(crate) fn was_reachable(&self, installed: &Installed) -> bool {
        let due = self.renew_at.unwrap_or_else(|| installed.validity.renewal_point());
        self.awake_since.is_some_and(|since| since <= due)
    }

    /// Acts until the plan says to wait.
    pub(crate) async fn act(&mut self, server: &ControlServer, now: SystemTime) -> Round {
        let mut round = Round { wait: Duration::ZERO, replaced_with_left: None, installed: false };
        let mut event = PlanEvent::Woke;
        loop {
            let (state, action) = plan(self.state.clone(), event, now, u64::MAX);
            self.state = state;
            event = match action {
                PlanAction::Wait(wait) => {
                    round.wait = wait;
                    return round;
                }
                PlanAction::MakeRequest => self.make_request(),
                PlanAction::Submit => {
                    let (request, _) = self.request.as_ref().expect("the plan submits what is stored");
                    let answer = server.request(&self.member, request).await;
                    self.event_of(answer)
                }
                PlanAction::Ask => {
                    let answer = server.status(&self.member).await;
                    self.event_of(answer)
                }
                PlanAction::Install => self.install(now, &mut round),
            };
        }
    }

    fn make_request(&mut self) -> PlanEvent {
        self.request = Some(self.new_request());
        PlanEvent::Stored
    }

    /// A request for a key of its own, and that key's SubjectPublicKeyInfo.
    pub(crate) fn new_request(&self) -> (CertificateRequest, Vec<u8>) {
        let key = KeyPair::generate(KeyKind::P256).unwrap();
        let csr = csr_for(&self.name.clone().into(), &key).unwrap();
        (CertificateRequest { csr: CsrBytes::new(csr).unwrap() }, spki_of(&key))
    }

    fn event_of(&mut self, answer: Result<CertificateStatus, Unanswered>) -> PlanEvent {
        let status = match answer {
            Ok(status) => status,
            Err(Unanswered { retry_after }) => return PlanEvent::Failure { retry_after },
        };
        let event = PlanEvent::of_status(&status, |chain| self.request.is_none() || chain != self.chain);
        if let (PlanEvent::Issued { renew_at, .. }, CertificateStatus::Issued { chain, .. }) = (event, status)
        {
            if self.request.is_none() {
                self.renew_at = renew_at;
            }
            self.answer = chain;
        }
        event
    }

    fn install(&mut self, now: SystemTime, round: &mut Round) -> PlanEvent {
        let chain = Chain::from_pem(self.answer.as_bytes()).unwrap();
        let (_, spki) = self.request.as_ref().expect("the plan installs what was requested");
        if chain.leaf().spki() != spki {
            return PlanEvent::NotOurs;
        }
        let validity = chain.leaf().validity();
        let was_reachable = self.installed.is_some_and(|installed| self.was_reachable(&installed));
        if let Some(before) =
            self.installed.replace(Installed { validity, at: now }).filter(|_| was_reachable)
        {
            round.replaced_with_left = Some(before.validity.remaining(now));
        }
        round.installed = true;
        self.request = None;
        self.renew_at = None;
        self.chain = std::mem::take(&mut self.answer);
        PlanEvent::Installed(validity)
    }
}

fn spki_of(key: &KeyPair) -> Vec<u8> {
    use fleetcert_x509::SigningKey;
    key.spki_der().to_vec()
}
