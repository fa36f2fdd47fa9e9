//! What is said at the end, and on SIGUSR1: the lines that tcpdump's habit asks for.

use std::fmt::Display;

use dumpstream::{Counters, Progress, Summary};

use super::pipeline::Pipeline;
use super::{Exit, amount, visible};

/// The closing report of a run, without a line feed at the end; `undrained` packets were not
/// written when the time for it was over.
pub(super) fn closing(pipeline: &Pipeline, figures: &impl Display, undrained: u64) -> String {
    let mut text = figures.to_string();
    lanes(&mut text, pipeline);
    if undrained > 0 {
        text += &format!("\n{undrained} packets not written when --drain-timeout was over");
    }
    text += &format!("\nstamps read in {}", pipeline.zone());
    visible::lines(&text).into_owned()
}

/// The same of a run that goes on.
pub(super) fn passing(pipeline: &Pipeline, live: &Progress) -> String {
    let mut text = live.to_string();
    lanes(&mut text, pipeline);
    visible::lines(&text).into_owned()
}

fn lanes(text: &mut String, pipeline: &Pipeline) {
    let mut more = String::new();
    for (name, counters) in pipeline.counters() {
        *text += &format!("\n{}", written(name, &counters, pipeline.replace));
        let mut line = |n: u64, what: &str| {
            *text += &format!("\n{} {what} {name}", packets(n));
        };
        if counters.queued > 0 {
            line(counters.queued, "queued for");
        }
        if counters.rejected > 0 {
            line(counters.rejected, "rejected by");
        }
        if counters.dropped > 0 {
            line(counters.dropped, "dropped by");
        }
        // Of a single sink the figures above say it.
        if !counters.stalled.is_zero() && pipeline.lanes.len() > 1 {
            more += &format!("\n{} waited for {name}", amount::time(counters.stalled));
        }
        if let Some(error) = &counters.error {
            // The lane's error names its sink.
            more += &format!("\n{error}");
        }
    }
    let rejects = &pipeline.rejects;
    if let Some(file) = pipeline
        .rejects_file
        .as_ref()
        .filter(|_| rejects.kept() > 0)
    {
        let records = if rejects.kept() == 1 {
            "record"
        } else {
            "records"
        };
        *text += &format!("\n{} {records} kept in {}", rejects.kept(), file.display());
    }
    if let Some(error) = rejects.error() {
        *text += &format!("\n{} rejects not kept: {error}", rejects.lost());
    }
    *text += &more;
}

/// The last word of a run that is ended at once: what the sinks did not get.
pub(super) fn given_up(pipeline: &Pipeline) -> String {
    let queued = pipeline.counters().filter(|(_, c)| c.queued > 0);
    let queued: Vec<_> = queued
        .map(|(name, c)| format!("{} not written to {name}", packets(c.queued)))
        .collect();
    let what = match queued.is_empty() {
        true => "no packet was queued".to_owned(),
        false => queued.join(", "),
    };
    visible::lines(&format!("ended at once: {what}")).into_owned()
}

fn packets(n: u64) -> String {
    format!("{n} {}", if n == 1 { "packet" } else { "packets" })
}

/// What a sink has of a run, and how much of that it had before.
fn written(name: &str, counters: &Counters, replace: bool) -> String {
    let mut line = format!("{} written to {name}", packets(counters.delivered));
    if counters.present > 0 {
        line += &format!(", {} of them there before", counters.present);
        if !replace {
            line += "; --replace rewrites them";
        }
    }
    line
}

/// The lines of sinks that had rows before: whoever parses again should know that nothing changed.
pub(super) fn present(pipeline: &Pipeline) -> Option<String> {
    let lines = pipeline.counters().filter(|(_, c)| c.present > 0);
    let lines: Vec<_> = lines
        .map(|(name, c)| written(name, &c, pipeline.replace))
        .collect();
    (!lines.is_empty()).then(|| visible::lines(&lines.join("\n")).into_owned())
}

/// Whether every packet was parsed and written, and every byte belonged to one.
pub(super) fn perfect(pipeline: &Pipeline, summary: &Summary) -> bool {
    let whole = summary.skipped.total() == summary.skipped.empty
        && summary.refused == 0
        && summary.unparsed == 0
        && summary.truncated == 0
        && summary.misfits == 0
        && summary.names == 0
        && summary.own == 0
        && summary.lost == 0
        && summary.suspect == 0;
    whole
        && pipeline
            .counters()
            .all(|(_, c)| c.rejected == 0 && c.dropped == 0 && c.error.is_none())
}

/// Whether every sink ended because the reader of its output left: `| head -1`.
pub(super) fn reader_left(pipeline: &Pipeline) -> bool {
    pipeline.counters().all(|(_, c)| c.reader_gone)
}

/// The exit code that the lanes ask for.
///
/// # Errors
/// A lane whose figures do not add up: a bug of ours.
pub(super) fn exit(pipeline: &Pipeline, undrained: u64) -> anyhow::Result<Exit> {
    let mut exit = if undrained > 0 {
        Exit::Undrained
    } else {
        Exit::Done
    };
    if exit == Exit::Done && pipeline.rejects.lost() > 0 {
        exit = Exit::Failed;
    }
    for (name, counters) in pipeline.counters() {
        if let Err(reason) = counters.verify() {
            anyhow::bail!("the figures of {name} do not add up, please report this: {reason}");
        }
        if exit == Exit::Done && counters.error.is_some() && !counters.reader_gone {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}
