//! Captures live packets: runs tcpdump on an interface, keeps it running, and accounts for every
//! packet.
//!
//! tcpdump is run as for a capture file, so that its text is the same. Its standard error is read:
//! it has the counters, which are asked for while it runs, and what is wrong.
//!
//! The trap: a signal interrupts a tcpdump that waits because nobody reads its text, and it ends
//! without its counters. So it is interrupted only when its pipe is all but empty.
//!
//! After a `kill -9` of this process, tcpdump ends with the next packet that it prints.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dumpstream::Origin;
use dumpstream::spell::visible;
use rustix::process::Signal;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::run::{self, Source, run};
use crate::station::Station;
use crate::summary::Summary;

mod child;
mod counts;
mod error;
mod exclusion;
mod ledger;
mod mtu;
mod options;
mod replay;
mod session;

use self::child::{Messages, Target, lines};
pub use self::counts::Counts;
use self::counts::Line;
pub use self::error::Error;
pub use self::exclusion::Exclusion;
pub use self::ledger::{Ledger, Output};
pub use self::mtu::Mtu;
use self::options::not_run;
pub use self::options::{DEFAULT_STATS, Options, interfaces};
pub use self::replay::{Replay, Sent};
pub use self::session::hostname;

/// Bytes of text in the pipe below which tcpdump does not wait for us: a pipe holds at least 4 KiB.
const ROOM: u64 = 2 << 10;

/// How often the pipe is looked at before tcpdump is interrupted.
const LOOK: Duration = Duration::from_millis(2);

/// How long an interrupted tcpdump may take to print its counters.
const GRACE: Duration = Duration::from_secs(5);

/// How often tcpdump is asked for its counters while it may soon have read everything.
const ASK: Duration = Duration::from_millis(250);

/// tcpdump reads its buffer at least once a second: without a packet in this time there is none.
const QUIET: Duration = Duration::from_millis(1500);

/// A capture. Clones share it.
#[derive(Clone, Debug)]
pub struct Capture(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: Options,
    tcpdump: Target,
    state: Mutex<State>,
    /// tcpdump has opened the interface for the first time.
    listening: CancellationToken,
    /// The capture is to end, but not its station.
    finish: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// The interface, once tcpdump has opened it.
    interface: Option<String>,
    /// The counters of the runs that have ended.
    ended: Counts,
    /// What the present run has reported.
    passing: Counts,
    /// The counters of its end, as far as they are printed.
    closing: Option<Counts>,
    runs: u64,
    uncounted: u64,
    /// Whether the present run has opened the interface: only then it counts as a run.
    open: bool,
    /// How often tcpdump has answered with its counters.
    answers: u64,
    sent: Option<Sent>,
    /// Whether dropped packets were reported.
    told: bool,
}

/// What a capture has read, and why it ended.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// The figures of all runs of tcpdump together.
    pub summary: Summary,
    /// The error that ended it, if any.
    pub error: Option<Error>,
}

impl State {
    fn counts(&self) -> Counts {
        let mut counts = self.ended;
        counts += self.closing.unwrap_or(self.passing);
        counts
    }
}

impl Capture {
    /// Prepares a capture; nothing is started.
    pub fn new(options: Options) -> Capture {
        Capture(Arc::new(Shared {
            options,
            tcpdump: Target::default(),
            state: Mutex::default(),
            listening: CancellationToken::new(),
            finish: CancellationToken::new(),
        }))
    }

    /// Captures until [`Station::stop`] or [`Capture::finish`], or until `-c` packets are captured.
    /// Each run of tcpdump is an input of its own, with the origin that `origin` returns. A tcpdump
    /// that dies is started again.
    ///
    /// At the end tcpdump is interrupted, and all that it has printed is read. A tcpdump that cannot
    /// be started, or whose first run ends before it captures, is an error.
    pub async fn run(&self, station: &Station, origin: impl Fn() -> Origin) -> Outcome {
        let mut outcome = Outcome::default();
        let done = self.watch(station, origin, &mut outcome.summary).await;
        outcome.error = done.err();
        self.0.finish.cancel();
        outcome
    }

    /// Starts tcpdump as often as it takes.
    async fn watch(
        &self,
        station: &Station,
        origin: impl Fn() -> Origin,
        total: &mut Summary,
    ) -> Result<(), Error> {
        let Shared {
            options, finish, ..
        } = &*self.0;
        let mut failures = 0;
        loop {
            let start = Instant::now();
            let ended = self.once(station, origin(), total).await?;
            let enough = options.count.is_some_and(|count| total.records >= count);
            if enough || station.stop().is_cancelled() || finish.is_cancelled() {
                return Ok(());
            }
            if !self.0.listening.is_cancelled() || options.retry.tries == Some(0) {
                return Err(Error::Ended { ended });
            }
            failures = if start.elapsed() > options.retry.wait(failures) {
                1
            } else {
                failures + 1
            };
            let wait = options.retry.wait(failures);
            let shown = Duration::from_millis(wait.as_millis() as u64);
            warn!(
                "tcpdump {}; starting it again in {shown:?}. Packets until then are not captured.",
                visible(&ended)
            );
            tokio::select! {
                biased;
                () = station.stop().cancelled() => return Ok(()),
                () = finish.cancelled() => return Ok(()),
                () = sleep(wait) => {}
            }
        }
    }

    /// One run of tcpdump. Returns how it ended.
    async fn once(
        &self,
        station: &Station,
        origin: Origin,
        total: &mut Summary,
    ) -> Result<String, Error> {
        let options = &self.0.options;
        let mut command = options.command(Some(total.records))?;
        command.arg("--").arg(&options.filter);
        let target = &self.0.tcpdump;
        let mut child = target.start(command).map_err(not_run)?;
        let text = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let pipe = text.as_fd().try_clone_to_owned().map_err(not_run)?;
        let mut messages = Messages::default();
        let read = async {
            // Even after a stop it is read to its end, which comes soon then.
            let source = Source::live(text).holding(|_| u64::MAX);
            let done = run(source, origin, station).await;
            if done.is_err() {
                target.signal(Signal::KILL);
            }
            done
        };
        let heard = lines(stderr, |line| {
            if !self.hear(&line, station) {
                messages.add(line);
            }
        });
        let (done, ()) = tokio::select! {
            both = async { tokio::join!(read, heard) } => both,
            never = self.tend(&pipe, station) => match never {},
        };
        let status = target.end(&mut child).await.map_err(not_run)?;
        self.close();
        let ended = messages.ended("tcpdump", status);
        let summary = done.as_ref().map_or_else(run::Error::summary, Some);
        summary.into_iter().for_each(|summary| total.add(summary));
        match done {
            // An interrupted tcpdump prints a line feed even if it has printed nothing else.
            Ok(_) | Err(run::Error::Foreign { .. }) => Ok(ended),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a line of tcpdump's standard error, unless it is a message for the user.
    fn hear(&self, line: &str, station: &Station) -> bool {
        let mut state = self.lock();
        match Line::read(line) {
            Some(Line::Passing(counts)) => {
                state.passing = counts;
                state.answers += 1;
            }
            Some(Line::Closing(counts)) => *state.closing.get_or_insert_default() += counts,
            None => {
                if let Some((_, after)) = line.split_once("listening on ") {
                    let name = after.split(',').next().unwrap_or(after);
                    if state.runs > 0 {
                        // Whoever read that it died waits for this.
                        warn!("tcpdump captures on {} again.", visible(name));
                    }
                    state.runs += 1;
                    state.open = true;
                    state.interface = Some(name.to_owned());
                    self.0.listening.cancel();
                }
                let usual = line.contains("listening on ")
                    || line.contains("dropped privs to ")
                    || line.contains("verbose output suppressed")
                    // Of `any`.
                    || line.contains("romiscuous mode")
                    || line.contains("data link type ");
                if usual {
                    debug!("{}", visible(line));
                }
                return usual;
            }
        }
        let dropped = state.counts().dropped;
        if dropped > 0 && !std::mem::replace(&mut state.told, true) {
            let slow = station.progress().waiting() > 0 || !station.progress().stalled().is_zero();
            let remedy = match slow {
                true => "an output is too slow, and tcpdump waits for it",
                false => "give it a larger one with -B, or capture fewer packets with a filter",
            };
            warn!(
                dropped,
                "The kernel drops packets, because tcpdump's buffer is full: {remedy}."
            );
        }
        true
    }

    /// Asks for the counters from time to time, and ends tcpdump when it is time.
    async fn tend(&self, pipe: &OwnedFd, station: &Station) -> std::convert::Infallible {
        let Shared {
            options, finish, ..
        } = &*self.0;
        let mut tick = interval_at(Instant::now() + options.stats, options.stats);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = station.stop().cancelled() => break,
                () = finish.cancelled() => break,
                _ = tick.tick() => self.ask(station),
            }
        }
        // Outputs that make it wait have a deadline after a stop.
        while rustix::io::ioctl_fionread(pipe).is_ok_and(|bytes| bytes > ROOM) {
            sleep(LOOK).await;
        }
        self.0.tcpdump.signal(Signal::INT);
        sleep(GRACE).await;
        self.0.tcpdump.signal(Signal::KILL);
        std::future::pending().await
    }

    /// Asks tcpdump for its counters; while it waits for us, it would not answer.
    fn ask(&self, station: &Station) {
        if station.progress().waiting() == 0 {
            self.0.tcpdump.signal(Signal::USR1);
        }
    }

    /// Adds up what a run that has ended reported.
    fn close(&self) {
        let mut state = self.lock();
        let open = std::mem::take(&mut state.open);
        state.uncounted += u64::from(open && state.closing.is_none());
        state.ended = state.counts();
        state.passing = Counts::default();
        state.closing = None;
    }

    /// Waits until tcpdump has opened the interface, and returns its name; `None`: the capture has
    /// ended before.
    pub async fn listening(&self) -> Option<String> {
        tokio::select! {
            biased;
            () = self.0.listening.cancelled() => self.lock().interface.clone(),
            () = self.finished() => None,
        }
    }

    /// Waits until tcpdump has read the packets that were `sent` on the interface: all are there, or
    /// none has come for a while, or `limit` is over.
    pub async fn settle(&self, sent: Sent, station: &Station, limit: Duration) {
        let deadline = Instant::now() + limit;
        self.lock().sent = Some(sent);
        let mut last = (Counts::default(), Instant::now());
        while Instant::now() < deadline && !self.0.finish.is_cancelled() {
            let before = self.lock().answers;
            self.ask(station);
            sleep(ASK).await;
            let (answers, counts) = {
                let state = self.lock();
                (state.answers, state.counts())
            };
            if counts.captured + counts.dropped == sent.packets {
                return;
            }
            if answers == before || counts != last.0 {
                last = (counts, Instant::now());
            } else if last.1.elapsed() >= QUIET {
                return;
            }
        }
    }

    /// Waits until the capture has ended, or [`Capture::finish`] was called.
    pub async fn finished(&self) {
        self.0.finish.cancelled().await;
    }

    /// Ends the capture; the station goes on.
    pub fn finish(&self) {
        self.0.finish.cancel();
    }

    /// Kills tcpdump: the process is about to exit.
    pub fn kill(&self) {
        self.0.tcpdump.signal(Signal::KILL);
    }

    /// tcpdump's counters as far as it has reported them.
    pub fn counts(&self) -> Counts {
        self.lock().counts()
    }

    /// What has become of the packets so far; `station` is that of [`Capture::run`].
    pub fn ledger(&self, station: &Station) -> Ledger {
        let state = self.lock();
        let outputs = station.lanes().iter().map(|lane| Output {
            name: lane.name().to_owned(),
            counters: lane.counters(),
            delay: lane.latency(),
        });
        Ledger {
            sent: state.sent,
            counts: state.counts(),
            runs: state.runs,
            uncounted: state.uncounted,
            loopback: matches!(state.interface.as_deref(), Some("lo" | "lo0")),
            printed: station.progress().records(),
            outputs: outputs.collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
