//! The command line: subcommands, the options that they share, and exit codes.

mod address;
mod amount;
#[cfg(unix)]
mod capture;
mod check;
mod columns;
mod completions;
mod connect;
#[cfg(feature = "kafka")]
mod consume;
#[cfg(not(feature = "kafka"))]
#[path = "consume/absent.rs"]
mod consume;
mod cql;
mod demo;
mod door;
mod explain;
mod heartbeat;
mod listen;
mod log;
mod man;
mod namespace;
mod origins;
mod paint;
mod parse;
mod query;
mod read;
mod records;
mod relay;
mod replay;
mod report;
mod rows;
mod runtime;
mod same;
mod schema;
mod serve;
mod signals;
mod status;
mod table;
mod tls;
mod visible;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anstream::AutoStream;
use anstream::stream::RawStream;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use dumpstream::NamespaceError;
use dumpstream_flow::causes::causes;
use dumpstream_flow::run::Error;

use self::paint::Paint;

/// Turn tcpdump's text into typed packet records, stored and queried live
///
/// tcpdump prints packets, netcat carries the text, dumpstream parses, stores and queries it:
///
///     dumpstream listen -k 4444
///     sudo tcpdump -i any -nn -v -l 'not port 4444' | nc 127.0.0.1 4444
///     dumpstream query "SELECT source, count(*) FROM packets GROUP BY 1"
#[derive(Debug, Parser)]
#[command(
    name = "dumpstream",
    version,
    verbatim_doc_comment,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    manner: Manner,
}

#[derive(Debug, Subcommand)]
enum Command {
    Parse(parse::Parse),
    Listen(listen::Listen),
    Connect(connect::Connect),
    Consume(consume::Consume),
    Serve(serve::Serve),
    Relay(relay::Relay),
    #[cfg(unix)]
    Capture(capture::CaptureCommand),
    Replay(replay::Replay),
    Heartbeat(heartbeat::HeartbeatCommand),
    Query(query::Query),
    Read(read::Read),
    Explain(explain::Explain),
    Check(check::Check),
    Schema(schema::Schema),
    Namespace(namespace::Names),
    Demo(demo::Demo),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Verbosity and colours; the same for every subcommand.
#[derive(Args, Clone, Copy, Debug)]
struct Manner {
    /// Print errors only.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Print the report and log connections (repeat for more).
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// When to use colours; `auto` means on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
}

impl Manner {
    /// The colours of a stream: `auto` as clap's own output has them.
    fn paint(self, stream: &impl RawStream) -> Paint {
        Paint(match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => AutoStream::choice(stream) != anstream::ColorChoice::Never,
        })
    }

    /// Whether standard error is a terminal on which a line may be redrawn.
    fn live(self) -> bool {
        !self.quiet
            && io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
    }
}

/// How a subcommand ended, if not with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Success, also after a signal and a clean drain, or when the reader of standard output closes
    /// it.
    Done,
    /// A sink failed, or a source in mid-stream; the message is already printed.
    Failed,
    /// The drain time-out was hit; the report says how many packets were not written.
    Undrained,
    /// A signal interrupted a query or a read; the output is incomplete.
    Interrupted,
    /// The message is already printed; exit with this code.
    Said(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Undrained => 5,
            Exit::Interrupted => 130,
            Exit::Said(code) => code,
        })
    }
}

/// A usage error: exit 2. The text names the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

impl Usage {
    fn new(text: impl Into<String>) -> Usage {
        Usage(text.into())
    }
}

/// How long standard error may accept nothing before the last messages are given up.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The whole program.
fn main() -> ExitCode {
    let cli = match typed() {
        Ok(cli) => cli,
        Err(e) => {
            say_typed(&e);
            return match e.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(2),
            };
        }
    };
    let manner = cli.manner;
    logs(manner);
    let done = match cli.command {
        Command::Parse(parse) => parse.run(manner),
        Command::Listen(listen) => listen.run(manner),
        Command::Connect(connect) => connect.run(manner),
        Command::Consume(consume) => consume.run(manner),
        Command::Serve(serve) => serve.run(manner),
        Command::Relay(relay) => relay.run(manner),
        #[cfg(unix)]
        Command::Capture(capture) => capture.run(manner),
        Command::Replay(replay) => replay.run(manner),
        Command::Heartbeat(heartbeat) => heartbeat.run(manner),
        Command::Query(query) => query.run(manner),
        Command::Read(read) => read.run(manner),
        Command::Explain(explain) => explain.run(manner),
        Command::Check(check) => check.run(manner),
        Command::Schema(schema) => schema.run(manner),
        Command::Namespace(names) => names.run(manner),
        Command::Demo(demo) => demo.run(manner),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    };
    let code = match done {
        Ok(exit) => exit.into(),
        // `| head -1` has what it wanted.
        Err(e) if closed_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            say_error(manner, &e);
            ExitCode::from(code(&e))
        }
    };
    log::flush(LAST_WORDS);
    code
}

/// Reads the command line. `--color` also applies to clap's own output, so it is looked for first.
fn typed() -> Result<Cli, clap::Error> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.iter().any(|a| a == "query") {
        arguments.iter_mut().for_each(query::hide_comment);
    }
    if arguments.get(1).is_some_and(|a| a == "relay") {
        relay::quit_as_nc(&mut arguments);
    }
    let after = |i: usize| arguments.get(i + 1).and_then(|a| a.to_str());
    let color = arguments
        .iter()
        .enumerate()
        .find_map(|(i, a)| match a.to_str()? {
            "--color" => after(i),
            a => a.strip_prefix("--color="),
        });
    let color = color
        .and_then(|c| c.parse().ok())
        .unwrap_or(ColorChoice::Auto);
    let matches = Cli::command()
        .color(color)
        .try_get_matches_from(arguments)
        .map_err(hidden)?;
    Cli::from_arg_matches(&matches)
}

/// Removes the URL of a cluster from an error, because it may contain a password. What is wrong
/// with the URL is reported without it.
fn hidden(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
        && let Some((scheme @ ("cassandra" | "kafka"), _)) = value.split_once(':')
    {
        let hidden = ContextValue::String(format!("{scheme}:…"));
        error.insert(ContextKind::InvalidValue, hidden);
    }
    error
}

/// Prints what clap reports: help, or a usage error, which quotes what was typed.
fn say_typed(error: &clap::Error) {
    let acts = |a: std::ffi::OsString| {
        let text = a.to_string_lossy();
        // Lossy: bytes that are not UTF-8 are replaced.
        matches!(visible::line(&text), Cow::Owned(_)) || text.contains('\u{fffd}')
    };
    // When standard error is closed, nothing can be printed.
    if std::env::args_os().any(acts) {
        // clap's colours could not be told apart from escapes that were typed.
        let plain = error.render().to_string();
        drop(status::Stderr.write_all(visible::lines(&plain).as_bytes()));
    } else {
        drop(error.print());
    }
}

/// The exit code of a failure.
fn code(error: &anyhow::Error) -> u8 {
    let wrong = error.chain().any(|e| {
        e.is::<Usage>()
            || e.is::<NamespaceError>()
            || e.downcast_ref()
                .is_some_and(|e: &Error| e.is_usage() || matches!(e, Error::AsciiText { .. }))
    });
    if wrong { 2 } else { 1 }
}

fn closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|e| {
        e.downcast_ref::<Stdout>()
            .is_some_and(|Stdout(e)| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Standard output cannot be written to. This is not an `io::Error`, so that the broken pipe of a
/// socket is not taken for it.
#[derive(Debug, thiserror::Error)]
#[error("standard output")]
struct Stdout(#[source] io::Error);

/// Prints an error on standard error, escaped for a terminal.
fn say_error(manner: Manner, error: &anyhow::Error) {
    let program = manner.paint(&io::stderr()).bad("dumpstream:");
    let mut text = causes(error.as_ref());
    if let Some(wrong) = error.downcast_ref::<namespace::Wrong>() {
        text += &format!("\n{}", wrong.remedy());
    }
    say(&format!("{program} {}", visible::lines(&text)));
}

/// Prints a line on standard error. The caller escapes the text.
fn say(text: &str) {
    // One write, so that lines of several threads do not mix. It never fails.
    drop(status::Stderr.write_all(format!("{text}\n").as_bytes()));
}

/// Sets up the log: warnings, and more with `-v`. tracing-subscriber escapes control characters
/// itself (since 0.3.20).
fn logs(manner: Manner) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    // The drivers of Cassandra and Kafka log their own work for people who debug it; the sinks report
    // what users need to know.
    let (level, driver) = match (manner.quiet, manner.verbose) {
        (true, _) => (LevelFilter::ERROR, LevelFilter::OFF),
        (_, 0) => (LevelFilter::WARN, LevelFilter::OFF),
        (_, 1) => (LevelFilter::DEBUG, LevelFilter::WARN),
        (_, _) => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(status::Stderr)
        .with_ansi(manner.paint(&io::stderr()).0)
        .with_target(false)
        // These errors would also go to standard error by `eprintln!`, which panics when that is
        // closed.
        .log_internal_errors(false);
    tracing_subscriber::registry()
        .with(lines)
        .with(
            Targets::new()
                .with_default(level)
                .with_target("scylla", driver)
                .with_target("rdkafka", driver),
        )
        .init();
}
