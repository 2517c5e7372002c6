/// The unit of the timestamps in a body of line protocol.
public enum InfluxPrecision: Sendable, CaseIterable {
    case nanoseconds, microseconds, milliseconds, seconds, minutes, hours

    /// As the `precision` parameter of InfluxDB's write endpoints spells it; none means nanoseconds.
    public init?(parameter: String?) {
        switch parameter {
        case nil, "", "n", "ns": self = .nanoseconds
        case "u", "us", "µ", "µs": self = .microseconds
        case "ms": self = .milliseconds
        case "s": self = .seconds
        case "m": self = .minutes
        case "h": self = .hours
        default: return nil
        }
    }

    /// - Returns: whole milliseconds, rounded down; nil when they do not fit.
    func milliseconds(_ value: Int64) -> Int64? {
        let scale: (multiply: Int64, divide: Int64) =
            switch self {
            case .nanoseconds: (1, 1_000_000)
            case .microseconds: (1, 1000)
            case .milliseconds: (1, 1)
            case .seconds: (1000, 1)
            case .minutes: (60_000, 1)
            case .hours: (3_600_000, 1)
            }
        let (product, isOver) = value.multipliedReportingOverflow(by: scale.multiply)
        guard !isOver else { return nil }
        return product >= 0 ? product / scale.divide : (product + 1) / scale.divide - 1
    }
}
