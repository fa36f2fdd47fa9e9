//! An error and its causes, as one line for people.

use std::error::Error;

/// An error and its causes in one line; what a cause says already is not said twice.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: io::Error,
    }

    #[test]
    fn nothing_is_said_twice() {
        let line = |text| {
            let source = io::Error::other("no room");
            causes(&Layer { text, source })
        };
        assert_eq!(line("write"), "write: no room");
        assert_eq!(line("write: no room"), "write: no room");
    }
}
