//! A namespace compiled: how each column is filled.

use std::sync::Arc;

use regex::bytes::Regex;

use crate::batch::Batch;
use crate::grammar::{self, Keep, Parts, SLOTS, Slots};
use crate::namespace::{Column, Namespace, NamespaceError};
use crate::part::Part;
use crate::value::FieldType;

/// How the fields are found. Both give the same values; a test holds them to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// A field that equals the built-in one comes typed from the grammar's walk.
    #[default]
    Slot,
    /// Every field comes from its patterns: the meaning, and slower.
    Regex,
}

/// One entry, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// Its place among all patterns.
    pub(crate) id: usize,
    pub(crate) part: Part,
    pub(crate) regex: Regex,
}

/// How columns are filled; shared by a parser and its packets.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) columns: Arc<[Column]>,
    /// The `time` column, where it is the record's own instant.
    pub(crate) time: Option<usize>,
    /// The user's own timestamp columns.
    pub(crate) timestamps: Vec<usize>,
    /// The entries of each column.
    pub(crate) patterns: Vec<Vec<Pattern>>,
    /// The slot that equals the column's entries.
    pub(crate) slots: Vec<Option<usize>>,
    /// Bits of the columns that have entries in a part.
    pub(crate) by_part: [u128; Part::ALL.len()],
    /// Bits of the columns that come from slots.
    pub(crate) bound: u128,
    /// The columns are the slots, in their order, before any others.
    pub(crate) straight: bool,
    pub(crate) keep: Keep,
    pub(crate) engine: Engine,
}

impl Plan {
    /// Compiles a namespace.
    pub(crate) fn new(namespace: &Namespace) -> Result<Plan, NamespaceError> {
        namespace.validate()?;
        let columns = namespace.columns();
        let mut patterns: Vec<Vec<Pattern>> = columns.iter().map(|_| Vec::new()).collect();
        let mut by_part = [0u128; Part::ALL.len()];
        for (id, field) in namespace.fields.iter().enumerate() {
            let column = columns
                .iter()
                .position(|c| c.name == field.name)
                .expect("every field has its column");
            by_part[field.part as usize] |= 1 << column;
            let regex = Namespace::compile(field)?;
            patterns[column].push(Pattern {
                id,
                part: field.part,
                regex,
            });
        }
        let time = columns
            .iter()
            .position(|c| c.name == "time" && c.kind == FieldType::Timestamp);
        let timestamps = (0..columns.len())
            .filter(|i| columns[*i].kind == FieldType::Timestamp && Some(*i) != time)
            .collect();
        let mut plan = Plan {
            timestamps,
            slots: vec![None; columns.len()],
            columns: columns.into(),
            time,
            patterns,
            by_part,
            bound: 0,
            straight: false,
            keep: Keep::default(),
            engine: Engine::default(),
        };
        plan.bind(namespace);
        Ok(plan)
    }

    /// Chooses the engine.
    pub(crate) fn choose(&mut self, engine: Engine, namespace: &Namespace) {
        self.engine = engine;
        self.bind(namespace);
    }

    /// The columns that look into any of these parts, given as bits.
    pub(crate) fn columns_of(&self, mut parts: u32) -> u128 {
        let mut columns = 0;
        while parts != 0 {
            columns |= self.by_part[parts.trailing_zeros() as usize];
            parts &= parts - 1;
        }
        columns
    }

    /// The columns of text.
    pub(crate) fn texts(&self) -> u128 {
        let columns = self.columns.iter().enumerate();
        let texts = columns.filter(|(_, column)| column.kind == FieldType::Text);
        texts.fold(0, |bits, (i, _)| bits | 1 << i)
    }

    /// The parts of the record at `start`, found again.
    pub(crate) fn parts(&self, batch: &Batch, start: usize) -> u32 {
        let (mut parts, mut slots) = (Parts::new(), Slots::new());
        let walked = grammar::record(
            batch.certain(start),
            start,
            &batch.style,
            self.keep,
            &mut parts,
            &mut slots,
            &mut Vec::new(),
        );
        debug_assert!(walked.is_ok(), "messages were taken out");
        Part::ALL
            .iter()
            .filter(|part| parts.has(**part))
            .map(|part| 1 << *part as u32)
            .sum()
    }

    /// Whether a column has an entry in one of the parts.
    pub(crate) fn looks_into(&self, column: usize, parts: u32) -> bool {
        self.patterns[column]
            .iter()
            .any(|p| parts >> p.part as u32 & 1 == 1)
    }

    fn bind(&mut self, namespace: &Namespace) {
        let built_in = Namespace::tcpdump();
        self.bound = 0;
        for (i, column) in self.columns.iter().enumerate() {
            let entries = |n: &Namespace| -> Vec<_> {
                n.fields
                    .iter()
                    .filter(|f| f.name == column.name)
                    .cloned()
                    .collect()
            };
            let (ours, theirs) = (entries(&built_in), entries(namespace));
            let equal =
                ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| a.same(b));
            let slot = SLOTS.iter().position(|name| *name == column.name);
            self.slots[i] = slot.filter(|_| equal && self.engine == Engine::Slot);
            if self.slots[i].is_some() {
                self.bound |= 1 << i;
            }
        }
        self.straight = self.slots.len() >= SLOTS.len()
            && self
                .slots
                .iter()
                .take(SLOTS.len())
                .enumerate()
                .all(|(i, slot)| *slot == Some(i));
    }
}
