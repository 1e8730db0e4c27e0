#!/bin/sh
# Everything a topic holds: its place, and the headers that say what each event is. Then it ends (-e); without -e it waits.
# TOPIC: ikd.p61.activation.v1 and the like. FORMAT: see kcat -h. Values are Avro, which consumer.py reads; receipts are JSON.
#
# Apache Kafka 4 takes SCRAM from librdkafka 2.6.1 and newer only, and the kcat of Debian 12 comes with 2.0: it gets the
# one of requirements.txt. Where kcat -V says 2.6.1 or more, the last line alone is enough.
LD_PRELOAD=$(python -c 'import confluent_kafka as c, pathlib as p; print(*p.Path(c.__file__).parents[1].glob("confluent_kafka.libs/librdkafka*"))')
export LD_PRELOAD
exec kcat -F client.properties -C -t "${TOPIC:-ikd.p61.activation.v1}" -o beginning -e -q -f "${FORMAT:-%p %o %h\n}"
