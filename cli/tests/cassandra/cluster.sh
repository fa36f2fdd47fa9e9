#!/usr/bin/env bash
# A real Apache Cassandra on this machine, from the jars that Maven Central publishes: no tarball,
# no container, no root.
#
#   cluster.sh install               fetch the server's jars into $CASS_HOME/lib
#   cluster.sh start N [YAML-LINE]…  start node N (1 to 3) on 127.0.0.N:9042; 1 is the seed
#   cluster.sh wait N [SECONDS]      until its port answers
#   cluster.sh nodetool N ARGUMENT…  Cassandra's own tool, for node N
#   cluster.sh stop|kill|pause|resume N    TERM | KILL | STOP | CONT
#   cluster.sh gone N                until its process has ended
#   cluster.sh wipe N                remove its data, after it was stopped
#   cluster.sh classpath             where the jars are
#
# CASS_HOME (default ~/.cache/dumpstream-cassandra), CASS_DATA (default $CASS_HOME/data),
# CASS_VERSION (5.0.8), CASS_HEAP (512m), JAVA (java).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${CASS_HOME:-$HOME/.cache/dumpstream-cassandra}
data=${CASS_DATA:-$home/data}
version=${CASS_VERSION:-5.0.8}
heap=${CASS_HEAP:-512m}
java=${JAVA:-java}
lib=$home/lib-$version
command=${1:?}
n=${2:-1}
node=$data/node$n
# A third of the ring each, fixed, so that a node need not bootstrap.
tokens=("" -9223372036854775808 -3074457345618258603 3074457345618258602)

# To this node, if it runs: a file of an earlier day may hold the number of another process by now.
signal() {
    local pid
    pid=$(cat "$node/pid")
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$node/" && kill -"$1" "$pid"
}

case $command in
install)
    [ -e "$lib/.complete" ] && exit 0
    mkdir -p "$lib"
    mvn -q -B -f "$here/pom.xml" -Dcassandra.version="$version" -DoutputDirectory="$lib" \
        -DincludeScope=runtime \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies
    ls "$lib"/cassandra-all-*.jar "$lib"/jamm-*.jar >/dev/null
    touch "$lib/.complete" ;;
classpath) echo "$lib" ;;
start)
    shift 2
    mkdir -p "$node/conf/triggers" "$node/data" "$node/tmp"
    cp "$here/logback.xml" "$node/conf/"
    cat >"$node/conf/cassandra.yaml" <<YAML
cluster_name: dumpstream
num_tokens: 1
initial_token: '${tokens[$n]}'
auto_bootstrap: false
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "127.0.0.1:7000"
listen_address: 127.0.0.$n
rpc_address: 127.0.0.$n
storage_port: 7000
native_transport_port: 9042
start_native_transport: true
commitlog_sync: periodic
commitlog_sync_period: 10000ms
concurrent_compactors: 1
compaction_throughput: 64MiB/s
memtable_allocation_type: offheap_objects
YAML
    # The memtable that Cassandra's own settings for new clusters choose; 4.1 has none.
    case $version in
    5.*) cat >>"$node/conf/cassandra.yaml" <<YAML ;;
memtable:
  configurations:
    skiplist: {class_name: SkipListMemtable}
    trie: {class_name: TrieMemtable}
    default: {inherits: trie}
YAML
    esac
    for line in "$@"; do echo "$line" >>"$node/conf/cassandra.yaml"; done
    jamm=$(ls "$lib"/jamm-*.jar)
    cd "$node"
    nohup "$java" @"$here/jvm17.args" -Xms"$heap" -Xmx"$heap" -XX:HeapDumpPath="$node" \
        -javaagent:"$jamm" -Djava.io.tmpdir="$node/tmp" -Djna.tmpdir="$node/tmp" \
        -Dlogback.configurationFile="$node/conf/logback.xml" \
        -Dcassandra.config="file://$node/conf/cassandra.yaml" \
        -Dcassandra.storagedir="$node/data" -Dcassandra.logdir="$node/logs" \
        -Dcassandra.triggers_dir="$node/conf/triggers" -Dcassandra-foreground=yes \
        -Dcassandra.jmx.local.port=$((7100 + n * 100)) \
        -Dcom.sun.management.jmxremote.authenticate=false \
        -Dcassandra.ring_delay_ms=3000 -Dcassandra.superuser_setup_delay_ms=0 \
        -Dcassandra.skip_wait_for_gossip_to_settle=0 \
        -cp "$node/conf:$lib/*" org.apache.cassandra.service.CassandraDaemon \
        >>"$node/out.log" 2>&1 </dev/null &
    echo $! >"$node/pid" ;;
wait)
    for _ in $(seq "${3:-180}"); do
        if ! kill -0 "$(cat "$node/pid")" 2>/dev/null; then
            tail -40 "$node/out.log" >&2
            exit 1
        fi
        (exec 3<>"/dev/tcp/127.0.0.$n/9042") 2>/dev/null && exit 0
        sleep 1
    done
    tail -40 "$node/out.log" >&2
    exit 1 ;;
nodetool)
    shift 2
    exec "$java" @"$here/jvm17.args" -Xmx128m -Dcom.sun.jndi.rmiURLParsing=legacy \
        -Dlogback.configurationFile="$here/logback-quiet.xml" -Dcassandra.storagedir="$node/data" \
        -cp "$node/conf:$lib/*" org.apache.cassandra.tools.NodeTool \
        -h 127.0.0.1 -p $((7100 + n * 100)) "$@" ;;
stop) signal TERM ;;
kill) signal KILL ;;
pause) signal STOP ;;
resume) signal CONT ;;
# Its command line goes before its sockets do, its name goes last.
gone) while [ "$(cat "/proc/$(cat "$node/pid")/comm" 2>/dev/null)" = java ]; do sleep 0.1; done ;;
# A running node whose data go away dies at its next flush.
wipe) rm -rf "$node" ;;
*)
    sed -n 2,16p "$0"
    exit 2 ;;
esac
