//! The sensor, the stream and the time stamps of an input, as the command line sets them.

use clap::ValueEnum;
use dumpstream::{Origin, StampForm};
use dumpstream_flow::net::{Connection, stream_name};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Usage, visible};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Stamp {
    /// Time since the previous packet, as -ttt prints it.
    Delta,
    /// Time since the first packet, as -ttttt prints it.
    Elapsed,
}

impl Stamp {
    pub(super) fn form(self) -> StampForm {
        match self {
            Stamp::Delta => StampForm::Delta,
            Stamp::Elapsed => StampForm::Elapsed,
        }
    }
}

/// A time zone, and how the report names it.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    pub(super) tz: TimeZone,
    pub(super) name: String,
}

impl Zone {
    /// The time zone of this machine.
    pub(super) fn local() -> Zone {
        let tz = TimeZone::system();
        let name = match tz.iana_name() {
            _ if tz.is_unknown() => "UTC, because this machine sets no time zone (--tz)".to_owned(),
            Some(name) => format!("{name}, this machine's zone (--tz)"),
            None => "this machine's zone (--tz)".to_owned(),
        };
        let tz = if tz.is_unknown() { TimeZone::UTC } else { tz };
        Zone { tz, name }
    }
}

pub(super) fn zone(text: &str) -> Result<Zone, String> {
    match text {
        "local" => Ok(Zone::local()),
        _ => match TimeZone::get(text) {
            Ok(tz) => Ok(Zone {
                name: tz.iana_name().unwrap_or(text).to_owned(),
                tz,
            }),
            Err(_) => Err(format!(
                "unknown time zone {text:?}: use an IANA name such as Europe/Berlin, UTC or local"
            )),
        },
    }
}

/// The value of `--tz`: a zone, of all sensors or of one.
#[derive(Clone, Debug)]
pub(super) struct SensorZone {
    sensor: Option<String>,
    zone: Zone,
}

pub(super) fn sensor_zone(text: &str) -> Result<SensorZone, String> {
    let (sensor, zone) = match text.rsplit_once('=') {
        Some(("", _)) => return Err("a sensor's name must not be empty".to_owned()),
        Some((sensor, name)) => (Some(sensor.to_owned()), zone(name)?),
        None => (None, zone(text)?),
    };
    Ok(SensorZone { sensor, zone })
}

/// The zone of every sensor.
#[derive(Debug)]
pub(super) struct Zones {
    others: Zone,
    sensors: Vec<(String, Zone)>,
}

impl Zones {
    /// # Errors
    /// A sensor has two zones.
    pub(super) fn new(typed: Vec<SensorZone>) -> Result<Zones, Usage> {
        let (mut others, mut sensors) = (None, Vec::new());
        for SensorZone { sensor, zone } in typed {
            let twice = match sensor {
                None => others.replace(zone).map(|_| "all sensors".to_owned()),
                Some(sensor) if sensors.iter().any(|(s, _)| *s == sensor) => Some(sensor),
                Some(sensor) => {
                    sensors.push((sensor, zone));
                    None
                }
            };
            if let Some(of) = twice {
                return Err(Usage::new(format!("--tz is given twice for {of}")));
            }
        }
        let others = others.unwrap_or_else(Zone::local);
        Ok(Zones { others, sensors })
    }

    fn of(&self, sensor: &str) -> TimeZone {
        let mut sensors = self.sensors.iter();
        let own = sensors.find(|(name, _)| name == sensor);
        own.map_or(&self.others, |(_, zone)| zone).tz.clone()
    }

    /// Their names, for the report.
    pub(super) fn name(&self) -> String {
        let own = self.sensors.iter();
        let own = own.map(|(sensor, zone)| format!(", those of {sensor} in {}", zone.name));
        self.others.name.clone() + &own.collect::<String>()
    }
}

pub(super) fn date(text: &str) -> Result<Date, String> {
    let date = text.parse();
    date.map_err(|_: jiff::Error| "use an existing date such as 2026-11-24".to_owned())
}

/// What the command line sets for the origin of every input.
#[derive(Debug)]
pub(super) struct Origins {
    pub(super) zones: Zones,
    pub(super) stamp: Option<Stamp>,
    pub(super) date: Option<Date>,
    pub(super) sensor: Option<String>,
    pub(super) stream: Option<String>,
    /// The stream of a live input, if `--stream` names it.
    pub(super) live_stream: Option<String>,
}

/// The name of a live stream in this run: text that comes only once is never that of another run.
pub(super) fn of_run(stream: &str) -> String {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    // Runs of one second differ, too.
    let unique = &stream_name(stream)[..6];
    format!("{stream}-{now}-{unique}")
}

impl Origins {
    /// The sensor of an input; `otherwise` without `--sensor`.
    pub(super) fn sensor(&self, otherwise: &str) -> String {
        self.sensor.as_deref().unwrap_or(otherwise).to_owned()
    }

    /// The origin of a new input. Without `--stream` its stream is `stream`; `None` derives it from
    /// the first record.
    pub(super) fn live(&self, sensor: &str, stream: Option<String>) -> Origin {
        self.of(sensor, self.stream.clone().or(stream))
    }

    fn of(&self, sensor: &str, stream: Option<String>) -> Origin {
        let sensor = self.sensor(sensor);
        let zone = self.zones.of(&sensor);
        let origin = Origin::new(sensor).zone(zone);
        let origin = match self.stamp {
            Some(stamp) => origin.stamp(stamp.form()),
            None => origin,
        };
        let origin = match self.date {
            Some(date) => origin.date(date),
            None => origin,
        };
        match stream {
            Some(stream) => origin.stream(stream),
            None => origin,
        }
    }

    /// The origin of a connection; its peer is the sensor.
    pub(super) fn connection(&self, connection: &Connection) -> Origin {
        let sensor = connection.sensor();
        let stream = self.live_stream.as_deref();
        let stream = stream.unwrap_or(connection.stream());
        self.of(&sensor, Some(stream.to_owned()))
    }

    /// What is said at the start about the name of a live stream.
    pub(super) fn named(&self) -> String {
        let stream = self.live_stream.as_deref();
        stream.map_or(String::new(), |stream| {
            format!(", stream {}", visible::lines(stream))
        })
    }

    /// The origin of stored text, which was last changed at `modified`.
    pub(super) fn stored(
        &self,
        sensor: &str,
        stream: Option<String>,
        modified: Option<i64>,
    ) -> Origin {
        let origin = self.live(sensor, stream);
        match modified {
            Some(modified) => origin.modified(modified),
            None => origin,
        }
    }
}
