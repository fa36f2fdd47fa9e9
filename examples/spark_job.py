"""Packets from a Kafka topic into Cassandra, parsed in Spark's executors.

    tcpdump -i any -nn -v -l 'not port 4444' | nc HERE 4444          # on each sensor
    dumpstream listen -k 4444 -o 'kafka://10.0.0.1/packets?format=text'
    spark-submit --packages org.apache.spark:spark-sql-kafka-0-10_2.13:4.1.1 spark_job.py \
        --brokers 10.0.0.1:9092 --topic packets --checkpoint /data/checkpoint \
        --store 'cassandra://10.0.0.2/pk.packets?create=true'

The offsets are in the checkpoint: a job that is started again goes on where it was. What it writes
twice is the same row.
"""

import argparse

from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession

from dumpstream.spark import cassandra_rows, packets, store


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", required=True, metavar="HOST:PORT,…")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--store", required=True, metavar="cassandra://HOST/KEYSPACE.TABLE")
    parser.add_argument("--checkpoint", required=True, metavar="FOLDER")
    parser.add_argument("--batch", type=int, metavar="MESSAGES", help="most messages of a micro-batch")
    parser.add_argument(
        "--until-end", action="store_true", help="end when the topic has no more messages"
    )
    parser.add_argument(
        "--connector",
        action="store_true",
        help="write by spark-cassandra-connector (Spark 3.5) to the table of that name, which must "
        "exist",
    )
    return parser.parse_args()


def main():
    wanted = arguments()
    spark = SparkSession.builder.appName("dumpstream").getOrCreate()
    stream = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", wanted.brokers)
        .option("subscribe", wanted.topic)
        .option("startingOffsets", "earliest")
        .option("includeHeaders", "true")
    )
    if wanted.batch:
        stream = stream.option("maxOffsetsPerTrigger", wanted.batch)

    def by_store(df, _):
        print(store(df, wanted.store), flush=True)

    def by_connector(df, _):
        keyspace, _, table = wanted.store.split("?")[0].rsplit("/", 1)[1].partition(".")
        rows = cassandra_rows(packets(df)).write.format("org.apache.spark.sql.cassandra")
        rows = rows.options(keyspace=keyspace, table=table)
        rows.option("spark.cassandra.output.ignoreNulls", "true").mode("append").save()

    write = by_connector if wanted.connector else by_store
    query = stream.load().writeStream.foreachBatch(write)
    query = query.option("checkpointLocation", wanted.checkpoint)
    for attempt in (1, 2):
        try:
            run(query.start(), wanted.until_end)
            break
        except StreamingQueryException as error:
            # Spark 4.1.1 fails after the first micro-batch if it was begun by a driver that was
            # killed (KafkaMicroBatchStream.metrics); that batch is stored, and it can go on.
            if attempt == 2:
                raise
            print(f"starting again: {error}", flush=True)


def run(query, until_end):
    if until_end:
        query.processAllAvailable()
        query.stop()
    else:
        query.awaitTermination()


if __name__ == "__main__":
    main()
