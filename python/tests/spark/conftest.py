"""A session in this process, and the servers, which all tests share."""

import os
import shutil

import pytest

pytest.importorskip("pyspark")

from servers import Servers, settings  # noqa: E402


@pytest.fixture(scope="session")
def spark():
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]")
    for name, value in settings().items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    port = os.environ.get("KAFKA_PORT", "9092")
    data = tmp_path_factory.mktemp("kafka")
    servers = Servers("cli/tests/kafka/cluster.sh", KAFKA_PORT=port, KAFKA_DATA=str(data))
    servers.start(1, 1)
    servers.brokers = f"127.0.0.1:{port}"

    def topic(name, partitions):
        servers.run(
            "tool", "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", servers.brokers,
            "--create", "--topic", name, "--partitions", partitions,
        )

    servers.topic = topic
    yield servers
    servers.stop()
    shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="session")
def cassandra(tmp_path_factory):
    data = tmp_path_factory.mktemp("cassandra")
    servers = Servers("cli/tests/cassandra/cluster.sh", CASS_DATA=str(data), CASS_HEAP="1g")
    servers.start(1)
    yield servers
    servers.stop()
    shutil.rmtree(data, ignore_errors=True)
