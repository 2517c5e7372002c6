import Synchronization
import Telemetry

/// A source that counts the samples read from another.
package final class CountingSource: SeriesSource {
    private let source: any SeriesSource
    private let count = Atomic(0)

    package init(_ source: any SeriesSource) { self.source = source }

    package var samplesRead: Int { count.load(ordering: .relaxed) }

    package func select(_ request: SeriesRequest) throws -> any SeriesSelection {
        Selection(inner: try source.select(request), source: self)
    }

    private struct Selection: SeriesSelection {
        let inner: any SeriesSelection
        let source: CountingSource
        var count: Int { inner.count }
        var warnings: [String] { inner.warnings }
        var infos: [String] { inner.infos }
        func labels(at position: Int) -> SeriesKey { inner.labels(at: position) }
        func labels(at positions: [Int], keeping names: [String]?) -> [SeriesKey] {
            inner.labels(at: positions, keeping: names)
        }
        func makeReader() throws -> any SampleReader { Reader(inner: try inner.makeReader(), source: source) }
    }

    private struct Reader: SampleReader {
        var inner: any SampleReader
        let source: CountingSource
        mutating func read(_ position: Int, into buffer: inout SampleBuffer) throws {
            let before = buffer.values.count
            try inner.read(position, into: &buffer)
            source.count.wrappingAdd(buffer.values.count - before, ordering: .relaxed)
        }
        mutating func readLast(_ positions: Range<Int>, into buffer: inout SampleBuffer) throws {
            let before = buffer.timestamps.count
            try inner.readLast(positions, into: &buffer)
            let found = buffer.timestamps[before...].count(where: { $0 != SampleBuffer.none })
            source.count.wrappingAdd(found, ordering: .relaxed)
        }
    }
}
