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
    /// Under `count_over_time` its samples are counts themselves, to be added up.
    var addsCounts: Bool { get }
}

extension SeriesSelection {
    package var warnings: [String] { [] }
    package var infos: [String] { [] }
    package var addsCounts: Bool { false }

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
    /// whose value has the bits ``StalenessMarker/bits``.
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

    package init() {}

    @inlinable package mutating func append(_ timestamp: Int64, _ value: Double) {
        timestamps.append(timestamp)
        values.append(value)
    }
    mutating func reserveCapacity(_ count: Int) {
        timestamps.reserveCapacity(count)
        values.reserveCapacity(count)
    }
    package mutating func removeAll() {
        timestamps.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
    }

    /// Removes staleness markers.
    /// - Complexity: O(samples), and nothing is written when there are none.
    mutating func dropStale() {
        guard var kept = values.firstIndex(where: StalenessMarker.isStale) else { return }
        for index in kept..<values.count where !StalenessMarker.isStale(values[index]) {
            values[kept] = values[index]
            timestamps[kept] = timestamps[index]
            kept += 1
        }
        values.removeLast(values.count - kept)
        timestamps.removeLast(timestamps.count - kept)
    }
}

/// Prometheus' marker that a series has ended: a NaN with bits of its own.
package enum StalenessMarker {
    package static let bits: UInt64 = 0x7FF0_0000_0000_0002
    package static var value: Double { Double(bitPattern: bits) }
    @inlinable @inline(__always)
    package static func isStale(_ value: Double) -> Bool { value.bitPattern == bits }
}
