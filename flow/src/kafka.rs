//! Topics of a Kafka cluster.

mod cluster;
mod consume;
mod headers;
mod topics;

pub use self::cluster::{PASSWORD_VARIABLE, USER_VARIABLE};
pub use self::consume::{ConsumeOptions, Consumed, Lag, MAX_TEXTS, consume};
pub use self::topics::Topics;
