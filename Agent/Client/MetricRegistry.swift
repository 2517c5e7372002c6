import Synchronization

/// The metrics of a service, by name and dimensions; bounded.
final class MetricRegistry: Sendable {
    private struct Key: Hashable {
        var name: String
        var dimensions: [String]
    }
    private struct State {
        var cells: [Key: MetricCell] = [:]
        var refused = 0
    }

    let capacity: Int
    private let state = Mutex(State())

    init(capacity: Int) { self.capacity = capacity }

    var refused: Int { state.withLock { $0.refused } }

    /// The cell of a metric, made if need be. Where the registry is full, the cell works but is read by nobody.
    func cell(_ kind: MetricCell.Kind, _ label: String, _ dimensions: [(String, String)]) -> MetricCell {
        let sorted = dimensions.sorted { $0.0 < $1.0 }
        let name = Self.name(label, kind)
        let key = Key(name: name, dimensions: sorted.flatMap { [$0.0, $0.1] })
        return state.withLock { state in
            if let cell = state.cells[key] { return cell }
            let cell = MetricCell(kind, name: name, dimensions: sorted)
            if state.cells.count < capacity { state.cells[key] = cell } else { state.refused += 1 }
            return cell
        }
    }

    func remove(_ cell: MetricCell) {
        let key = Key(name: cell.name, dimensions: cell.dimensions.flatMap { [$0.0, $0.1] })
        state.withLock { state in
            if state.cells[key] === cell { state.cells[key] = nil }
        }
    }

    /// One JSON line for each series.
    func read(at milliseconds: Int64) -> [[UInt8]] {
        state.withLock { Array($0.cells.values) }.flatMap { $0.read(at: milliseconds) }
    }

    /// As Prometheus names metrics: other characters become `_`; counters end in `_total`, timers in `_seconds`.
    private static func name(_ label: String, _ kind: MetricCell.Kind) -> String {
        var name = ""
        for scalar in label.unicodeScalars {
            let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
            name.unicodeScalars.append(isPlain || scalar == "_" || scalar == ":" ? scalar : "_")
        }
        if name.first?.isNumber ?? true { name = "_" + name }
        switch kind {
        case .counter: return name.hasSuffix("_total") ? name : name + "_total"
        case .timer: return name.hasSuffix("_seconds") ? name : name + "_seconds"
        case .gauge, .distribution: return name
        }
    }
}
