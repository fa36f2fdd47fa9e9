//! A kind of sink, by the word before the colon: how its URLs are written and its sinks opened.

use std::fmt;
use std::sync::Arc;

use super::context::SinkContext;
use super::parts::UrlParts;
use super::{Sink, SinkError};

/// Reads a URL.
type Read = dyn Fn(&UrlParts) -> Result<Opening, SinkError> + Send + Sync;

/// Opens a sink, whose URL was parsed before.
type Open = dyn Fn(&SinkContext) -> Result<Box<dyn Sink>, SinkError> + Send + Sync;

/// A kind of sink.
#[derive(Clone)]
pub struct Scheme {
    pub(super) name: &'static str,
    /// `None`: a scheme that this build does not include.
    pub(super) form: Option<&'static str>,
    pub(super) parameters: &'static [&'static str],
    pub(super) endings: &'static [&'static str],
    pub(super) secrets: Option<&'static str>,
    read: Arc<Read>,
}

impl Scheme {
    /// A scheme of this `name`; `form` is a URL of it as help shows it, `sqlite:FILE`. `read`
    /// checks a URL and returns how the sink is opened, so that a wrong URL is found before
    /// anything is opened.
    pub fn new(
        name: &'static str,
        form: &'static str,
        read: impl Fn(&UrlParts) -> Result<Opening, SinkError> + Send + Sync + 'static,
    ) -> Scheme {
        Scheme {
            name,
            form: Some(form),
            parameters: &[],
            endings: &[],
            secrets: None,
            read: Arc::new(read),
        }
    }

    /// A scheme that a feature of this crate would add.
    #[allow(
        dead_code,
        reason = "of a build that has every feature, nothing is absent"
    )]
    pub(super) fn absent(name: &'static str, feature: &'static str) -> Scheme {
        let absent = move |_: &UrlParts| {
            Err(SinkError::Absent {
                scheme: name,
                feature,
            })
        };
        Scheme {
            form: None,
            ..Scheme::new(name, "", absent)
        }
    }

    /// The parameters that its URLs may have besides `on_full`, in the form that help shows:
    /// `ttl=7d`.
    pub fn parameters(mut self, parameters: &'static [&'static str]) -> Scheme {
        self.parameters = parameters;
        self
    }

    /// File name extensions: a user who types `packets.db` is asked whether `sqlite:packets.db` was
    /// meant.
    pub fn endings(mut self, endings: &'static [&'static str]) -> Scheme {
        self.endings = endings;
        self
    }

    /// Where a name and a password belong, as the end of a sentence: `put them into …`. A URL that
    /// contains one is refused with that sentence, and not repeated.
    pub fn secrets(mut self, remedy: &'static str) -> Scheme {
        self.secrets = Some(remedy);
        self
    }

    pub(super) fn parts(&self, text: &str) -> Result<UrlParts, SinkError> {
        UrlParts::read(text, self.parameters, self.secrets)
    }

    pub(super) fn read(&self, parts: &UrlParts) -> Result<Opening, SinkError> {
        (self.read)(parts)
    }
}

impl fmt::Debug for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheme")
            .field("name", &self.name)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

/// How the sink of one URL is opened, and which file it writes to.
#[derive(Clone)]
pub struct Opening {
    open: Arc<Open>,
    file: Option<String>,
    stdout: bool,
    servers: Vec<String>,
}

impl Opening {
    /// For a sink that writes to no file.
    pub fn new(
        open: impl Fn(&SinkContext) -> Result<Box<dyn Sink>, SinkError> + Send + Sync + 'static,
    ) -> Opening {
        Opening {
            open: Arc::new(open),
            file: None,
            stdout: false,
            servers: Vec::new(),
        }
    }

    /// Declares that it writes to this file: nothing else may write to it, or read it as an input.
    pub fn file(mut self, path: impl Into<String>) -> Opening {
        self.file = Some(path.into());
        self
    }

    /// Declares that it writes to standard output.
    pub fn stdout(mut self) -> Opening {
        self.stdout = true;
        self
    }

    /// Declares that it connects to these servers, `HOST:PORT` each.
    pub fn servers(mut self, servers: impl IntoIterator<Item = String>) -> Opening {
        self.servers.extend(servers);
        self
    }

    /// Checks what is there before it is opened.
    pub(super) fn after(
        self,
        check: impl Fn() -> Result<(), SinkError> + Send + Sync + 'static,
    ) -> Opening {
        let open = self.open;
        Opening {
            open: Arc::new(move |context| check().and_then(|()| open(context))),
            ..self
        }
    }

    pub(super) fn to_file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    pub(super) fn to_stdout(&self) -> bool {
        self.stdout
    }

    pub(super) fn to_servers(&self) -> &[String] {
        &self.servers
    }

    pub(super) fn open(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        (self.open)(context)
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("file", &self.file)
            .field("stdout", &self.stdout)
            .finish_non_exhaustive()
    }
}
