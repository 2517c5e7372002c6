package import Telemetry

/// Where the engine reads series from. A store conforms; tests use one in memory.
package protocol SeriesSource: Sendable {
    /// The series that satisfy every matcher and may have samples in the request's range, in any order. Nothing but
    /// their labels needs to be read yet.
    /// - Throws: what makes the whole query fail. A damaged part is left out and told through the selection's
    ///   warnings.
    func select(_ request: SeriesRequest) throws -> any SeriesSelection
}

/// What a selector needs.
package struct SeriesRequest: Sendable {
    package var matchers: [LabelMatcher]
    /// Milliseconds, both ends included.
    package var range: ClosedRange<Int64>
    package var hints: SelectHints

    package init(matchers: [LabelMatcher], range: ClosedRange<Int64>, hints: SelectHints = SelectHints()) {
        self.matchers = matchers
        self.range = range
        self.hints = hints
    }
}

/// What becomes of the samples, so that a source may choose how to read them. It need not look.
package struct SelectHints: Sendable, Hashable {
    /// The step at which samples are looked at, milliseconds; 0 in an instant query.
    package var step: Int64 = 0
    /// The width of the range vector's window, milliseconds; 0 for instant vectors.
    package var window: Int64 = 0
    /// The function or aggregation right around the selector.
    package var function: String?
    /// Of each series only the last sample in range is looked at; earlier ones need not be read.
    package var needsOnlyLast = false
    /// Samples around the windows are looked at, too (`anchored`, `smoothed`).
    package var isExtended = false
    /// Stretches of time that one sample of the source may stand for are at most so long, milliseconds; 0: samples as
    /// they were stored. What a source makes of longer ones must give the same answer, or be told in its infos.
    package var sourceResolutionMax = Int64.max

    package init(step: Int64 = 0, window: Int64 = 0, function: String? = nil, needsOnlyLast: Bool = false) {
        self.step = step
        self.window = window
        self.function = function
        self.needsOnlyLast = needsOnlyLast
    }
}

/// The series that a request selected, numbered from 0.
package protocol SeriesSelection: Sendable {
    var count: Int { get }
    func labels(at position: Int) -> SeriesKey
    /// The labels of some series, in order.
    /// - Parameter names: only labels with these names are asked for; nil: all.
    func labels(at positions: [Int], keeping names: [String]?) -> [SeriesKey]
    /// At most as many as chunks run at once; a reader serves one chunk after the other and may keep what
    /// neighbouring series share. Positions within a chunk ascend, those of chunks mostly do.
    func makeReader() throws -> any SampleReader
    /// What could not be read, in words; asked for after the last series was read.
    var warnings: [String] { get }
    /// What the answer rests on, where that is not the samples themselves; asked for with the warnings.
    var infos: [String] { get }
}

extension SeriesSelection {
    package var warnings: [String] { [] }
    package var infos: [String] { [] }

    package func labels(at positions: [Int], keeping names: [String]?) -> [SeriesKey] {
        positions.map { position in
            let key = labels(at: position)
            guard let names else { return key }
            return SeriesKey(canonical: key.labels.filter { names.contains($0.name) })
        }
    }
}

/// Reads the samples of a selection's series. Not thread-safe.
package protocol SampleReader {
    /// Appends the series' samples in the request's range, strictly ascending in time. Staleness markers are samples
    /// whose value has the bits ``StalenessMarker/bits``. Samples with weights, see ``SampleBuffer/weights``, may stand
    /// at one time.
    /// - Throws: ``QueryError`` `nativeHistogram` when the series has samples that are native histograms.
    mutating func read(_ position: Int, into buffer: inout SampleBuffer) throws
    /// Appends the last sample of each of some series, for requests that need no other; the time
    /// ``SampleBuffer/none`` stands for a series that has none.
    /// - Throws: as ``read(_:into:)``.
    mutating func readLast(_ positions: Range<Int>, into buffer: inout SampleBuffer) throws
}

extension SampleReader {
    package mutating func readLast(_ positions: Range<Int>, into buffer: inout SampleBuffer) throws {
        var samples = SampleBuffer()
        for position in positions {
            samples.removeAll()
            try read(position, into: &samples)
            buffer.append(samples.timestamps.last ?? SampleBuffer.none, samples.values.last ?? 0)
        }
    }
}

/// The samples of one series in columns; reused from series to series.
package struct SampleBuffer: Sendable {
    /// The time of no sample.
    package static let none = Int64.min

    /// Milliseconds.
    package var timestamps: [Int64] = []
    package var values: [Double] = []
    /// How many samples each one stands for: whole numbers from 0 on. Those that are missing at the end, mostly all, are
    /// 1. Under `count_over_time`, `avg_over_time` (whose value is then a sum) and the distance of samples that `rate`,
    /// `increase` and `delta` reckon with; other functions do not look.
    package private(set) var weights: [Double] = []

    package init() {}

    @inlinable package mutating func append(_ timestamp: Int64, _ value: Double) {
        timestamps.append(timestamp)
        values.append(value)
    }
    mutating func reserveCapacity(_ count: Int) {
        timestamps.reserveCapacity(count)
        values.reserveCapacity(count)
    }
    package mutating func append(_ timestamp: Int64, _ value: Double, weight: Double) {
        fillWeights()
        append(timestamp, value)
        weights.append(weight)
    }
    package mutating func removeAll() {
        timestamps.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        weights.removeAll(keepingCapacity: true)
    }
    package mutating func removeLast(_ count: Int) {
        timestamps.removeLast(count)
        values.removeLast(count)
        weights.removeLast(max(0, weights.count - values.count))
    }

    /// Makes the weights as many as the values.
    mutating func fillWeights() {
        guard weights.count < values.count else { return }
        weights.append(contentsOf: repeatElement(1, count: values.count - weights.count))
    }

    /// Removes staleness markers.
    /// - Complexity: O(samples), and nothing is written when there are none.
    package mutating func dropStale() {
        guard var kept = values.firstIndex(where: StalenessMarker.isStale) else { return }
        if !weights.isEmpty { fillWeights() }
        for index in kept..<values.count where !StalenessMarker.isStale(values[index]) {
            values[kept] = values[index]
            timestamps[kept] = timestamps[index]
            if !weights.isEmpty { weights[kept] = weights[index] }
            kept += 1
        }
        removeLast(values.count - kept)
    }
}

/// Prometheus' marker that a series has ended: a NaN with bits of its own.
package enum StalenessMarker {
    package static let bits: UInt64 = 0x7FF0_0000_0000_0002
    package static var value: Double { Double(bitPattern: bits) }
    @inlinable @inline(__always)
    package static func isStale(_ value: Double) -> Bool { value.bitPattern == bits }
}
