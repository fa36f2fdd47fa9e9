//! A real Cassandra, of one node and of three: what is promised of the sink, and of what comes
//! back.
//!
//! They start nodes, and take minutes and memory: so only with `CI=true`, or when they are asked for
//! with `DUMPSTREAM_CASSANDRA=1`; elsewhere they are reported as ignored (`given/src/trial.rs`).
//! `DUMPSTREAM_CASSANDRA_ROWS` (default 60,000) and `DUMPSTREAM_CASSANDRA_FAULTS` (default 6) say how
//! much the tests of load do.

mod ask;
mod flow;
mod heartbeat;
mod load;
#[path = "../tools/namespace.rs"]
#[allow(dead_code, reason = "the tests of the tools use more of it")]
mod namespace;
mod node;
#[path = "../cli/program.rs"]
#[allow(dead_code, reason = "the tests of the command line use more of it")]
mod program;
mod proxy;
mod reading;
mod store;
mod text;
mod three;

use std::process::ExitCode;
use std::time::Duration;

use given::tool;
use libtest_mimic::{Arguments, Trial};

use crate::namespace::namespaces;

/// A program that waits for a cluster waits for ever. A million rows and twenty faults take less than
/// half of this.
const LONGEST: Duration = Duration::from_secs(900);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share one cluster, and this machine has no room for two.
    arguments.test_threads = Some(1);
    let trials: Vec<(&str, fn())> = vec![
        ("everything_comes_back", store::everything_comes_back),
        ("a_range_comes_back", store::a_range_comes_back),
        ("streams_of_equal_times", reading::streams_of_equal_times),
        ("nobody_answers", reading::nobody_answers),
        ("what_lacks", reading::what_lacks),
        ("memory_of_a_read", reading::memory_of_a_read),
        ("interrupted", reading::interrupted),
        (
            "a_statement_that_takes_its_time",
            reading::a_statement_that_takes_its_time,
        ),
        ("a_record_that_was_cut", store::a_record_that_was_cut),
        ("the_printed_schema", store::the_printed_schema),
        (
            "what_is_missing_is_waited_for",
            store::what_is_missing_is_waited_for,
        ),
        (
            "a_table_that_lacks_columns",
            store::a_table_that_lacks_columns,
        ),
        ("a_second_table_later", store::a_second_table_later),
        ("a_table_of_other_columns", store::a_table_of_other_columns),
        ("a_table_that_goes_away", store::a_table_that_goes_away),
        (
            "a_cluster_that_never_comes",
            store::a_cluster_that_never_comes,
        ),
        ("heartbeats", heartbeat::heartbeats),
        ("queries", store::queries),
        ("the_page_of_worked_cql", store::the_page_of_worked_cql),
        ("rows_that_are_refused", load::rows_that_are_refused),
        ("replay_changes_nothing", load::replay_changes_nothing),
        ("killed_and_parsed_again", load::killed_and_parsed_again),
        ("memory_is_flat", load::memory_is_flat),
        ("a_password", store::a_password),
        ("tls", store::tls),
        (
            "every_error_of_the_server",
            proxy::every_error_of_the_server,
        ),
        ("a_table_that_takes_none", proxy::a_table_that_takes_none),
        (
            "a_row_that_a_node_cannot_handle",
            proxy::a_row_that_a_node_cannot_handle,
        ),
        ("frames_that_are_dropped", proxy::frames_that_are_dropped),
        ("connections_that_are_cut", proxy::connections_that_are_cut),
        (
            "statements_are_of_a_fixed_list",
            proxy::statements_are_of_a_fixed_list,
        ),
        ("one_node_at_a_time", three::one_node_at_a_time),
        ("without_own_retries", three::without_own_retries),
        ("two_nodes_down", three::two_nodes_down),
    ];
    let listing = arguments.list;
    let trials = trials.into_iter();
    let trials = trials.map(|(name, test)| trial(name, listing, &[], test));
    let mut trials: Vec<_> = trials.collect();
    let tools = ["tcpdump", "tcpreplay", "nc", "ip"].map(tool);
    let needs = [&tools[..], &[namespaces()]].concat();
    let flow = trial("the_whole_flow", listing, &needs, flow::the_whole_flow);
    trials.insert(0, flow);
    let conclusion = libtest_mimic::run(&arguments, trials);
    node::stop_all();
    conclusion.exit_code()
}

fn trial(name: &'static str, listing: bool, needs: &[Result<(), String>], test: fn()) -> Trial {
    let available = match listing {
        true => Ok(()),
        false if !given::asked("DUMPSTREAM_CASSANDRA") => {
            Err("DUMPSTREAM_CASSANDRA=1 starts real nodes".to_owned())
        }
        false => node::available(),
    };
    let needs = [&[available], needs].concat();
    given::watched(name, &needs, (LONGEST, node::stop_all), test)
}

/// How many rows the tests of load write.
pub(crate) fn rows() -> u64 {
    given::amount("DUMPSTREAM_CASSANDRA_ROWS", 60_000)
}

/// How many faults nodes suffer.
pub(crate) fn faults() -> u64 {
    given::amount("DUMPSTREAM_CASSANDRA_FAULTS", 6)
}
