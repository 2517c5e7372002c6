#!/usr/bin/env python3
"""Makes the bodies beside this file with encoders that are not ours: the protobuf and python-snappy of PyPI.

    python3 -m venv venv && venv/bin/pip install protobuf python-snappy \
        opentelemetry-sdk opentelemetry-exporter-otlp-proto-http && venv/bin/python make-bodies.py
"""
import os
import struct

import snappy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

F = descriptor_pb2.FieldDescriptorProto
KINDS = {
    "string": F.TYPE_STRING, "double": F.TYPE_DOUBLE, "int64": F.TYPE_INT64, "uint32": F.TYPE_UINT32,
    "uint64": F.TYPE_UINT64, "int32": F.TYPE_INT32,
}


def schema(package, messages):
    """Messages as {name: [(field, number, kind, repeated)]}; other kinds are names of messages."""
    file = descriptor_pb2.FileDescriptorProto(name=package + ".proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            entry = message.field.add(name=field, number=number)
            entry.label = F.LABEL_REPEATED if repeated else F.LABEL_OPTIONAL
            if kind in KINDS:
                entry.type = KINDS[kind]
            else:
                entry.type = F.TYPE_MESSAGE
                entry.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


def write(name, body):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".hex"), "w") as file:
        text = body.hex()
        file.write("\n".join(text[at : at + 120] for at in range(0, len(text), 120)) + "\n")


STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


def remote_write_one():
    types = schema(
        "prometheus",
        {
            "Label": [("name", 1, "string", False), ("value", 2, "string", False)],
            "Sample": [("value", 1, "double", False), ("timestamp", 2, "int64", False)],
            "Exemplar": [("labels", 1, "Label", True), ("value", 2, "double", False), ("timestamp", 3, "int64", False)],
            "Histogram": [("count_int", 1, "uint64", False), ("sum", 3, "double", False), ("timestamp", 15, "int64", False)],
            "TimeSeries": [
                ("labels", 1, "Label", True), ("samples", 2, "Sample", True), ("exemplars", 3, "Exemplar", True),
                ("histograms", 4, "Histogram", True),
            ],
            "MetricMetadata": [
                ("type", 1, "int32", False), ("metric_family_name", 2, "string", False), ("help", 4, "string", False),
                ("unit", 5, "string", False),
            ],
            "WriteRequest": [("timeseries", 1, "TimeSeries", True), ("metadata", 3, "MetricMetadata", True)],
        },
    )
    request = types["WriteRequest"]()

    def add(labels, samples=()):
        series = request.timeseries.add()
        for name, value in labels:
            series.labels.add(name=name, value=value)
        for timestamp, value in samples:
            series.samples.add(timestamp=timestamp, value=value)
        return series

    add([("__name__", "up"), ("instance", "a:9090"), ("job", "☃")], [(1700000000000, 1.0), (1700000015000, STALE)])
    add([("__name__", "temp")], [(-5, -0.5), (0, 0.0)]).exemplars.add(value=1, timestamp=2).labels.add(name="t", value="x")
    add([("__name__", "latency")]).histograms.add(count_int=3, sum=1.5, timestamp=1700000000000)
    add([("__name__", "twice"), ("a", "1"), ("a", "2")], [(1, 1.0)])
    add([("a", "1")], [(1, 1.0), (2, 2.0)])
    add([("__name__", "unsorted"), ("z", "1"), ("a", "2"), ("e", "")], [(1700000000000, 7.0)])
    request.metadata.add(type=2, metric_family_name="temp", help="Warmth.", unit="celsius")
    body = request.SerializeToString()
    write("remote-write-1", body)
    write("remote-write-1-snappy", snappy.compress(body))


def remote_write_two():
    types = schema(
        "io.prometheus.write.v2",
        {
            "Sample": [("value", 1, "double", False), ("timestamp", 2, "int64", False), ("start_timestamp", 3, "int64", False)],
            "Histogram": [("count_int", 1, "uint64", False)],
            "Exemplar": [("labels_refs", 1, "uint32", True), ("value", 2, "double", False)],
            "Metadata": [("type", 1, "int32", False), ("help_ref", 3, "uint32", False), ("unit_ref", 4, "uint32", False)],
            "TimeSeries": [
                ("labels_refs", 1, "uint32", True), ("samples", 2, "Sample", True), ("histograms", 3, "Histogram", True),
                ("exemplars", 4, "Exemplar", True), ("metadata", 5, "Metadata", False),
                ("created_timestamp", 6, "int64", False),
            ],
            "Request": [("symbols", 4, "string", True), ("timeseries", 5, "TimeSeries", True)],
        },
    )
    request = types["Request"](symbols=["", "__name__", "requests_total", "path", "/a", "/b", "Requests so far.", "requests"])
    first = request.timeseries.add(labels_refs=[1, 2, 3, 4], created_timestamp=1690000000000)
    first.samples.add(value=5, timestamp=1700000000000)
    first.samples.add(value=6, timestamp=1700000015000)
    first.metadata.type, first.metadata.help_ref, first.metadata.unit_ref = 1, 6, 7
    second = request.timeseries.add(labels_refs=[1, 2, 3, 5])
    second.samples.add(value=STALE, timestamp=1700000000000, start_timestamp=1690000000001)
    second.exemplars.add(labels_refs=[3, 4], value=1)
    second.histograms.add(count_int=4)
    bad = request.timeseries.add(labels_refs=[3, 4])
    bad.samples.add(value=1, timestamp=1)
    write("remote-write-2", request.SerializeToString())


def otlp():
    from google.protobuf import json_format
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
    from opentelemetry.sdk.resources import Resource

    reader = InMemoryMetricReader()
    view = View(instrument_name="*.duration", aggregation=ExplicitBucketHistogramAggregation([0.005, 1, 10]))
    resource = Resource(
        {
            "service.name": "encoder", "service.namespace": "studio", "service.instance.id": "a-1",
            "host.name": "node-7", "ports": [80, 443],
        }
    )
    meter = MeterProvider(metric_readers=[reader], resource=resource, views=[view]).get_meter("golden", "1.0")
    requests = meter.create_counter("http.server.requests", "{request}", "Requests so far.")
    requests.add(5, {"http.route": "/live", "secure": True})
    requests.add(2, {"http.route": "/\u2603"})
    meter.create_up_down_counter("queue.length", "1").add(-3)
    meter.create_gauge("memory.utilization", "1").set(0.25)
    meter.create_counter("sent", "By").add(1.5)
    duration = meter.create_histogram("http.server.duration", "s")
    for seconds in (0.001, 0.5, 2, 20):
        duration.record(seconds)
    message = encode_metrics(reader.get_metrics_data())
    # The service's request has the same wire form; times are fixed so that the file does not change.
    for part in message.resource_metrics:
        for scope in part.scope_metrics:
            for metric in scope.metrics:
                for point in getattr(metric, metric.WhichOneof("data")).data_points:
                    point.time_unix_nano = 1700000015123456789
                    if point.start_time_unix_nano:
                        point.start_time_unix_nano = 1700000000000000000
                    for exemplar in point.exemplars:
                        exemplar.time_unix_nano = 1700000015000000000
    write("otlp", message.SerializeToString(deterministic=True))
    text = json_format.MessageToJson(message, use_integers_for_enums=True, indent=1)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "otlp.json"), "w") as file:
        file.write(text + "\n")


if __name__ == "__main__":
    remote_write_one()
    remote_write_two()
    otlp()
