import Telemetry

/// The symbol table of one request of remote write 2.0.
struct RemoteWriteSymbols: Sendable {
    var ranges: [Range<Int>] = []
    /// Hashed once; series are hashed over these.
    var fingerprints: [SeriesFingerprint] = []
    /// The references of the series being read.
    var references: [UInt32] = []
    /// The fingerprints that the references stand for.
    var scratch: [SeriesFingerprint] = []
}

extension RemoteWriteDecoder {
    /// `io.prometheus.write.v2.Request`: symbols 4, timeseries 5.
    mutating func decodeTwo(
        _ body: UnsafeRawBufferPointer, into columns: inout SampleColumns, _ resolve: (SeriesKey, MetricType) -> UInt32?
    ) throws(InterchangeError) -> RemoteWriteSummary {
        try readSymbols(body)
        var summary = RemoteWriteSummary()
        var reader = ProtobufReader(body)
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (5, .bytes): try decodeSeriesTwo(body, try reader.bytes(), into: &columns, &summary, resolve)
            default: try reader.skip(field.type)
            }
        }
        return summary
    }

    private mutating func readSymbols(_ body: UnsafeRawBufferPointer) throws(InterchangeError) {
        symbols.ranges.removeAll(keepingCapacity: true)
        symbols.fingerprints.removeAll(keepingCapacity: true)
        var reader = ProtobufReader(body)
        while let field = try reader.nextField() {
            guard field.number == 4, field.type == .bytes else {
                try reader.skip(field.type)
                continue
            }
            let range = try reader.bytes()
            guard symbols.ranges.count < Self.symbolsMax else {
                throw reader.error("more than \(Self.symbolsMax) symbols")
            }
            symbols.ranges.append(range)
            symbols.fingerprints.append(
                hasher.fingerprint(UnsafeRawBufferPointer(rebasing: body[range]), domain: 2))
        }
        guard symbols.ranges.first?.isEmpty != false else {
            throw InterchangeError(.body, "the first symbol must be the empty string")
        }
    }

    /// `TimeSeries`: labels_refs 1, samples 2, histograms 3, exemplars 4, metadata 5, created_timestamp 6 (of 2.0's
    /// release candidates; the final form has a start_timestamp in each sample).
    private mutating func decodeSeriesTwo(
        _ body: UnsafeRawBufferPointer, _ range: Range<Int>, into columns: inout SampleColumns,
        _ summary: inout RemoteWriteSummary, _ resolve: (SeriesKey, MetricType) -> UInt32?
    ) throws(InterchangeError) {
        var reader = ProtobufReader(body, range)
        let start = columns.count
        var created: Int64 = 0
        var metadata: Range<Int>?
        symbols.references.removeAll(keepingCapacity: true)
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .bytes): try readReferences(ProtobufReader(body, try reader.bytes()))
            case (1, .varint): symbols.references.append(UInt32(truncatingIfNeeded: try reader.varint()))
            case (2, .bytes):
                let sample = try reader.bytes()
                try Self.decodeSample(body, sample, into: &columns)
                if let time = try Self.startTimestamp(ProtobufReader(body, sample)) { created = time }
            case (3, .bytes):
                _ = try reader.bytes()
                summary.histograms += 1
            case (4, .bytes):
                _ = try reader.bytes()
                summary.exemplars += 1
            case (5, .bytes): metadata = try reader.bytes()
            case (6, .varint): created = try reader.int64()
            default: try reader.skip(field.type)
            }
        }
        let added = columns.count - start
        guard added > 0 else { return }
        guard columns.count <= samplesMax else { throw reader.error("more than \(samplesMax) samples") }
        let number = try numberTwo(body, metadata, added, &summary, resolve)
        finish(number, start, added, &columns, &summary)
        if let number, created != 0 { columns.starts.append(.init(series: number, milliseconds: created)) }
    }

    private mutating func readReferences(_ reader: ProtobufReader) throws(InterchangeError) {
        var reader = reader
        while reader.position < reader.end {
            symbols.references.append(UInt32(truncatingIfNeeded: try reader.varint()))
        }
        guard symbols.references.count <= Self.labelsMax * 2 else {
            throw reader.error("a series with more than \(Self.labelsMax) labels")
        }
    }

    private static func startTimestamp(_ reader: ProtobufReader) throws(InterchangeError) -> Int64? {
        var reader = reader
        while let field = try reader.nextField() {
            if field.number == 3, field.type == .varint { return try reader.int64() }
            try reader.skip(field.type)
        }
        return nil
    }

    private mutating func numberTwo(
        _ body: UnsafeRawBufferPointer, _ metadata: Range<Int>?, _ added: Int, _ summary: inout RemoteWriteSummary,
        _ resolve: (SeriesKey, MetricType) -> UInt32?
    ) throws(InterchangeError) -> UInt32? {
        symbols.scratch.removeAll(keepingCapacity: true)
        for reference in symbols.references {
            guard Int(reference) < symbols.fingerprints.count else {
                throw InterchangeError(.body, "symbol \(reference) of \(symbols.fingerprints.count)")
            }
            symbols.scratch.append(symbols.fingerprints[Int(reference)])
        }
        let fingerprint = symbols.scratch.withUnsafeBytes { hasher.fingerprint($0, domain: 3) }
        if let known = cache.number(of: fingerprint) { return known }
        var metadataFamily: MetricFamily?
        if let metadata { metadataFamily = try family(ProtobufReader(body, metadata)) }
        let checked = Result { () throws(InterchangeError) in try key(body) }
        if var family = metadataFamily, case .success(let key) = checked,
            summary.metadata.count < RemoteWriteSummary.metadataMax
        {
            family.name = key.name
            summary.metadata.append(family)
        }
        return place(checked, metadataFamily?.type.metricType ?? .unknown, fingerprint, added, &summary, resolve)
    }

    private func key(_ body: UnsafeRawBufferPointer) throws(InterchangeError) -> SeriesKey {
        let references = symbols.references
        guard references.count % 2 == 0 else { throw InterchangeError(.body, "a label name without a value") }
        let reader = ProtobufReader(body)
        var labels: [Label] = []
        for index in stride(from: 0, to: references.count, by: 2) {
            labels.append(
                Label(
                    try reader.string(symbols.ranges[Int(references[index])]),
                    try reader.string(symbols.ranges[Int(references[index + 1])])))
        }
        return try RemoteWriteLabels.key(labels)
    }

    /// `Metadata`: type 1, help_ref 3, unit_ref 4.
    private func family(_ reader: ProtobufReader) throws(InterchangeError) -> MetricFamily {
        var reader = reader
        var family = MetricFamily(name: "")
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .varint): family.type = FamilyType(remoteWrite: try reader.varint())
            case (3, .varint): family.help = try symbol(try reader.varint(), reader)
            case (4, .varint): family.unit = try symbol(try reader.varint(), reader)
            default: try reader.skip(field.type)
            }
        }
        return family
    }

    private func symbol(_ reference: UInt64, _ reader: ProtobufReader) throws(InterchangeError) -> String {
        guard reference < UInt64(symbols.ranges.count) else {
            throw reader.error("symbol \(reference) of \(symbols.ranges.count)")
        }
        return try reader.string(symbols.ranges[Int(reference)])
    }
}
