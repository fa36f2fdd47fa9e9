//! The sink: every record is sent until all in-sync replicas have it, or until the brokers have
//! refused it because of its content.
//!
//! The producer is idempotent and never gives up by itself: what librdkafka sends again after a
//! broker went away, a leader changed or an answer was lost is stored once, in its order. What comes
//! back to us all the same is sent again from here: when the topic is gone, when the producer itself
//! has failed, and when a batch was refused because of one of its messages.

use std::time::Instant;

use dumpstream::Packets;

use super::address::{Address, Format};
use super::answers::Answers;
use super::message::Messages;
use super::sending::Sending;
use super::topic::Topic;
use crate::sink::context::{RowKind, SinkContext};
use crate::sink::patience::Abandoned;
use crate::sink::writer::{Store, Writer};
use crate::sink::{BoxFuture, Sink, SinkError, Written};

/// The sink of a URL `kafka://…`.
#[derive(Debug)]
pub(super) struct Kafka {
    writer: Writer,
    answers: Answers,
    context: SinkContext,
}

impl Kafka {
    /// Checks what can be checked without the brokers, and starts to connect.
    pub(super) fn open(address: &Address, context: &SinkContext) -> Result<Kafka, SinkError> {
        if context.rows == RowKind::Heartbeats && address.format == Format::Text {
            return Err(SinkError::Refused {
                sink: address.text.clone(),
                why: "a heartbeat has no text; omit format=text".to_owned(),
            });
        }
        let abandoned = Abandoned::default();
        let answers = Answers::default();
        let topic =
            Topic::new(address, &answers, &abandoned).map_err(|why| SinkError::Refused {
                sink: address.text.clone(),
                why,
            })?;
        let producing = Producing {
            messages: Messages::new(address, context),
            topic,
            context: context.clone(),
        };
        Ok(Kafka {
            writer: Writer::spawn(&address.text, abandoned, producing)?,
            answers,
            context: context.clone(),
        })
    }
}

impl Sink for Kafka {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        // The thread is idle: there is one write at a time.
        self.answers.begin();
        Box::pin(async move {
            let written = self.writer.write(rows).await?;
            if written.rejected > 0 {
                // They are in the file before their write is answered.
                self.context.rejects.flush().await;
            }
            Ok(written)
        })
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.writer.close())
    }

    fn give_up(&self) -> u64 {
        self.writer.abandon();
        self.answers.delivered() as u64
    }

    fn keeps_rejected(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.context.rejects.complete())
    }

    fn moved(&self) -> Option<tokio::time::Instant> {
        self.answers.moved()
    }
}

/// What the thread owns.
struct Producing {
    topic: Topic,
    messages: Messages,
    context: SinkContext,
}

impl Store for Producing {
    fn write(&mut self, rows: &[Packets]) -> Result<Written, SinkError> {
        let Producing {
            topic,
            messages,
            context,
        } = self;
        Ok(Sending::new(topic, messages, &context.rejects, rows).run())
    }

    /// What is missing is reported at once, not when the first packet comes.
    fn due(&self) -> Option<Instant> {
        self.topic.due()
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        self.topic.connect();
        Ok(())
    }

    fn close(self) -> Result<(), SinkError> {
        // Every record was acknowledged before its write returned.
        Ok(())
    }
}
