//! Topics of a Kafka cluster.

mod cluster;

pub use self::cluster::{PASSWORD_VARIABLE, USER_VARIABLE};
