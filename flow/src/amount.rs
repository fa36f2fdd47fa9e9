//! Parses amounts as people type them: `64K`, `1GiB`, `250ms`, `5s`, `1h30m`.
//!
//! Times are not jiff's friendly durations, which do not take `1.5d` or a number alone, and whose
//! errors do not name the units.

use std::time::Duration;

/// Parses a size in bytes: a number and a unit. `K M G T` and `KiB MiB GiB TiB` are powers of
/// 1024, `kB MB GB TB` powers of 1000; without a unit it is bytes.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    let number = number_of(number, text)?;
    let unit: f64 = match unit {
        "" | "B" => 1.0,
        "k" | "K" | "KiB" => 1024.0,
        "kB" | "KB" => 1e3,
        "m" | "M" | "MiB" => 1024.0 * 1024.0,
        "MB" => 1e6,
        "g" | "G" | "GiB" => 1024.0 * 1024.0 * 1024.0,
        "GB" => 1e9,
        "t" | "T" | "TiB" => 1024f64.powi(4),
        "TB" => 1e12,
        _ => {
            return Err(format!(
                "{unit:?} is not a unit of size: use K, M, G, T, kB, MB, GB, TB"
            ));
        }
    };
    let bytes = number * unit;
    // Below 2^53 a double holds every integer, and no buffer is that large.
    if bytes >= (1u64 << 53) as f64 {
        return Err(format!("{text} is too large"));
    }
    Ok(bytes as usize)
}

/// Parses a time: a number and a unit, or several of them, `1h30m`. Without a unit it is seconds, as
/// in `nc -w 5`.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (mut seconds, mut rest) = (0.0, text);
    loop {
        let (number, behind) = split(rest);
        let number = number_of(number, text)?;
        // The next number ends the unit.
        let end = behind.find(|c: char| c.is_ascii_digit());
        let (unit, more) = behind.split_at(end.unwrap_or(behind.len()));
        seconds += number
            * match unit.trim_end() {
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                // Behind another amount it may be anything.
                "" if rest.len() == text.len() => 1.0,
                "s" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                unit => {
                    return Err(format!(
                        "{unit:?} is not a unit of time: use us, ms, s, m, h, d"
                    ));
                }
            };
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    // A hundred years; tokio's clock cannot represent much more.
    if seconds > 100.0 * 366.0 * 86_400.0 {
        return Err(format!("{text} is too long"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn number_of(number: &str, text: &str) -> Result<f64, String> {
    match number.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        _ => Err(format!("{text:?} does not begin with a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("64K"), Ok(65_536));
        assert_eq!(size("1.5 KiB"), Ok(1536));
        assert_eq!(size("100MB"), Ok(100_000_000));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("100TB"), Ok(100_000_000_000_000));
        assert_eq!(size("1T"), Ok(1 << 40));
        for wrong in ["", "K", "-1", "1Q", "1e9", "99999999999999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("1d 12h"), Ok(Duration::from_secs(36 * 3600)));
        for wrong in [
            "",
            "s",
            "1h30",
            "1h parsecs",
            "1hm",
            "1h-1m",
            "5 parsecs",
            "-1s",
            "999999999999d",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
