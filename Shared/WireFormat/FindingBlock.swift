public import Telemetry

/// Content of a `findings` batch before zstd: see FORMAT.md, "Finding block".
public enum FindingBlock {
    /// Of a block with a finding that is handed on.
    public static let version: UInt8 = 3
    /// Of another one with a finding of a rule; the rest are of version 1, byte for byte as before there were rules.
    private static let versionWithRules: UInt8 = 2
    private static let versionWithoutRules: UInt8 = 1
    public static let findingsMax = 256

    /// - Precondition: at most ``findingsMax`` findings within the bounds of ``Finding``.
    public static func encode(_ findings: [Finding]) -> [UInt8] {
        precondition(findings.count <= findingsMax, "\(findings.count) findings")
        var writer = ByteWriter(reserving: 256 * findings.count)
        let hasSources = findings.contains { $0.source != nil }
        let hasRules = hasSources || findings.contains { $0.rule != nil }
        writer.write(hasSources ? version : hasRules ? versionWithRules : versionWithoutRules)
        writer.write(varint: UInt64(findings.count))
        for finding in findings {
            write(finding, to: &writer)
            if hasRules { write(finding.rule, to: &writer) }
            if hasSources { write(finding.source, to: &writer) }
        }
        return writer.bytes
    }

    private static func write(_ source: Finding.Source?, to writer: inout ByteWriter) {
        guard let source else { return writer.write(0 as UInt8) }
        precondition(source.relays.count <= Finding.Source.relaysMax, "\(source.relays.count) relays")
        writer.write(source.isByPeers ? 2 : 1 as UInt8)
        writer.write(source.node)
        writer.write(varint: UInt64(source.relays.count))
        for relay in source.relays { writer.write(relay) }
        writer.write(text: source.region)
    }

    private static func write(_ rule: Finding.Rule?, to writer: inout ByteWriter) {
        guard let rule else { return writer.write(0 as UInt8) }
        writer.write(1 as UInt8)
        writer.write(text: rule.name)
        writer.write(rule.severity.rawValue)
        writer.write(littleEndian: rule.value.bitPattern)
        writer.write(littleEndian: rule.threshold.bitPattern)
    }

    private static func write(_ finding: Finding, to writer: inout ByteWriter) {
        precondition(finding.contributors.count <= Finding.contributorsMax, "contributors")
        writer.write(finding.id)
        writer.write(text: finding.group)
        writer.write(finding.since)
        writer.write(finding.until == nil ? 0 : 1 as UInt8)
        if let until = finding.until { writer.write(until) }
        writer.write(littleEndian: share(finding.score))
        writer.write(finding.peakAt)
        writer.write(varint: UInt64(finding.anomalousCount))
        writer.write(varint: UInt64(finding.contributors.count))
        for contributor in finding.contributors {
            writer.write(varint: UInt64(contributor.key.labels.count))
            for label in contributor.key.labels {
                writer.write(text: label.name)
                writer.write(text: label.value)
            }
            writer.write(littleEndian: share(contributor.share))
        }
        writer.write(varint: UInt64(finding.shape?.values.count ?? 0))
        if let shape = finding.shape, !shape.values.isEmpty {
            writer.write(shape.start)
            writer.write(varint: UInt64(max(1, shape.stepMilliseconds)))
            for value in shape.values { writer.write(littleEndian: value.bitPattern) }
        }
    }

    /// 0…1 in 65,535 steps.
    private static func share(_ value: Double) -> UInt16 { UInt16((max(0, min(1, value)) * 65_535).rounded()) }

    /// - Throws: ``WireError`` for anything that is not such a block.
    public static func decode(_ bytes: [UInt8]) throws(WireError) -> [Finding] {
        try ByteReader.reading(bytes) { (reader) throws(WireError) in
            let version = try reader.readByte("version")
            guard (versionWithoutRules...Self.version).contains(version) else { throw .unsupportedVersion(version) }
            let count = try reader.readCount("findings", max: findingsMax)
            var findings: [Finding] = []
            for _ in 0..<count {
                var finding = try read(&reader)
                if version >= versionWithRules { finding.rule = try readRule(&reader) }
                if version == Self.version { finding.source = try readSource(&reader) }
                findings.append(finding)
            }
            try reader.finish()
            return findings
        }
    }

    private static func readSource(_ reader: inout ByteReader) throws(WireError) -> Finding.Source? {
        let kind = try reader.readByte("source")
        guard kind > 0 else { return nil }
        guard kind <= 2 else { throw .invalid("source") }
        var source = Finding.Source(node: try reader.readName(AgentID.self, "node"), isByPeers: kind == 2)
        for _ in 0..<(try reader.readCount("relays", max: Finding.Source.relaysMax)) {
            source.relays.append(try reader.readName(AgentID.self, "relay"))
        }
        source.region = try reader.readText("region", max: SeriesLimits.labelValueBytesMax)
        return source
    }

    private static func readRule(_ reader: inout ByteReader) throws(WireError) -> Finding.Rule? {
        switch try reader.readByte("origin") {
        case 0: return nil
        case 1: break
        default: throw .invalid("origin")
        }
        let name = try reader.readText("rule", max: Finding.Rule.nameBytesMax)
        guard !name.isEmpty else { throw .invalid("rule") }
        guard let severity = Finding.Severity(rawValue: try reader.readByte("severity")) else {
            throw .invalid("severity")
        }
        let value = Double(bitPattern: try reader.read(littleEndian: UInt64.self, "value"))
        let threshold = Double(bitPattern: try reader.read(littleEndian: UInt64.self, "threshold"))
        guard value.isFinite, threshold.isFinite else { throw .invalid("value") }
        return Finding.Rule(name: name, severity: severity, value: value, threshold: threshold)
    }

    private static func read(_ reader: inout ByteReader) throws(WireError) -> Finding {
        let id = try reader.readIdentifier("finding")
        let group = try reader.readText("group", max: Finding.groupBytesMax)
        guard !group.isEmpty else { throw .invalid("group") }
        let since = try reader.readTimestamp("since")
        var until: Timestamp?
        switch try reader.readByte("state") {
        case 0: break
        case 1: until = try reader.readTimestamp("until")
        default: throw .invalid("state")
        }
        if let until, until < since { throw .invalid("until") }
        let score = Double(try reader.read(littleEndian: UInt16.self, "score")) / 65_535
        let peakAt = try reader.readTimestamp("peak")
        for time in [since, until, peakAt] {
            if let time, !WireLimits.times.contains(time.milliseconds) { throw .invalid("time") }
        }
        let anomalous = try reader.readVarint("anomalous samples")
        guard let anomalousCount = UInt32(exactly: anomalous) else { throw .tooLarge("anomalous samples") }
        var finding = Finding(
            id: id, group: group, since: since, until: until, score: score, peakAt: peakAt,
            anomalousCount: anomalousCount)
        for _ in 0..<(try reader.readCount("contributors", max: Finding.contributorsMax)) {
            var labels: [Label] = []
            for _ in 0..<(try reader.readCount("labels", max: SeriesLimits.labelCountMax)) {
                let name = try reader.readText("label name", max: SeriesLimits.labelNameBytesMax)
                let value = try reader.readText("label value", max: SeriesLimits.labelValueBytesMax)
                guard !value.isEmpty, labels.last.map({ $0.name < name }) ?? true else { throw .invalid("labels") }
                labels.append(Label(name, value))
            }
            let share = Double(try reader.read(littleEndian: UInt16.self, "share")) / 65_535
            finding.contributors.append(Finding.Contributor(key: SeriesKey(canonical: labels), share: share))
        }
        let values = try reader.readCount("shape", max: Finding.shapeValuesMax)
        guard values > 0 else { return finding }
        let start = try reader.readTimestamp("shape start")
        let step = try reader.readVarint("shape step")
        guard (1...86_400_000).contains(step), WireLimits.times.contains(start.milliseconds) else {
            throw .invalid("shape")
        }
        var shape = Finding.Shape(start: start, stepMilliseconds: Int64(step), values: [])
        for _ in 0..<values {
            shape.values.append(Float(bitPattern: try reader.read(littleEndian: UInt32.self, "shape value")))
        }
        finding.shape = shape
        return finding
    }
}
