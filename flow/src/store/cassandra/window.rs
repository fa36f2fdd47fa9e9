//! The compaction's window.

/// Number of compaction windows during the life of rows: fewer than the recommended limit of 50.
const WINDOWS: u64 = 30;

/// The compaction window if rows live for ever, in minutes: a week, 52 files a year.
const ENDLESS_WINDOW: u64 = 7 * 24 * 60;

/// The compaction window: a thirtieth of the rows' life, in whole units.
pub(super) fn window(ttl: u64) -> (u64, &'static str) {
    let minutes = match ttl {
        0 => ENDLESS_WINDOW,
        ttl => ttl.div_ceil(60 * WINDOWS),
    };
    match minutes {
        0..60 => (minutes, "MINUTES"),
        60..1440 => (minutes.div_ceil(60), "HOURS"),
        _ => (minutes.div_ceil(1440), "DAYS"),
    }
}
