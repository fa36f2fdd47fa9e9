//! One partition: the texts that its messages make, and up to where it may be committed.

use std::collections::HashMap;
use std::str;
use std::time::Instant;

use dumpstream::framing::Style;

use super::context::Place;
use super::text::{Name, Text};

/// The longest key that is taken for a sensor's name, in bytes.
pub(super) const LONGEST_NAME: usize = 255;

/// The sensor that a key or a header names: text that is not blank.
pub(super) fn named(name: &[u8]) -> Option<&str> {
    let name = str::from_utf8(name).ok()?;
    (name.len() <= LONGEST_NAME && !name.trim().is_empty()).then_some(name)
}

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) place: Place,
    /// The offset behind the last message that was taken; `None` before the first.
    pub(super) next: Option<i64>,
    pub(super) committed: Option<i64>,
    /// When it was last asked why offsets are missing.
    pub(super) asked: Option<Instant>,
    /// It has no more messages.
    pub(super) ended: bool,
    /// The topic has other partitions, too.
    pub(super) several: bool,
    pub(super) texts: Vec<Text>,
    /// The places in `texts` of those that take messages.
    open: HashMap<String, HashMap<Vec<u8>, usize>>,
    /// The text of the last message.
    last: usize,
}

impl Partition {
    pub(super) fn new(place: Place) -> Partition {
        Partition {
            place,
            next: None,
            committed: None,
            asked: None,
            ended: false,
            several: false,
            texts: Vec::new(),
            open: HashMap::new(),
            last: 0,
        }
    }

    /// How the stream of its rows is called.
    pub(super) fn stream(&self) -> String {
        format!("{}/{}", self.place.0, self.place.1)
    }

    /// The text of a name, if there is one.
    pub(super) fn find(&mut self, sensor: &str, stream: &[u8]) -> Option<usize> {
        // Comparing nothing with nothing is slow in some C libraries, and nearly every message does.
        let both = |ours: &[u8]| ours.is_empty() && stream.is_empty() || ours == stream;
        let same = |text: &Text| text.name.sensor == sensor && both(&text.name.stream);
        let found = match self.texts.get(self.last) {
            Some(text) if same(text) && text.is_open() => self.last,
            _ => *self.open.get(sensor)?.get(stream)?,
        };
        self.last = found;
        Some(found)
    }

    /// Adds a text, which gets the messages of its name from now on.
    pub(super) fn add(&mut self, mut text: Text) -> usize {
        let at = self.texts.len();
        self.take(&text.name, at);
        for other in &mut self.texts {
            if other.name.sensor == text.name.sensor {
                (other.shared, text.shared) = (true, true);
            }
        }
        self.texts.push(text);
        at
    }

    /// The text of a name whose records begin so, which gets its messages from now on.
    pub(super) fn turn(&mut self, name: &Name, style: Style) -> Option<usize> {
        let like = |text: &Text| text.is_like(name, style);
        let at = self.texts.iter().position(like)?;
        self.take(name, at);
        Some(at)
    }

    /// The messages of a name belong to this text from now on.
    fn take(&mut self, name: &Name, at: usize) {
        let streams = self.open.entry(name.sensor.clone()).or_default();
        streams.insert(name.stream.clone(), at);
        self.last = at;
    }

    /// Takes note that a message of one text's sensor stands between those of its other texts.
    pub(super) fn parts(&mut self, at: usize, record: u64) {
        if !self.texts[at].shared {
            return;
        }
        let sensor = self.texts[at].name.sensor.clone();
        let others = self.texts.iter_mut().enumerate();
        for (_, text) in others.filter(|(i, text)| *i != at && text.name.sensor == sensor) {
            text.other = record;
        }
    }

    /// Removes texts that `is_over` for good.
    pub(super) fn remove(&mut self, mut is_over: impl FnMut(&mut Text) -> bool) {
        let before = self.texts.len();
        self.texts.retain_mut(|text| !is_over(text));
        if self.texts.len() < before {
            self.index();
        }
    }

    /// Finds out again which text takes the messages of which name.
    pub(super) fn index(&mut self) {
        self.open.clear();
        let texts = self.texts.iter().enumerate();
        let open = texts.filter(|(_, text)| text.is_open() || text.refused);
        let mut open: Vec<_> = open
            .map(|(at, text)| (text.last, at, text.name.clone()))
            .collect();
        // Of those that differ in their style, the last one that was used goes on.
        open.sort_unstable_by_key(|(last, ..)| *last);
        for (_, at, name) in open {
            self.take(&name, at);
        }
    }

    /// The offset that may be committed: that of the first message which is not wholly answered.
    pub(super) fn answered(&self) -> Option<i64> {
        let open = self.texts.iter().filter_map(Text::unanswered).min();
        let open = open.map(|record| record as i64 - 1);
        open.or(self.next)
            .map(|offset| offset.min(self.next.unwrap_or(offset)))
    }
}
