#!/usr/bin/env bash
# A real Apache Kafka on this machine, without ZooKeeper, from the jars that Maven Central publishes:
# no tarball, no container, no root.
#
#   cluster.sh install               fetch the broker's jars into $KAFKA_HOME
#   cluster.sh start N [COUNT [PROPERTY]…]  start broker N of a cluster of COUNT (1 to 3), 127.0.0.N:9092
#   cluster.sh wait N [SECONDS]      until its port answers
#   cluster.sh tool CLASS ARGUMENT…  one of Kafka's own tools, by the name of its class
#   cluster.sh stop|kill|pause|resume N    TERM | KILL | STOP | CONT
#   cluster.sh gone N                until its process has ended
#   cluster.sh wipe N                remove its data, after it was stopped
#
# Every broker listens on five ports from $KAFKA_PORT on: plain, its controller, TLS, SASL over TLS,
# and SASL. The certificates are in $KAFKA_DATA/tls; the user is `alice`, with the password
# `alice-secret`. Topics are not created by themselves.
#
# KAFKA_HOME (default ~/.cache/dumpstream-kafka), KAFKA_DATA (default $KAFKA_HOME/data),
# KAFKA_PORT (9092), KAFKA_VERSION (4.1.1), KAFKA_HEAP (512m), JAVA (java).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${KAFKA_HOME:-$HOME/.cache/dumpstream-kafka}
data=${KAFKA_DATA:-$home/data}
port=${KAFKA_PORT:-9092}
version=${KAFKA_VERSION:-4.1.1}
heap=${KAFKA_HEAP:-512m}
java=${JAVA:-java}
lib=$home/lib-$version
command=${1:?}
n=${2:-1}
node=$data/node$n
controller=$((port + 1)) tls=$((port + 2)) sasl_tls=$((port + 3)) sasl=$((port + 4))

# To this broker, if it runs: a file of an earlier day may hold the number of another process by now.
signal() {
    local pid
    pid=$(cat "$node/pid")
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$node/" && kill -"$1" "$pid"
}

# A program of Kafka. Java itself reads the star.
run() {
    exec "$java" -XX:TieredStopAtLevel=1 -Xmx256m -Dlog4j2.configurationFile="$here/log4j2.properties" \
        -cp "$lib/*" "$@"
}

# An authority, and what it has signed for all brokers and for alice.
certificates() {
    [ -e "$data/tls/.complete" ] && return
    mkdir -p "$data/tls"
    cd "$data/tls"
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
    openssl req -x509 "${key[@]}" -keyout ca.key -out ca.pem -days 3650 -subj /CN=dumpstream-test
    for name in broker alice; do
        openssl req "${key[@]}" -keyout $name.key -out $name.csr -subj /CN=$name
        openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
            -out $name.pem -extfile <(echo subjectAltName=IP:127.0.0.1,IP:127.0.0.2,IP:127.0.0.3)
    done
    cat broker.key broker.pem >broker.both.pem
    touch .complete
} 2>/dev/null

case $command in
install)
    [ -e "$lib/.complete" ] && exit 0
    mkdir -p "$lib"
    mvn -q -B -f "$here/pom.xml" -Dkafka.version="$version" -DoutputDirectory="$lib" \
        -DincludeScope=runtime \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies
    ls "$lib"/kafka_2.13-*.jar "$lib"/kafka-tools-*.jar >/dev/null
    touch "$lib/.complete" ;;
start)
    count=${3:-1}
    shift $(($# < 3 ? $# : 3))
    voters=
    for i in $(seq "$count"); do voters+=${voters:+,}$i@127.0.0.$i:$controller; done
    # All copies but one must be in sync.
    copies=$count
    in_sync=$((count > 1 ? count - 1 : 1))
    at=127.0.0.$n
    ends=PLAINTEXT://$at:$port,SSL://$at:$tls,SASL_SSL://$at:$sasl_tls,SASL_PLAINTEXT://$at:$sasl
    plain=org.apache.kafka.common.security.plain.PlainLoginModule
    scram=org.apache.kafka.common.security.scram.ScramLoginModule
    certificates
    mkdir -p "$node"
    cat >"$node/server.properties" <<P
process.roles=broker,controller
node.id=$n
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
listeners=$ends,CONTROLLER://$at:$controller
advertised.listeners=$ends
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location=$data/tls/broker.both.pem
ssl.truststore.type=PEM
ssl.truststore.location=$data/tls/ca.pem
ssl.client.auth=requested
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
log.dirs=$node/data
auto.create.topics.enable=false
default.replication.factor=$copies
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$copies
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$in_sync
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=$in_sync
group.initial.rebalance.delay.ms=0
controlled.shutdown.enable=true
P
    for listener in sasl_ssl sasl_plaintext; do
        echo "listener.name.$listener.plain.sasl.jaas.config=$plain required user_alice=\"alice-secret\";"
        for bits in 256 512; do
            echo "listener.name.$listener.scram-sha-$bits.sasl.jaas.config=$scram required;"
        done
    done >>"$node/server.properties"
    for line in "$@"; do echo "$line" >>"$node/server.properties"; done
    if [ ! -e "$node/data/meta.properties" ]; then
        user=(--add-scram 'SCRAM-SHA-256=[name=alice,password=alice-secret]'
            --add-scram 'SCRAM-SHA-512=[name=alice,password=alice-secret]')
        (run kafka.tools.StorageTool format -t ZHVtcHN0cmVhbS10ZXN0cw -c "$node/server.properties" \
            "${user[@]}") >"$node/format.log" 2>&1 || { cat "$node/format.log" >&2; exit 1; }
    fi
    cd "$node"
    nohup "$java" -Xms"$heap" -Xmx"$heap" -XX:+ExitOnOutOfMemoryError -Dkafka.log=INFO \
        -Dlog4j2.configurationFile="$here/log4j2.properties" \
        -cp "$lib/*" kafka.Kafka "$node/server.properties" >>"$node/out.log" 2>&1 </dev/null &
    echo $! >"$node/pid" ;;
wait)
    for _ in $(seq "${3:-90}"); do
        if ! kill -0 "$(cat "$node/pid")" 2>/dev/null; then
            tail -40 "$node/out.log" >&2
            exit 1
        fi
        (exec 3<>"/dev/tcp/127.0.0.$n/$port") 2>/dev/null && exit 0
        sleep 1
    done
    tail -40 "$node/out.log" >&2
    exit 1 ;;
tool)
    shift
    run "$@" ;;
stop) signal TERM ;;
kill) signal KILL ;;
pause) signal STOP ;;
resume) signal CONT ;;
# Its command line goes before its sockets do, its name goes last.
gone) while [ "$(cat "/proc/$(cat "$node/pid")/comm" 2>/dev/null)" = java ]; do sleep 0.1; done ;;
wipe) rm -rf "$node" ;;
*)
    sed -n 2,20p "$0"
    exit 2 ;;
esac
