import Telemetry

/// Sums of the stream metrics over their labels. A series for each territory, tier, device and source says little by
/// itself and is many; what a node's streams do, their sums show.
struct StreamSums {
    static let prefix = "stagebox_stream_"

    /// One for each metric, without labels.
    private(set) var descriptors: [SeriesDescriptor] = []
    /// By handle: the place of its metric.
    private var places: [Int] = []
    private var placeOf: [String: Int] = [:]

    mutating func add(_ descriptor: SeriesDescriptor) {
        let name = descriptor.key.name
        let place = placeOf[name] ?? descriptors.count
        if place == descriptors.count {
            placeOf[name] = place
            descriptors.append(SeriesDescriptor(key: SeriesKey(name: name), type: descriptor.type))
        }
        places.append(place)
    }

    /// In the order of ``descriptors``.
    func sums(_ handles: [UInt32], _ values: [Double]) -> [Double] {
        var sums = [Double](repeating: 0, count: descriptors.count)
        for (handle, value) in zip(handles, values) where Int(handle) < places.count {
            sums[places[Int(handle)]] += value
        }
        return sums
    }
}
