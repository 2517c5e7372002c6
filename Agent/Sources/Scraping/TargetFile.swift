import JSON
public import Telemetry
import YAML

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

/// Reads Prometheus' `file_sd` format, in JSON or YAML: `[{"targets": ["host:port", …], "labels": {"name": "value", …}}, …]`.
///
/// Total on any bytes; a file with any fault is refused as a whole.
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

    /// The same in YAML, for files whose names end as ``isYAML(_:)`` says. A single value is taken for a text, whatever it
    /// looks like; null is an empty one.
    public static func parse(yaml bytes: [UInt8]) throws(TargetFileError) -> [TargetGroup] {
        guard bytes.count <= bytesMax else {
            throw TargetFileError(line: 1, reason: "is longer than \(bytesMax) bytes")
        }
        let root: YAMLNode?
        do throws(YAMLError) { root = try YAMLReader.read(bytes) } catch {
            throw TargetFileError(line: error.line, reason: error.message)
        }
        guard let root, !root.isNull else { return [] }
        var groups: [TargetGroup] = []
        var count = 0
        for item in try items(root, "a list of groups") {
            var group = TargetGroup()
            for (key, value) in try entries(item, "a group") {
                switch key.text {
                case "targets":
                    group.targets = try items(value, "a list of targets").map { item throws(TargetFileError) in
                        try text(item, "a target")
                    }
                    count += group.targets.count
                    guard count <= targetsMax else {
                        throw TargetFileError(line: value.line, reason: "more than \(targetsMax) targets")
                    }
                case "labels":
                    for (name, value) in try entries(value, "labels") {
                        let label = Label(try text(name, "a label's name"), try text(value, "a label's value"))
                        guard isUsable(label, after: group.labels) else {
                            throw TargetFileError(line: name.line, reason: badLabel)
                        }
                        group.labels.append(label)
                    }
                default:
                    throw TargetFileError(line: key.line, reason: "a group has \"targets\" and \"labels\" only")
                }
            }
            groups.append(group)
        }
        return groups
    }

    public static func isYAML(_ path: String) -> Bool { path.hasSuffix(".yml") || path.hasSuffix(".yaml") }

    private static func items(_ node: YAMLNode, _ what: String) throws(TargetFileError) -> [YAMLNode] {
        if node.isNull { return [] }
        guard case .sequence(let items) = node.content else { throw expected(what, node) }
        return items
    }

    private static func entries(
        _ node: YAMLNode, _ what: String
    ) throws(TargetFileError) -> [(key: YAMLNode, value: YAMLNode)] {
        guard case .mapping(let entries) = node.content else { throw expected(what, node) }
        return entries
    }

    private static func text(_ node: YAMLNode, _ what: String) throws(TargetFileError) -> String {
        guard let text = node.text else { throw expected(what, node) }
        return text
    }

    private static func expected(_ what: String, _ node: YAMLNode) -> TargetFileError {
        TargetFileError(line: node.line, reason: "\(what) was expected, not \(node.kindName)")
    }

    private static let badLabel = "too many labels, or one that is too long, empty or __name__"

    private static func isUsable(_ label: Label, after labels: [Label]) -> Bool {
        labels.count < labelsMax && label.name.utf8.count <= SeriesLimits.labelNameBytesMax
            && label.value.utf8.count <= SeriesLimits.labelValueBytesMax && !label.name.isEmpty
            && label.name != SeriesKey.nameLabel
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
            guard isUsable(label, after: labels) else { throw fault(reader, badLabel) }
            labels.removeAll { $0.name == label.name }
            labels.append(label)
        }
        return labels
    }

    private static func fault(_ reader: JSONReader, _ reason: String) -> TargetFileError {
        TargetFileError(line: reader.line(of: reader.position), reason: reason)
    }
}
