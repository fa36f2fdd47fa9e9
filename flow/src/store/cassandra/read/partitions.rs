//! Which partitions a range touches.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::paging::Paging;

/// Estimated bytes of a sensor's row before the first one has come: more than nearly all need.
const ROW: usize = 16 << 10;

/// A partition of a bucket. It is small because a long range has many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// Its number among the sensors.
    pub(super) sensor: u32,
    pub(super) shard: i16,
}

/// A sensor, and how large its rows are; all its partitions share this estimate.
#[derive(Debug)]
pub(super) struct Sensor {
    pub(super) name: Arc<str>,
    pub(super) paging: Paging,
}

/// The partitions that were found, by bucket.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    pub(super) sensors: Vec<Sensor>,
    numbers: HashMap<Arc<str>, u32>,
    /// By their start, in milliseconds since 1970.
    buckets: BTreeMap<i64, Vec<Partition>>,
}

impl Partitions {
    pub(super) fn add(&mut self, sensor: &str, bucket: i64, shard: i16) {
        let sensor = match self.numbers.get(sensor) {
            Some(number) => *number,
            None => {
                let name: Arc<str> = sensor.into();
                let number = u32::try_from(self.sensors.len());
                let number = number.expect("memory ends before the numbers do");
                self.numbers.insert(name.clone(), number);
                self.sensors.push(Sensor {
                    name,
                    paging: Paging::new(ROW),
                });
                number
            }
        };
        let partitions = self.buckets.entry(bucket).or_default();
        partitions.push(Partition { sensor, shard });
    }

    /// Takes the first remaining bucket; its partitions are ordered by the names of their sensors.
    pub(super) fn pop(&mut self) -> Option<(i64, Vec<Partition>)> {
        let (bucket, mut partitions) = self.buckets.pop_first()?;
        partitions.sort_by(|a, b| {
            let key = |p: &Partition| (&*self.sensors[p.sensor as usize].name, p.shard);
            key(a).cmp(&key(b))
        });
        Some((bucket, partitions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_in_order_and_sensors_by_name() {
        let mut partitions = Partitions::default();
        for (sensor, bucket, shard) in [("b", 2, 1), ("a", 1, 0), ("b", 1, 1), ("b", 1, 0)] {
            partitions.add(sensor, bucket, shard);
        }
        assert_eq!(partitions.sensors.len(), 2);
        let mut named = Vec::new();
        while let Some((bucket, found)) = partitions.pop() {
            for p in found {
                let name = &partitions.sensors[p.sensor as usize].name;
                named.push((bucket, name.to_string(), p.shard));
            }
        }
        let wanted = [(1, "a", 0), (1, "b", 0), (1, "b", 1), (2, "b", 1)];
        assert_eq!(named, wanted.map(|(b, name, s)| (b, name.to_owned(), s)));
        assert_eq!(size_of::<Partition>(), 8);
    }
}
