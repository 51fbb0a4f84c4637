//! A meeting of threads, so that what they do overlaps on every machine and in every run.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// A point that several threads pass together, again and again, as at a [barrier](std::sync::Barrier) that its members
/// can leave. It ends when they have left, or when one does not come: a policy may hold a lock for the others.
#[derive(Debug)]
pub(super) struct Meeting {
    state: Mutex<MeetingState>,
    changed: Condvar,
}

#[derive(Debug)]
struct MeetingState {
    members: usize,
    waiting: usize,
    round: u64,
}

/// Time after which a member that does not come waits for a lock that another holds.
const TIMEOUT: Duration = Duration::from_secs(1);

impl Meeting {
    pub(super) fn of(members: usize) -> Self {
        let state = MeetingState { members, waiting: 0, round: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Blocks the thread until every member waits here or has left.
    pub(super) fn wait(&self) {
        let mut state = self.state.lock();
        if state.members == 0 {
            return;
        }
        state.waiting += 1;
        self.go_on_if_complete(&mut state);
        let round = state.round;
        while state.waiting > 0 && state.round == round {
            if self.changed.wait_for(&mut state, TIMEOUT).timed_out() && state.round == round {
                state.members = 0;
                self.go_on_if_complete(&mut state);
            }
        }
    }

    /// Ends the membership of a thread, which waits for no other any more.
    fn leave(&self) {
        let mut state = self.state.lock();
        state.members = state.members.saturating_sub(1);
        self.go_on_if_complete(&mut state);
    }

    fn go_on_if_complete(&self, state: &mut MeetingState) {
        if state.waiting >= state.members {
            state.waiting = 0;
            state.round += 1;
            self.changed.notify_all();
        }
    }
}

/// The membership of a thread. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Member<'a>(pub(super) &'a Meeting);

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[test]
    fn members_pass_each_round_together_and_one_that_left_holds_up_none() {
        let (meeting, arrived) = (Meeting::of(3), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for rounds in [1, 5, 5] {
                let (meeting, arrived) = (&meeting, &arrived);
                scope.spawn(move || {
                    let _member = Member(meeting);
                    for round in 0..rounds {
                        arrived.fetch_add(1, SeqCst);
                        meeting.wait();
                        assert!(arrived.load(SeqCst) >= 3 + 2 * round, "round {round}");
                    }
                });
            }
        });
        assert_eq!(arrived.load(SeqCst), 11);
    }

    #[test]
    fn meeting_ends_when_a_member_does_not_come() {
        let meeting = Meeting::of(2);
        meeting.wait();
        meeting.wait();
        assert_eq!(meeting.state.lock().members, 0);
    }
}
