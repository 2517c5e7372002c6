import Telemetry

/// `label_replace` and `label_join`, which look at labels only.
enum Relabeling {
    static func replace(_ frame: Frame, _ replacement: LabelReplacement) throws(QueryError) -> Frame {
        var result = frame
        for row in 0..<frame.count {
            let source = frame.labels[row][replacement.source] ?? ""
            guard let match = replacement.pattern.match(source) else { continue }
            set(replacement.target, to: match.expand(replacement.replacement), row, &result)
        }
        result.distinctness = .unknown
        try result.mergeEqualLabels()
        return result
    }

    static func join(
        _ frame: Frame, _ target: String, _ separator: String, _ sources: [String]
    ) throws(QueryError) -> Frame {
        var result = frame
        for row in 0..<frame.count {
            let text = sources.map { frame.labels[row][$0] ?? "" }.joined(separator: separator)
            set(target, to: text, row, &result)
        }
        result.distinctness = .unknown
        try result.mergeEqualLabels()
        return result
    }

    /// A name that is set stays.
    private static func set(_ target: String, to value: String, _ row: Int, _ frame: inout Frame) {
        frame.labels[row] = frame.labels[row].setting(target, to: value)
        if target == SeriesKey.nameLabel { frame.dropsName[row] = false }
    }
}
