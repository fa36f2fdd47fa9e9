"""Real Spark, Kafka and Cassandra on this machine."""

import os
import pathlib
import subprocess
import sys


import pyspark
from values import ROOT

HERE = pathlib.Path(__file__).resolve().parent

# Executors run this Python, and nothing leaves this machine.
os.environ.update(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")

CACHE = pathlib.Path(os.environ.get("SPARK_JARS", pathlib.Path.home() / ".cache/dumpstream-spark"))


def settings():
    return {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        # No test must hold by the zone of the machine.
        "spark.sql.session.timeZone": "America/New_York",
    }


def jars():
    """What Spark needs for Kafka and Cassandra, from Maven Central."""
    version = pyspark.__version__
    folder = CACHE / f"jars-{version}"
    if not (folder / ".complete").exists():
        scala = "2.12" if version.startswith("3.") else "2.13"
        subprocess.run(
            ["mvn", "-q", "-B", "-f", HERE / "pom.xml", "-P", scala, f"-Dspark.version={version}",
             f"-DoutputDirectory={folder}", "-DincludeScope=runtime",
             # Spark has these.
             "-DexcludeGroupIds=org.apache.hadoop,org.slf4j,org.xerial.snappy,org.scala-lang",
             "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"],
            check=True,
        )
        (folder / ".complete").touch()
    return ",".join(map(str, sorted(folder.glob("*.jar"))))


class Servers:
    """A script of the tests, which starts and stops servers."""

    def __init__(self, script, **environment):
        self.script = ROOT / script
        self.environment = {**os.environ, **environment}

    def run(self, *arguments, **more):
        command = [self.script, *map(str, arguments)]
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, **more
        ).stdout

    def start(self, *arguments):
        self.run("install")
        self.run("start", *arguments)
        self.run("wait", 1, 180)

    def stop(self):
        self.run("kill", 1)
        self.run("gone", 1)
