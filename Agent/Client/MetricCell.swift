import CoreMetrics
import Synchronization

/// One metric's state: what swift-metrics' handlers write and the background thread reads.
final class MetricCell: Sendable {
    enum Kind: Sendable { case counter, gauge, distribution, timer }
    private struct State {
        var isSet = false
        var value = 0.0  // counter: total; gauge: last; else the sum
        var count = 0.0
        var max = -Double.infinity  // since the last reading
    }

    let kind: Kind
    let name: String
    let dimensions: [(String, String)]
    private let state = Mutex(State())

    init(_ kind: Kind, name: String, dimensions: [(String, String)]) {
        self.kind = kind
        self.name = name
        self.dimensions = dimensions
    }

    fileprivate func add(_ amount: Double) {
        state.withLock {
            $0.value += amount
            $0.isSet = true
        }
    }

    fileprivate func observe(_ value: Double) {
        state.withLock {
            $0.isSet = true
            if kind == .gauge {
                $0.value = value
            } else {
                $0.value += value
                $0.count += 1
                $0.max = Swift.max($0.max, value)
            }
        }
    }

    fileprivate func clear() {
        state.withLock { $0 = State(isSet: true) }
    }

    /// A counter from the start (so that its first increment shows), others once they have a value.
    func read(at milliseconds: Int64) -> [[UInt8]] {
        let now = state.withLock { state in
            defer { state.max = -.infinity }
            return state
        }
        func line(_ suffix: String, _ type: String, _ value: Double) -> [UInt8] {
            ClientCore.line(name + suffix, type, dimensions, value, milliseconds)
        }
        switch kind {
        case .counter: return [line("", "counter", now.value)]
        case .gauge: return now.isSet ? [line("", "gauge", now.value)] : []
        case .distribution, .timer:
            guard now.isSet else { return [] }
            var lines = [line("_count", "counter", now.count), line("_sum", "counter", now.value)]
            if now.max.isFinite { lines.append(line("_max", "gauge", now.max)) }
            return lines
        }
    }
}

extension MetricCell: CounterHandler, FloatingPointCounterHandler {
    func increment(by amount: Int64) { add(Double(amount)) }
    func increment(by amount: Double) { add(amount) }
    func reset() { clear() }
}

extension MetricCell: RecorderHandler, MeterHandler {
    func record(_ value: Int64) { observe(Double(value)) }
    func record(_ value: Double) { observe(value) }
    func set(_ value: Int64) { observe(Double(value)) }
    func set(_ value: Double) { observe(value) }
    func decrement(by amount: Double) { add(-amount) }
}

extension MetricCell: TimerHandler {
    func recordNanoseconds(_ duration: Int64) { observe(Double(duration) / 1e9) }
}
