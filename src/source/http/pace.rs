//! When the next request may leave: no more than the rate allows, and none before a time that the server asked for.

use super::settings::Rate;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::Notify, time::Instant};

/// The pace of one read.
pub(super) struct Pace {
    rate: Option<Rate>,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    /// Requests whose answer has not begun.
    out: usize,
    /// When the answers of the last requests began.
    answered: VecDeque<Instant>,
    /// The server asked to be left alone until then.
    quiet: Option<Instant>,
}

/// A request that is on its way, until this is dropped. The server may count it as late as when its answer begins, so
/// that is what the rate counts from.
pub(super) struct Turn<'p>(&'p Pace);

#[derive(Debug, PartialEq)]
enum Look {
    Go,
    At(Instant),
    WhenFreed,
}

impl State {
    fn look(&mut self, rate: Option<Rate>, now: Instant) -> Look {
        if let Some(quiet) = self.quiet.filter(|quiet| *quiet > now) {
            return Look::At(quiet);
        }
        let Some(rate) = rate else { return Look::Go };
        while self.answered.front().is_some_and(|at| *at + rate.within <= now) {
            self.answered.pop_front();
        }
        if self.out + self.answered.len() < rate.requests {
            self.out += 1;
            return Look::Go;
        }
        self.answered.front().map_or(Look::WhenFreed, |first| Look::At(*first + rate.within))
    }

    fn answered(&mut self, now: Instant) {
        self.out = self.out.saturating_sub(1);
        self.answered.push_back(now);
    }
}

impl Pace {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, state: Mutex::default(), freed: Notify::new() }
    }

    /// Waits until a request may leave.
    pub(super) async fn turn(&self) -> Turn<'_> {
        loop {
            // Made before the look, so that what is freed in between is not missed.
            let freed = self.freed.notified();
            let look = self.state().look(self.rate, Instant::now());
            match look {
                Look::Go => return Turn(self),
                Look::At(at) => tokio::time::sleep_until(at).await,
                Look::WhenFreed => freed.await,
            }
        }
    }

    /// No request leaves before that time.
    pub(super) fn quiet_until(&self, at: Instant) {
        let mut state = self.state();
        state.quiet = state.quiet.max(Some(at));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.0.rate.is_some() {
            self.0.state().answered(Instant::now());
        }
        self.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        /// Five at a time, each with a way there and a way back of any length: at whatever moment of its way the
        /// server counts a request, no stretch of time has more of them than the rate allows.
        #[test]
        fn the_server_never_counts_more_than_the_rate(
            ways in prop::collection::vec((0_u64..900, 0_u64..300), 1..60),
            requests in 1_usize..8,
        ) {
            let rate = Rate { requests, within: Duration::from_millis(1_000) };
            let (start, mut state) = (Instant::now(), State::default());
            // When each arrives at the server, and when the answers of those on their way begin.
            let (mut arrivals, mut out, mut now) = (Vec::new(), Vec::new(), start);
            for (there, back) in ways {
                loop {
                    out.sort();
                    let first = out.first().copied();
                    match state.look(Some(rate), now) {
                        Look::Go if out.len() < 5 => break,
                        Look::Go => state.out -= 1,
                        Look::At(at) if first.is_none_or(|first| at < first) => {
                            now = at;
                            continue;
                        }
                        Look::At(_) | Look::WhenFreed => {}
                    }
                    now = now.max(out.remove(0));
                    state.answered(now);
                }
                let arrival = now + Duration::from_millis(there);
                arrivals.push(arrival);
                out.push(arrival + Duration::from_millis(back));
            }
            arrivals.sort();
            for stretch in arrivals.windows(requests + 1) {
                let (first, last) = (stretch.first().unwrap(), stretch.last().unwrap());
                prop_assert!(*last - *first >= rate.within);
            }
        }
    }

    #[test]
    fn nobody_leaves_while_the_server_wants_quiet() {
        let pace = Pace::new(None);
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(pace.state().look(None, now), Look::Go);
        pace.quiet_until(now + 30 * second);
        pace.quiet_until(now + 5 * second);
        assert_eq!(pace.state().look(None, now + 29 * second), Look::At(now + 30 * second));
        assert_eq!(pace.state().look(None, now + 30 * second), Look::Go);
    }
}
