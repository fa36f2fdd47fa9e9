//! Parses a sink's URL, `SCHEME:PLACE[?PARAMETER=VALUE[&…]]`, and its parameters.
//!
//! Parameters are percent-decoded: `%26` is a `&` within a value. The place is taken unchanged,
//! because most places are file names, which may contain a `%`.
//!
//! The trap: an error repeats the URL, and a URL may contain a password. If a scheme says where
//! passwords belong, a URL with a password is refused before anything else is read, and not
//! repeated.

use super::{OnFull, SinkError};

/// The parameter that every sink takes.
const ON_FULL: &str = "on_full=block|drop";

/// Names of parameters that users may try for a password.
const SECRET: [&str; 3] = ["user", "username", "password"];

/// A sink's URL, read: the place, and the values of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlParts {
    text: String,
    place: String,
    /// Names and values, each name once.
    values: Vec<(String, String)>,
    on_full: Option<OnFull>,
}

impl UrlParts {
    /// Parses `text`. Each of the `known` parameters has the form that help shows, `ttl=7d`;
    /// `secrets` says where a name and a password belong, if the scheme has them.
    ///
    /// # Errors
    /// A parameter is not known, is given twice, or is not percent-encoded.
    pub(crate) fn read(
        text: &str,
        known: &[&str],
        secrets: Option<&str>,
    ) -> Result<UrlParts, SinkError> {
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        let server = rest.starts_with("//");
        let (place, query) = match server {
            true => rest.split_once('?'),
            // The last `?`, so that a file's name may have one: `what?.jsonl?`.
            false => rest.rsplit_once('?'),
        }
        .unwrap_or((rest, ""));
        if let Some(remedy) = secrets {
            open_secrets(scheme, rest, query, remedy)?;
        }
        let mut parts = UrlParts {
            text: text.to_owned(),
            place: place.to_owned(),
            values: Vec::new(),
            on_full: None,
        };
        let takes = || {
            let all: Vec<&str> = [ON_FULL].into_iter().chain(known.iter().copied()).collect();
            all.join(", ")
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (parts.decoded(name)?, parts.decoded(value)?);
            let named = |form: &&str| form.split('=').next() == Some(&name);
            if !named(&ON_FULL) && !known.iter().any(named) {
                let hint = match server || place.is_empty() {
                    true => "",
                    false => " (if the file name contains `?`, add another `?` at the end)",
                };
                return Err(SinkError::UnknownParameter {
                    url: text.to_owned(),
                    parameter: name,
                    known: takes() + hint,
                });
            }
            if parts.get(&name).is_some() {
                return Err(SinkError::RepeatedParameter {
                    url: text.to_owned(),
                    parameter: name,
                    known: takes(),
                });
            }
            parts.values.push((name, value));
        }
        parts.on_full = parts.value("on_full", "block or drop", |value| match value {
            "block" => Some(OnFull::Block),
            "drop" => Some(OnFull::Drop),
            _ => None,
        })?;
        Ok(parts)
    }

    /// The URL as it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text between the colon and the parameters: a file, `-`, or `//HOST/…`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The parameter `on_full`, which every sink takes.
    pub fn on_full(&self) -> Option<OnFull> {
        self.on_full
    }

    /// The value of a parameter; empty if it was given without one.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.values.iter();
        values.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The value of a parameter as `read` parses it, if it was given; `wanted` describes the valid
    /// values.
    ///
    /// # Errors
    /// `read` does not accept the value.
    pub fn value<T>(
        &self,
        name: &str,
        wanted: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, SinkError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(SinkError::BadParameter {
                url: self.text.clone(),
                parameter: name.to_owned(),
                value: value.to_owned(),
                wanted,
            }),
        }
    }

    /// The error for a URL that its sink cannot read; `why` says what would be right.
    pub fn malformed(&self, why: impl Into<String>) -> SinkError {
        SinkError::Malformed {
            url: self.text.clone(),
            why: why.into(),
        }
    }

    fn decoded(&self, text: &str) -> Result<String, SinkError> {
        decoded(text).ok_or_else(|| {
            self.malformed(format!(
                "`{text}` is not percent-encoded text; write a % itself as %25"
            ))
        })
    }
}

/// Refuses a name or a password, before a host or as a parameter.
fn open_secrets(scheme: &str, rest: &str, query: &str, remedy: &str) -> Result<(), SinkError> {
    let refused = |why: String| {
        Err(SinkError::Malformed {
            url: format!("{scheme}://…"),
            why: format!("{why}; {remedy}"),
        })
    };
    let mut names = query
        .split('&')
        .filter_map(|pair| decoded(pair.split('=').next()?));
    if let Some(name) = names.find(|name| SECRET.contains(&&**name)) {
        return refused(format!(
            "`{name}` is not accepted on the command line, where every user can see it"
        ));
    }
    // A password may contain a `?`, and a file name among the parameters an `@`.
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let place = rest.split('?').next().unwrap_or(rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    if place.contains('@') || authority.contains('@') {
        return refused(
            "every user of this machine can see a name or password on the command line".to_owned(),
        );
    }
    Ok(())
}

/// Decodes text in which each `%HH` stands for a byte.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<UrlParts, String> {
        let parts = UrlParts::read(text, &["path=FILE", "flag"], None);
        parts.map_err(|e| e.to_string())
    }

    #[test]
    fn values_are_decoded_and_places_are_not() {
        let parts = read("x:a%26?path=a%26b%3dc%C3%BC+d&flag").unwrap();
        assert_eq!(parts.place(), "a%26");
        assert_eq!(parts.get("path"), Some("a&b=cü+d"));
        assert_eq!(parts.get("flag"), Some(""));
        assert_eq!(parts.get("other"), None);
        for wrong in ["path=%", "path=100%", "path=%4", "path=%zz", "path=%ff"] {
            let error = read(&format!("x:a?{wrong}")).unwrap_err();
            assert!(error.contains("%25"), "{error}");
        }
    }

    #[test]
    fn a_name_stands_once_and_is_known() {
        for (wrong, what) in [
            ("x:a?flag&flag", "more than once"),
            ("x:a?on_full=drop&on_full=drop", "more than once"),
            ("x:a?colour=1", "unknown parameter `colour`"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(what), "{error}");
            assert!(
                error.contains("on_full=block|drop, path=FILE, flag"),
                "{error}"
            );
        }
    }

    #[test]
    fn where_the_place_ends() {
        for (text, place) in [
            ("x:what?.txt?", "what?.txt"),
            ("x://h/t?path=/a?b", "//h/t"),
            ("x:", ""),
        ] {
            assert_eq!(read(text).unwrap().place(), place);
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for wrong in [
            "x://me:secret@h/t",
            "x://me:se?secret@h/t",
            "x:secret@h",
            "x://h/t?password=secret",
            "x://h/t?pass%77ord=secret",
            "x://h/t?colour=1&password=%secret",
        ] {
            let read = UrlParts::read(wrong, &[], Some("put it elsewhere"));
            let error = read.unwrap_err().to_string();
            assert!(error.contains("put it elsewhere"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let file = UrlParts::read("x://h/t?path=a@b", &["path=FILE"], Some("elsewhere"));
        assert_eq!(file.unwrap().get("path"), Some("a@b"));
    }
}
