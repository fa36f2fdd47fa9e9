//! Where reading ends, if it is to end with what is in the topics at the start.

use std::collections::HashMap;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::context::{ANSWER, Context, Place, partitions};

/// The end of every partition of the topics, whoever of the group reads it.
#[derive(Debug)]
pub(super) struct Ends(HashMap<Place, i64>);

impl Ends {
    /// Asks the brokers; `None`: they do not say, or a topic is missing.
    pub(super) fn find(consumer: &BaseConsumer<Context>, topics: &[String]) -> Option<Ends> {
        let mut ends = HashMap::new();
        for name in topics {
            let numbers = partitions(consumer, name).filter(|numbers| !numbers.is_empty())?;
            for number in numbers {
                let (low, high) = consumer.fetch_watermarks(name, number, ANSWER).ok()?;
                // An empty one has no end to come to.
                if high > low {
                    ends.insert((name.clone(), number), high);
                }
            }
        }
        Some(Ends(ends))
    }

    /// Whether a partition that is read up to here has nothing more.
    pub(super) fn reached(&self, place: &Place, next: Option<i64>) -> bool {
        let end = self.0.get(place);
        end.is_none_or(|end| next.is_some_and(|next| next >= *end))
    }

    /// Whether the group has committed the ends of the partitions that are not `ours`: others read
    /// them, or one that was killed and that the group still takes for alive.
    pub(super) fn others_reached(
        &self,
        consumer: &BaseConsumer<Context>,
        ours: impl Fn(&Place) -> bool,
    ) -> bool {
        let mut others = TopicPartitionList::new();
        for (topic, number) in self.0.keys().filter(|place| !ours(place)) {
            others.add_partition(topic, *number);
        }
        if others.count() == 0 {
            return true;
        }
        let Ok(committed) = consumer.committed_offsets(others, ANSWER) else {
            return false;
        };
        committed.elements().iter().all(|element| {
            let place = (element.topic().to_owned(), element.partition());
            let next = match element.offset() {
                Offset::Offset(offset) if element.error().is_ok() => Some(offset),
                _ => None,
            };
            self.reached(&place, next)
        })
    }
}
