package import Telemetry

/// The labels of a result: sorted by name, each name once, no empty values.
package struct LabelSet: Sendable, Hashable, CustomStringConvertible {
    package static let empty = LabelSet(sorted: [])

    package let labels: [Label]

    init(sorted labels: [Label]) { self.labels = labels }
    package init(_ key: SeriesKey) { labels = key.labels }

    package subscript(name: String) -> String? {
        for label in labels where label.name == name { return label.value }
        return nil
    }
    var metricName: String { self[SeriesKey.nameLabel] ?? "" }

    /// Whether both hold the very same labels in memory; those of equal labels need not.
    func isShared(with other: LabelSet) -> Bool {
        labels.count == other.labels.count
            && labels.withUnsafeBufferPointer { one in
                other.labels.withUnsafeBufferPointer { one.baseAddress == $0.baseAddress }
            }
    }

    func keeping(_ names: [String]) -> LabelSet { LabelSet(sorted: labels.filter { names.contains($0.name) }) }
    func dropping(_ names: [String]) -> LabelSet {
        labels.contains { names.contains($0.name) }
            ? LabelSet(sorted: labels.filter { !names.contains($0.name) }) : self
    }

    /// What Prometheus removes with the name: type and unit with it.
    private static let metadataLabels = [SeriesKey.nameLabel, "__type__", "__unit__"]
    var withoutMetadata: LabelSet { dropping(Self.metadataLabels) }

    /// An empty value removes the label.
    func setting(_ name: String, to value: String) -> LabelSet {
        var result = labels
        if let index = result.firstIndex(where: { $0.name >= name }) {
            if result[index].name == name {
                if value.isEmpty { result.remove(at: index) } else { result[index].value = value }
            } else if !value.isEmpty {
                result.insert(Label(name, value), at: index)
            }
        } else if !value.isEmpty {
            result.append(Label(name, value))
        }
        return LabelSet(sorted: result)
    }

    /// `{__name__="up", job="x"}`.
    package var description: String {
        "{"
            + labels.map { label in
                let name = LabelName.isPlain(label.name) ? label.name : GoText.quoted(label.name)
                return "\(name)=\(GoText.quoted(label.value))"
            }.joined(separator: ", ") + "}"
    }

    /// Prometheus' order of label sets: label by label, names before values, the shorter set first.
    static func precedes(_ left: LabelSet, _ right: LabelSet) -> Bool {
        for (one, other) in zip(left.labels, right.labels) where one != other {
            return one.name == other.name ? one.value < other.value : one.name < other.name
        }
        return left.labels.count < right.labels.count
    }
}

enum LabelName {
    /// Needs no quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
    static func isPlain(_ name: String) -> Bool {
        guard let first = name.utf8.first, Lexer.isAlpha(first) else { return false }
        return name.utf8.allSatisfy(Lexer.isAlphanumeric)
    }
}
