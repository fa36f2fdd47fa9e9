//! A real Kafka, of one broker and of three: what is promised of the topics that are written.
//!
//! They start brokers, and take minutes and memory: so only with `CI=true`, or when they are asked
//! for with `DUMPSTREAM_KAFKA=1`; elsewhere they are reported as ignored (`given/src/trial.rs`).
//! `DUMPSTREAM_KAFKA_RECORDS` (default 100,000) and `DUMPSTREAM_KAFKA_FAULTS` (default 6) say how
//! much the tests of load do.

mod broker;
mod consume;
mod load;
#[path = "../cassandra/node.rs"]
#[allow(dead_code, reason = "the tests of Cassandra use more of it")]
mod node;
mod page;
#[path = "../cli/program.rs"]
#[allow(dead_code, reason = "the tests of the command line use more of it")]
mod program;
mod script;
mod sink;
#[path = "../cassandra/text.rs"]
#[allow(dead_code, reason = "the tests of Cassandra use more of it")]
mod text;

use std::process::ExitCode;
use std::time::Duration;

use given::tool;
use libtest_mimic::{Arguments, Trial};

/// A program that waits for a broker waits for ever. A million records and twenty faults take less
/// than half of this.
const LONGEST: Duration = Duration::from_secs(900);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share one cluster.
    arguments.test_threads = Some(1);
    let trials: Vec<(&str, fn())> = vec![
        ("lines_of_the_console", script::lines_of_the_console),
        ("every_sample", sink::every_sample),
        ("the_console_shows_it", sink::the_console_shows_it),
        ("a_topic_that_is_missing", sink::a_topic_that_is_missing),
        ("a_topic_that_goes_away", sink::a_topic_that_goes_away),
        ("a_broker_that_restarts", sink::a_broker_that_restarts),
        (
            "a_record_that_is_too_large",
            sink::a_record_that_is_too_large,
        ),
        ("a_password_and_tls", sink::a_password_and_tls),
        ("brokers_that_never_come", sink::brokers_that_never_come),
        (
            "the_page_shows_what_is_seen",
            page::the_page_shows_what_is_seen,
        ),
        ("three_brokers", script::three_brokers),
        ("what_the_console_wrote", consume::what_the_console_wrote),
        (
            "lines_in_three_partitions_are_noticed",
            consume::lines_in_three_partitions_are_noticed,
        ),
        (
            "from_the_beginning_again_adds_no_row",
            consume::from_the_beginning_again_adds_no_row,
        ),
        (
            "what_the_brokers_deleted_is_told",
            consume::what_the_brokers_deleted_is_told,
        ),
        (
            "what_is_not_there_yet_is_waited_for",
            consume::what_is_not_there_yet_is_waited_for,
        ),
        (
            "a_wrong_password_ends_it",
            consume::a_wrong_password_ends_it,
        ),
        (
            "all_samples_pass_through_a_topic",
            consume::all_samples_pass_through_a_topic,
        ),
        (
            "a_large_text_passes_through_a_topic",
            consume::a_large_text_passes_through_a_topic,
        ),
        (
            "through_a_topic_into_cassandra",
            consume::through_a_topic_into_cassandra,
        ),
        (
            "killed_at_random_moments",
            consume::killed_at_random_moments,
        ),
        (
            "two_of_a_group_one_of_them_killed",
            consume::two_of_a_group_one_of_them_killed,
        ),
        ("too_few_replicas", sink::too_few_replicas),
        ("replicas_that_are_missing", sink::replicas_that_are_missing),
        ("each_record_once", load::each_record_once),
    ];
    let listing = arguments.list;
    let trials = trials.into_iter();
    let trials = trials.map(|(name, test)| trial(name, listing, test));
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    broker::stop_all();
    node::stop_all();
    conclusion.exit_code()
}

fn trial(name: &'static str, listing: bool, test: fn()) -> Trial {
    let available = match listing {
        true => Ok(()),
        false if !given::asked("DUMPSTREAM_KAFKA") => {
            Err("DUMPSTREAM_KAFKA=1 starts real brokers".to_owned())
        }
        false if name.ends_with("cassandra") => broker::available().and(node::available()),
        false => broker::available(),
    };
    let needs = [available, tool("openssl")];
    given::watched(name, &needs, (LONGEST, broker::stop_all), test)
}
