//! The time of day, as records have it: nanoseconds since 1970 UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// An instant of the system's clock; `None` before 1970, and after 2262.
pub fn nanoseconds(time: SystemTime) -> Option<i64> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

/// This instant; 1970 where the clock stands before it, or after 2262.
pub fn now() -> i64 {
    nanoseconds(SystemTime::now()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_instant_is_nanoseconds() {
        let at = UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_001);
        assert_eq!(nanoseconds(at), Some(1_700_000_000_000_001_000));
        assert_eq!(nanoseconds(UNIX_EPOCH - Duration::from_nanos(100)), None);
        assert!(now() > 1_700_000_000_000_000_000);
    }
}
