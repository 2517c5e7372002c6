import Telemetry

/// Names of other worlds as Prometheus writes them.
public enum SourceNames {
    /// Labels that the aggregator sets from the agent's enrolment; a source's own become `exported_…`.
    public static let enrolmentLabels: Set<String> = ["instance", "job", "region", "site", SeriesKey.relayLabel]
    /// Names that the agent's own series bear.
    public static let reservedPrefixes = ["stagebox_", "node_"]
    /// The quantiles of every summary that a source makes.
    public static let quantiles: [(label: String, value: Double)] = [
        ("0.5", 0.5), ("0.9", 0.9), ("0.95", 0.95), ("0.99", 0.99),
    ]

    /// A metric's name: every byte outside `[a-zA-Z0-9_:]` becomes `_`, a leading digit gets one in front.
    /// - Returns: nil for an empty name or one of more than 256 bytes.
    public static func metric(_ bytes: some Collection<UInt8>) -> String? { name(bytes, colons: true) }

    /// A label's name: the same without colons; names that begin with `__` are Prometheus' own.
    public static func label(_ bytes: some Collection<UInt8>) -> String? {
        guard let name = name(bytes, colons: false), !name.hasPrefix("__") else { return nil }
        return enrolmentLabels.contains(name) ? "exported_\(name)" : name
    }

    private static func name(_ bytes: some Collection<UInt8>, colons: Bool) -> String? {
        guard let first = bytes.first, bytes.count <= SeriesLimits.labelNameBytesMax else { return nil }
        var mapped: [UInt8] = []
        mapped.reserveCapacity(bytes.count + 1)
        if (0x30...0x39).contains(first) { mapped.append(UInt8(ascii: "_")) }
        for byte in bytes {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: mapped.append(byte)
            case UInt8(ascii: ":") where colons: mapped.append(byte)
            default: mapped.append(UInt8(ascii: "_"))
            }
        }
        return String(decoding: mapped, as: UTF8.self)
    }

    public static func isReserved(_ name: String) -> Bool { reservedPrefixes.contains { name.hasPrefix($0) } }
}

/// A number as text formats write it: digits, sign, point, exponent.
public enum SourceNumber {
    /// Digits of longer numbers are not looked at.
    public static let bytesMax = 64

    /// - Returns: nil for anything else than a finite decimal number.
    public static func parse(_ bytes: some Collection<UInt8>) -> Double? {
        guard !bytes.isEmpty, bytes.count <= bytesMax else { return nil }
        for byte in bytes {
            switch byte {
            case 0x30...0x39, UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "e"),
                UInt8(ascii: "E"):
                continue
            default: return nil
            }
        }
        guard let value = Double(String(decoding: bytes, as: UTF8.self)), value.isFinite else { return nil }
        return value
    }
}
