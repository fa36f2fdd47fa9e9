//! Lines that are hard for a pattern.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::hir;

/// Lines of `len` bytes that are hard for a pattern; none if it is none.
pub(crate) fn worst_lines(pattern: &str, len: usize) -> Vec<Vec<u8>> {
    let Some(hir) = hir(pattern) else {
        return Vec::new();
    };
    let mut bytes = Vec::new();
    alphabet(&hir, &mut bytes);
    bytes.sort_unstable();
    bytes.dedup();
    bytes.retain(|byte| *byte != b'\n');
    let mut lines = Vec::new();
    // One character again and again.
    for byte in bytes.iter().take(MOST_LETTERS) {
        lines.push(vec![*byte; len]);
    }
    // All characters that make a difference to it, mixed; and without the one that it ends with, so
    // that no match ends the search.
    let mut once = Vec::new();
    example(&hir, 1, &mut once);
    once.truncate(len);
    let mixed = |bytes: &[u8]| -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes[(state >> 33) as usize % bytes.len()]
        };
        (0..len).map(|_| next()).collect()
    };
    let endless: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|byte| Some(byte) != once.last())
        .collect();
    for bytes in [&bytes, &endless] {
        if !bytes.is_empty() {
            lines.push(mixed(bytes));
        }
    }
    // What it almost matches, and what it matches all along.
    if once.len() > 1 {
        let almost = &once[..once.len() - 1];
        lines.push(almost.iter().copied().cycle().take(len).collect());
    }
    // The more there is to repeat, the less often each is: halve until it fits.
    let mut times = len;
    loop {
        let mut whole = Vec::new();
        if example(&hir, times, &mut whole) && whole.len() <= len {
            lines.push(whole);
            break;
        }
        if times <= 1 {
            break;
        }
        times /= 2;
    }
    lines
}

/// Lines of one character each are tried for so many.
const MOST_LETTERS: usize = 4;
/// An example longer than any line that is asked for is not finished.
const LONGEST_EXAMPLE: usize = 1 << 20;

/// Characters that a pattern tells apart: its literals, and one of each range of its classes.
fn alphabet(hir: &Hir, out: &mut Vec<u8>) {
    match hir.kind() {
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(_) => {
            let mut one = Vec::new();
            example(hir, 1, &mut one);
            out.extend(one);
            // A second character of it, which others may tell from the first.
            if let HirKind::Class(Class::Bytes(class)) = hir.kind() {
                let ends = class.iter().map(|range| range.end());
                out.extend(ends.filter(u8::is_ascii_graphic).last());
            }
        }
        kind => kind.subs().iter().for_each(|sub| alphabet(sub, out)),
    }
}

/// A text that a pattern matches, with each endless repetition `times` times; `false` where it
/// grew too long to be finished.
fn example(hir: &Hir, times: usize, out: &mut Vec<u8>) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => {
            out.extend_from_slice(&literal.0);
            out.len() < LONGEST_EXAMPLE
        }
        HirKind::Class(class) => {
            let letter = |from: u32, to: u32| {
                // One that can be read, if there is one.
                let printed = from.max(u32::from(b' '))..=to.min(u32::from(b'~'));
                printed
                    .clone()
                    .find(|c| (*c as u8).is_ascii_alphanumeric())
                    .or(printed.clone().next())
                    .unwrap_or(from) as u8
            };
            let byte = match class {
                Class::Bytes(class) => {
                    let ranges = class
                        .iter()
                        .map(|r| letter(r.start().into(), r.end().into()));
                    ranges.max_by_key(u8::is_ascii_alphanumeric)
                }
                Class::Unicode(class) => {
                    let ranges = class
                        .iter()
                        .map(|r| letter(r.start().into(), r.end().into()));
                    ranges.max_by_key(u8::is_ascii_alphanumeric)
                }
            };
            out.extend(byte);
            out.len() < LONGEST_EXAMPLE
        }
        HirKind::Capture(capture) => example(&capture.sub, times, out),
        HirKind::Concat(subs) => subs.iter().all(|sub| example(sub, times, out)),
        // The last is what the others were tried before.
        HirKind::Alternation(subs) => subs.last().is_none_or(|sub| example(sub, times, out)),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.map_or(times, |most| most as usize);
            let times_here = times.min(most).max(repetition.min as usize);
            for _ in 0..times_here {
                let before = out.len();
                if !example(&repetition.sub, times, out) {
                    return false;
                }
                // What takes no text need not be done again.
                if out.len() == before {
                    break;
                }
            }
            true
        }
    }
}
