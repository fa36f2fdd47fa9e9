//! What the numbers of `-#` tell: every injected loss, repeat and forgery is found, and clean text
//! raises no alarm.

use dumpstream::framing::Batches;
use dumpstream::{Namespace, Parser, Sequence};
use given::Random;

/// 1 to `n`, small ones as often as large ones.
fn upto(random: &mut Random, n: u64) -> u64 {
    let bits = random.below(u64::from(n.ilog2()) + 1);
    1 + random.below(n.min(2 << bits))
}

/// A sensor whose numbers are known, and what was done to them.
struct Sensor {
    random: Random,
    sequence: Sequence,
    /// Packets since the capture began; the number is `count * step`, in 32 bits.
    count: u64,
    step: u64,
    /// The count at the end of the capture before.
    before: u64,
    /// The count at the event before.
    broke: u64,
    lost: u64,
    suspect: u64,
    captures: u64,
}

impl Sensor {
    fn number(&self, count: u64) -> u64 {
        u64::from((count * self.step) as u32)
    }

    /// So many packets arrive as they were printed.
    fn arrive(&mut self, packets: u64) {
        for _ in 0..packets {
            self.count += 1;
            self.sequence.number(self.number(self.count));
        }
    }

    fn lose(&mut self, mut packets: u64) {
        // Where a new capture skips to just behind the old one's end, nobody can tell it from the
        // old one that goes on after forged records.
        if self.count <= self.before
            && (0..200).contains(&(self.count + packets).wrapping_sub(self.before))
        {
            packets += 200;
        }
        self.count += packets;
        self.lost += packets;
    }

    fn forge(&mut self, number: u64) {
        self.sequence.number(number);
        self.suspect += 1;
    }

    /// One thing happens; how many forged records stand in a row there.
    fn event(&mut self) -> (&'static str, u64) {
        let burst = upto(&mut self.random, 64);
        let next = self.count + 1;
        match self.random.below(13) {
            0 | 1 => {
                let lost = upto(&mut self.random, (1 << 30) / self.step.max(1 << 10));
                self.lose(lost);
                ("a loss", 0)
            }
            2 => {
                self.forge(self.number(self.count));
                ("the last one again", 1)
            }
            3 => {
                let back = upto(&mut self.random, 40.max(self.count / 2));
                self.forge(self.number(self.count - back));
                ("an old one again", 1)
            }
            4 => {
                // Not across another event: those that were lost would be taken for the real ones.
                let burst = burst.min(self.count / 2).min(self.count - self.broke);
                for count in next - burst..next {
                    self.forge(self.number(count));
                }
                ("the last ones again", burst)
            }
            5 => {
                for count in next..next + burst {
                    self.forge(self.number(count));
                }
                ("the next ones forged", burst)
            }
            6 => {
                let ahead = upto(&mut self.random, 1 << 31);
                self.forge(self.number(next + ahead));
                ("one ahead forged", 1)
            }
            7 => {
                let ahead = next + upto(&mut self.random, 1 << 31);
                for count in ahead..ahead + burst {
                    self.forge(self.number(count));
                }
                ("a row ahead forged", burst)
            }
            8 => {
                for _ in 0..burst {
                    let any = self.random.below(1 << 32);
                    self.forge(any);
                }
                ("any forged", burst)
            }
            9 => {
                let any = self.random.next() | 1 << 40;
                self.forge(any);
                ("one forged that cannot be", 1)
            }
            10 if self.count > 2 * burst => {
                for number in 1..=burst {
                    self.forge(number);
                }
                ("a capture's beginning forged", burst)
            }
            11 => {
                let lost = upto(&mut self.random, 1000);
                let ahead = upto(&mut self.random, 100_000);
                self.lose(lost);
                self.forge(self.number(self.count + 1 + ahead));
                ("a loss behind a forged one", 1)
            }
            _ => {
                self.before = self.count;
                self.count = 0;
                self.captures += 1;
                ("a new capture", 0)
            }
        }
    }
}

#[test]
fn losses_and_forgeries_are_found_to_the_last_one() {
    let (mut events, mut records) = (0, 0);
    for seed in 1..=100u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let step = if seed % 5 == 0 {
            1 + upto(&mut random, 10_000)
        } else {
            1
        };
        // Some join a capture that runs, some just before the numbers wrap.
        let count = match seed % 3 {
            0 => 0,
            1 => random.below(1 << 32) / step,
            _ => ((1 << 32) - random.below(100_000)) / step,
        };
        let mut sensor = Sensor {
            random,
            sequence: Sequence::new(),
            count,
            step,
            before: 0,
            broke: count,
            lost: 0,
            suspect: 0,
            captures: 1,
        };
        sensor.arrive(100);
        for _ in 0..1000 {
            let (event, burst) = sensor.event();
            sensor.broke = sensor.count;
            let after = 40 + 2 * burst + sensor.random.below(40);
            sensor.arrive(after);
            events += 1;
            records += after + burst;
            let Sensor {
                sequence,
                lost,
                suspect,
                captures,
                ..
            } = &sensor;
            assert_eq!(
                (sequence.lost(), sequence.suspect(), sequence.captures()),
                (*lost, *suspect, *captures),
                "lost, suspect, captures after {event} (burst of {burst}), seed {seed}, count {}, step {step}",
                sensor.count,
            );
        }
    }
    assert_eq!(events, 100_000);
    assert!(records > 5_000_000, "only {records} records");
}

#[test]
fn clean_text_raises_no_alarm() {
    let parser = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let other: Namespace = r#"[{"name": "ttl", "regex": "ttl (\\d+)"}]"#
        .parse()
        .expect("it is valid");
    let other = Parser::new(other).expect("it is valid");
    let mut numbered = 0;
    for sample in given::samples() {
        let (mut sequence, mut by_other) = (Sequence::new(), Sequence::new());
        for batch in Batches::new(&sample.text[..]) {
            let batch = batch.expect("a slice can be read");
            sequence.follow(&parser.parse(batch.clone()));
            by_other.follow(&other.parse(batch));
        }
        let path = &sample.name;
        let is_numbered = sample.has("number");
        assert_eq!(sequence.captures(), u64::from(is_numbered), "{path}");
        assert_eq!(by_other.captures(), u64::from(is_numbered), "{path}");
        assert_eq!((sequence.lost(), sequence.suspect()), (0, 0), "{path}");
        assert!(!sequence.forged());
        numbered += u64::from(is_numbered);
    }
    assert!(numbered > 10, "only {numbered} samples have numbers");
}
