import Synchronization

/// The program's own counters and gauges, `stagebox_<part>_<thing>_<unit>[_total]`.
///
/// Names and label values are constants of the code, so the set is bounded by construction.
public final class OwnMetrics: Sendable {
    public enum Kind: String, Sendable { case counter, gauge }

    public struct Key: Hashable, Sendable, Comparable {
        public let name: String
        public let labels: [String]  // name, value, name, value …
        public static func < (left: Key, right: Key) -> Bool {
            left.name == right.name ? left.labels.lexicographicallyPrecedes(right.labels) : left.name < right.name
        }
    }

    public struct Reading: Sendable {
        public let key: Key
        public let kind: Kind
        public let value: Double
    }

    private let values = Mutex<[Key: (kind: Kind, value: Double)]>([:])

    public init() {}

    /// Adds to a counter. `labels` alternates names and values.
    public func add(_ name: StaticString, _ amount: Double = 1, _ labels: String...) {
        let key = Key(name: String(describing: name), labels: labels)
        values.withLock { $0[key, default: (.counter, 0)].value += amount }
    }

    public func set(_ name: StaticString, _ value: Double, _ labels: String...) {
        let key = Key(name: String(describing: name), labels: labels)
        values.withLock { $0[key] = (.gauge, value) }
    }

    public func set(_ name: StaticString, _ value: Double, labels: [String]) {
        let key = Key(name: String(describing: name), labels: labels)
        values.withLock { $0[key] = (.gauge, value) }
    }

    /// Forgets every reading of a name, for sets of labels that come and go.
    public func clear(_ name: StaticString) {
        let name = String(describing: name)
        values.withLock { values in values = values.filter { $0.key.name != name } }
    }

    public func value(_ name: String, _ labels: String...) -> Double? {
        values.withLock { $0[Key(name: name, labels: labels)]?.value }
    }

    /// All readings, ordered by name and labels.
    public func readings() -> [Reading] {
        values.withLock { $0.map { Reading(key: $0.key, kind: $0.value.kind, value: $0.value.value) } }
            .sorted { $0.key < $1.key }
    }
}
