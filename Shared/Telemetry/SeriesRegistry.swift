/// Numbers series within one process: each distinct descriptor gets the next number, for good.
///
/// Not thread-safe: its owner's thread only. Bounded by `capacity`; beyond it registration is
/// refused and the caller counts the samples it could not place.
public struct SeriesRegistry: Sendable {
    public let capacity: Int
    public private(set) var descriptors: [SeriesDescriptor] = []
    private var numbers: [SeriesKey: UInt32] = [:]

    public init(capacity: Int = 200_000) { self.capacity = capacity }

    /// - Returns: the series' number, nil when the registry is full.
    /// - Complexity: O(labels), one hash of the whole key; hot paths keep the number.
    public mutating func register(_ key: SeriesKey, _ type: MetricType) -> UInt32? {
        if let number = numbers[key] { return number }
        guard descriptors.count < capacity else { return nil }
        let number = UInt32(descriptors.count)
        descriptors.append(SeriesDescriptor(key: key, type: type))
        numbers[key] = number
        return number
    }
}
