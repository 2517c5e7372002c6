import JSON
public import Telemetry

/// A group of targets that share labels.
public struct TargetGroup: Sendable, Equatable {
    /// `host:port`
    public var targets: [String] = []
    public var labels: [Label] = []
    public init() {}
}

/// Why a file of targets cannot be used.
public struct TargetFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// From 1.
    public var line: Int
    public var reason: String
    public var description: String { "line \(line): \(reason)" }
}

/// Reads Prometheus' `file_sd` format in JSON: `[{"targets": ["host:port", …], "labels": {"name": "value", …}}, …]`.
///
/// Total on any bytes; a file with any fault is refused as a whole. Prometheus' YAML form is not read: the settings'
/// subset of YAML has no lists.
public enum TargetFile {
    public static let bytesMax = 1 << 20
    public static let targetsMax = 1000
    public static let labelsMax = 32

    public static func parse(_ bytes: UnsafeRawBufferPointer) throws(TargetFileError) -> [TargetGroup] {
        guard bytes.count <= bytesMax else {
            throw TargetFileError(line: 1, reason: "is longer than \(bytesMax) bytes")
        }
        var reader = JSONReader(bytes)
        do {
            return try groups(&reader)
        } catch let error as TargetFileError {
            throw error
        } catch let error as JSONError {
            throw TargetFileError(line: reader.line(of: error.offset), reason: "\(error)")
        } catch {
            throw TargetFileError(line: 1, reason: "\(error)")
        }
    }

    private static func groups(_ reader: inout JSONReader) throws -> [TargetGroup] {
        var groups: [TargetGroup] = []
        var count = 0
        try reader.enterArray()
        while try reader.nextElement() {
            var group = TargetGroup()
            try reader.enterObject()
            while let key = try reader.nextKey() {
                if reader.matches(key, "targets") {
                    try reader.enterArray()
                    while try reader.nextElement() {
                        group.targets.append(try reader.readString())
                        count += 1
                        guard count <= targetsMax else {
                            throw fault(reader, "more than \(targetsMax) targets")
                        }
                    }
                } else if reader.matches(key, "labels") {
                    group.labels = try labels(&reader)
                } else {
                    throw fault(reader, "a group has \"targets\" and \"labels\" only")
                }
            }
            groups.append(group)
        }
        reader.skipWhitespace()
        guard reader.isAtEnd else { throw fault(reader, "text after the array") }
        return groups
    }

    private static func labels(_ reader: inout JSONReader) throws -> [Label] {
        var labels: [Label] = []
        try reader.enterObject()
        while let key = try reader.nextKey() {
            let label = Label(try reader.decode(key), try reader.readString())
            guard labels.count < labelsMax, label.name.utf8.count <= SeriesLimits.labelNameBytesMax,
                label.value.utf8.count <= SeriesLimits.labelValueBytesMax, !label.name.isEmpty,
                label.name != SeriesKey.nameLabel
            else { throw fault(reader, "too many labels, or one that is too long, empty or __name__") }
            labels.removeAll { $0.name == label.name }
            labels.append(label)
        }
        return labels
    }

    private static func fault(_ reader: JSONReader, _ reason: String) -> TargetFileError {
        TargetFileError(line: reader.line(of: reader.position), reason: reason)
    }
}
