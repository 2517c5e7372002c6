import Telemetry

/// The rules that both versions of the specification have for the labels of a series.
enum RemoteWriteLabels {
    /// From the label fields of a `prometheus.TimeSeries`, tags and lengths included.
    static func key(fields: UnsafeRawBufferPointer) throws(InterchangeError) -> SeriesKey {
        var labels: [Label] = []
        var reader = ProtobufReader(fields)
        while try reader.nextField() != nil {
            var part = ProtobufReader(fields, try reader.bytes())
            var label = Label("", "")
            while let field = try part.nextField() {
                switch (field.number, field.type) {
                case (1, .bytes): label.name = try part.string()
                case (2, .bytes): label.value = try part.string()
                default: try part.skip(field.type)
                }
            }
            labels.append(label)
            guard labels.count <= RemoteWriteDecoder.labelsMax else {
                throw InterchangeError(.body, "a series with more than \(RemoteWriteDecoder.labelsMax) labels")
            }
        }
        return try key(labels)
    }

    /// Names are there, not empty and given once, the metric's among them. Order is the sender's duty, but does not
    /// change what a series is, so labels out of order are sorted as Prometheus' receiver does; a label with an empty
    /// value is the same as none.
    static func key(_ labels: [Label]) throws(InterchangeError) -> SeriesKey {
        guard !labels.contains(where: \.name.isEmpty) else {
            throw InterchangeError(.body, "a label with an empty name")
        }
        if let name = LineCursor.repeated(labels) {
            throw InterchangeError(.body, "label \"\(name.prefix(64))\" is given twice")
        }
        let key = SeriesKey(labels: labels)
        guard !key.name.isEmpty else { throw InterchangeError(.body, "a series without \(SeriesKey.nameLabel)") }
        return key
    }
}
