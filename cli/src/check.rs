//! `dumpstream check`: finds errors and slow patterns in a namespace, and measures what it finds in
//! a sample.

mod coverage;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use dumpstream::framing::Batches;
use dumpstream::{BUILT_IN, Field, Namespace, NamespaceError, Parser};
use dumpstream_flow::input::Input;

use self::coverage::{Coverage, Least, Withheld};
use super::paint::Paint;
use super::{Exit, Manner, Usage, namespace, visible};

/// Length of the line that patterns are timed on. Longer lines occur only in dumps of payload.
const WORST_LINE: usize = 16 << 10;
/// A pattern that takes longer than this for such a line gets a warning. At that time (8 MB/s), a
/// single pattern slows a stream to the speed of netcat on a poor link.
const SLOW: Duration = Duration::from_millis(2);
/// How often a slow line is timed. The quickest run counts, because the machine may be busy.
const TIMES: usize = 3;

/// Check a namespace for errors and slow patterns, and show what it finds in a sample
///
///     dumpstream check mine.json
///     dumpstream check mine.json --sample monday.txt --min-coverage 99
///     dumpstream check mine.json --sample monday.txt --min-coverage ttl=95 --min-coverage sni=30
///
/// Exit codes: 0 no errors, 2 errors, 3 below --min-coverage. With --quiet only problems are
/// printed.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Check {
    /// Namespace file [default: the built-in packet_parse.json].
    namespace: Option<PathBuf>,
    /// File of tcpdump text to try the namespace on; - is standard input. Repeatable.
    #[arg(short, long, value_name = "FILE")]
    sample: Vec<PathBuf>,
    /// Exit 3 if fewer records have a protocol. With NAME, exit 3 if the field has a value in fewer
    /// of the records that have its part. Repeatable.
    #[arg(short, long, value_name = "[NAME=]PERCENT", requires = "sample")]
    min_coverage: Vec<Least>,
    /// Keep the decoder's text (`info`) also for protocols that may print credentials; by default
    /// it is withheld.
    #[arg(long, requires = "sample")]
    keep_info: bool,
}

impl Check {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        let paint = manner.paint(&io::stdout());
        let (name, text) = match &self.namespace {
            None => (
                "packet_parse.json (built in)".to_owned(),
                BUILT_IN.to_owned(),
            ),
            Some(file) => (file.display().to_string(), namespace::text(file)?),
        };
        let name = visible::line(&name).into_owned();
        let mut report = Report {
            name: &name,
            paint,
            out: String::new(),
            warnings: 0,
        };
        let names = match Namespace::check(&text) {
            Ok(names) => names,
            Err(errors) => {
                for error in &errors {
                    report.error(error);
                }
                report.say(format_args!("{name}: {}", count(errors.len(), "error")));
                namespace::print(&report.out)?;
                return Ok(Exit::Said(2));
            }
        };
        for warning in names.warnings() {
            report.warn(&format!("{name}: "), warning);
        }
        for doubt in names.doubts() {
            report.doubt(&doubt);
        }
        for field in &names.fields {
            if let Some(slow) = slow(field) {
                report.slow(field, slow);
            }
        }
        for least in &self.min_coverage {
            least.known(&names)?;
        }
        report.say(format_args!(
            "{name}: {}, {}, no errors, {}",
            count(names.columns().len(), "field"),
            match names.fields.len() {
                1 => "1 entry".to_owned(),
                n => format!("{n} entries"),
            },
            count(report.warnings, "warning"),
        ));
        let mut out = match manner.quiet {
            true => String::new(),
            false => report.out,
        };
        let mut exit = Exit::Done;
        if !self.sample.is_empty() {
            let mut parser = Parser::new(names.clone())?;
            if self.keep_info {
                parser = parser.keep_info();
            }
            let mut coverage = Coverage::new(&names);
            let withheld = (!self.keep_info).then(Withheld::new).transpose()?;
            for file in &self.sample {
                let named = || file.display().to_string();
                let text = input(file).with_context(named)?;
                for batch in Batches::new(text) {
                    let batch = batch.with_context(named)?;
                    if let Some(withheld) = &withheld {
                        coverage.withheld += withheld.of(&batch);
                    }
                    coverage.add(&parser.parse(batch));
                }
            }
            if !manner.quiet {
                out.push_str(&coverage.table(paint));
            }
            if coverage.records() == 0 {
                return Err(Usage::new(
                    "the sample has no records: give text that tcpdump printed",
                )
                .into());
            }
            for least in &self.min_coverage {
                if let Some(failure) = coverage.below(least) {
                    out.push_str(&format!("{}: {failure}\n", paint.bad("below")));
                    exit = Exit::Said(3);
                }
            }
        }
        namespace::print(&out)?;
        Ok(exit)
    }
}

fn input(file: &Path) -> io::Result<Box<dyn io::Read + Send>> {
    match file == Path::new("-") {
        true => Input::stdin()?.text(),
        false => Input::open(file, |file, _| Box::new(file))?.text(),
    }
}

fn count(n: usize, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {what}{s}")
}

/// Returns the time that a pattern takes for its hardest line, if that is above [`SLOW`].
fn slow(field: &Field) -> Option<Duration> {
    let mut search = field.matcher().expect("the pattern was compiled before");
    let lines = field.worst_lines(WORST_LINE);
    let mut time = |line: &[u8]| {
        let start = Instant::now();
        std::hint::black_box(search(std::hint::black_box(line)));
        start.elapsed()
    };
    lines
        .iter()
        .filter_map(|line| {
            let mut best = Duration::MAX;
            for _ in 0..TIMES {
                best = best.min(time(line));
                if best <= SLOW {
                    return None;
                }
            }
            Some(best)
        })
        .max()
}

/// The report on the namespace itself.
struct Report<'a> {
    name: &'a str,
    paint: Paint,
    out: String,
    warnings: usize,
}

impl Report<'_> {
    fn say(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.push_str(&format!("{text}\n"));
    }

    fn error(&mut self, error: &NamespaceError) {
        self.placed(self.paint.bad("error").into_owned(), error);
    }

    fn doubt(&mut self, doubt: &NamespaceError) {
        self.warnings += 1;
        self.placed(self.paint.warn("warning").into_owned(), doubt);
    }

    fn placed(&mut self, word: String, error: &NamespaceError) {
        let field = match &error.field {
            Some(field) => format!("field {field:?}: "),
            None => String::new(),
        };
        let what = format!("{field}{}", error.what());
        let what = visible::lines(&what).into_owned();
        match &error.position {
            Some(at) => {
                let place = format!("{}:{}:{}", self.name, at.line, at.column);
                let excerpt = at.excerpt();
                self.say(format_args!("{place}: {word}: {what}\n{excerpt}"));
            }
            None => {
                let name = self.name;
                self.say(format_args!("{name}: {word}: {what}"));
            }
        }
    }

    fn warn(&mut self, place: &str, what: &str) {
        self.warnings += 1;
        let word = self.paint.warn("warning").into_owned();
        let what = visible::line(what).into_owned();
        self.say(format_args!("{place}{word}: {what}"));
    }

    fn slow(&mut self, field: &Field, time: Duration) {
        let place = match field.position() {
            Some(at) => format!("{}:{}:{}: ", self.name, at.line, at.column),
            None => format!("{}: ", self.name),
        };
        let what = format!(
            "field {:?}: slow: takes {:.1} ms for its hardest line of {} KiB; make the pattern \
             narrower, or anchor it with ^",
            field.name,
            time.as_secs_f64() * 1e3,
            WORST_LINE >> 10,
        );
        self.warn(&place, &what);
    }
}
