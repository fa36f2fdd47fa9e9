//! What it means for a record that it came back.

use rdkafka::error::RDKafkaErrorCode;

/// What to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Send it again: the topic is gone, the producer has failed, we may not write.
    Later,
    /// The broker does not accept it, or another message of its batch.
    Refused,
}

/// Classifies a delivery that failed. librdkafka itself repeats whatever a broker could not accept
/// at that moment.
pub(super) fn of(code: RDKafkaErrorCode) -> Fault {
    use RDKafkaErrorCode::{
        InvalidDifferentRecord, InvalidMessage, InvalidMessageSize, InvalidRecord,
        InvalidTimestamp, MessageBatchTooLarge, MessageSizeTooLarge, PolicyViolation,
    };
    match code {
        MessageSizeTooLarge
        | MessageBatchTooLarge
        | InvalidMessage
        | InvalidMessageSize
        | InvalidRecord
        | InvalidDifferentRecord
        | InvalidTimestamp
        | PolicyViolation => Fault::Refused,
        _ => Fault::Later,
    }
}

/// What librdkafka says of a code, without its name of it.
pub(super) fn said(code: RDKafkaErrorCode) -> String {
    let text = code.to_string();
    let said = text
        .split_once(" (")
        .and_then(|(_, text)| text.strip_suffix(')'));
    said.unwrap_or(&text).to_owned()
}

/// What is waited for after [`Fault::Later`], and the remedy.
pub(super) fn wanted(code: RDKafkaErrorCode, topic: &str) -> String {
    match code {
        RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownPartition => missing(topic),
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            let said = said(code);
            format!("the user may not write to the topic `{topic}` ({said}); allow it")
        }
        code => format!(
            "records come back from the topic `{topic}` ({})",
            said(code)
        ),
    }
}

/// That the topic is not there, and the remedy.
pub(super) fn missing(topic: &str) -> String {
    format!(
        "the topic `{topic}` does not exist; create it: kafka-topics --bootstrap-server … --create \
         --topic {topic}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_is_about_the_record() {
        use RDKafkaErrorCode as Code;
        for later in [
            Code::UnknownTopicOrPartition,
            Code::UnknownPartition,
            Code::TopicAuthorizationFailed,
            Code::Fatal,
            Code::PurgeQueue,
            Code::MessageTimedOut,
            Code::OutOfOrderSequenceNumber,
        ] {
            assert_eq!(of(later), Fault::Later, "{later}");
        }
        assert_eq!(of(Code::MessageSizeTooLarge), Fault::Refused);
        assert_eq!(of(Code::InvalidDifferentRecord), Fault::Refused);
    }

    #[test]
    fn the_remedy_is_told() {
        let missing = wanted(RDKafkaErrorCode::UnknownPartition, "t");
        assert!(missing.contains("--create --topic t"), "{missing}");
        let denied = wanted(RDKafkaErrorCode::TopicAuthorizationFailed, "t");
        assert!(denied.contains("may not write"), "{denied}");
        assert!(!denied.contains("TopicAuthorizationFailed"), "{denied}");
    }
}
