//! Topics of a Kafka cluster.

mod acks;
mod address;
mod cluster;
mod consume;
mod fault;
mod headers;
mod message;
mod sending;
mod sink;
mod topic;
mod topics;

use self::address::Address;
pub(crate) use self::address::{FORM, PARAMETERS};
pub(crate) use self::cluster::SECRETS;
pub use self::cluster::{PASSWORD_VARIABLE, USER_VARIABLE};
pub use self::consume::{ConsumeOptions, Consumed, Lag, MAX_TEXTS, consume};
use self::sink::Kafka;
pub use self::topics::Topics;
use crate::sink::SinkError;
use crate::sink::parts::UrlParts;
use crate::sink::scheme::Opening;

/// Reads a URL `kafka://…` of an output.
pub(crate) fn read(url: &UrlParts) -> Result<Opening, SinkError> {
    let address = Address::of(url)?;
    let brokers = address.cluster.brokers.clone();
    let opening = Opening::new(move |context| Ok(Box::new(Kafka::open(&address, context)?)));
    Ok(opening.servers(brokers))
}
