import Synchronization

/// The readers of one selection: a chunk takes an idle one and gives it back, so that what a reader has opened serves
/// the next chunk too.
///
/// `@unchecked Sendable`: readers are not thread-safe, but a reader that is taken belongs to its taker alone, and the
/// list of idle ones is only touched under the lock.
final class ReaderPool: @unchecked Sendable {
    private let selection: any SeriesSelection
    private let lock = Mutex(())
    private var idle: [any SampleReader] = []

    init(_ selection: any SeriesSelection) { self.selection = selection }

    /// Runs `body` with a reader that nobody else uses.
    func withReader<Result>(_ body: (inout any SampleReader) throws -> Result) throws -> Result {
        var reader = try lock.withLock { _ in idle.popLast() } ?? selection.makeReader()
        let result = try body(&reader)
        lock.withLock { _ in idle.append(reader) }
        return result
    }
}
