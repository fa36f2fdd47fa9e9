//! Topics of a Kafka cluster: how brokers are reached, and how packets are written.
//! [`consume`](crate::consume) reads them.

mod address;
mod answers;
pub(crate) mod cluster;
mod fault;
pub(crate) mod headers;
mod message;
mod sending;
mod sink;
mod topic;

use self::address::Address;
pub(crate) use self::address::{FORM, PARAMETERS};
pub(crate) use self::cluster::SECRETS;
pub use self::cluster::{PASSWORD_VARIABLE, USER_VARIABLE};
use self::sink::Kafka;
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
