import Glibc
import RuntimeSupport
import Store
import Synchronization
import Telemetry
import TestSupport
import Testing

/// A thread that runs to its end; joined by ``wait()``.
final class Worker {
    private var handle = pthread_t()
    init(_ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Box(body))
        pthread_create(
            &handle, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<Box>.fromOpaque(raw).takeRetainedValue().body()
                return nil
            }, box.toOpaque())
    }
    func wait() { pthread_join(handle, nil) }
    private final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}

@Suite(.ownThread) struct ConcurrencyTests {
    @Test("readers beside commits and compaction see every committed sample once")
    func readersBesideWriter() throws {
        let test = try StoreUnderTest(StoreConfiguration(levelZeroMillisecondsMax: 0))
        let store = test.store
        try test.commit(from: TestBlocks.start)
        let committed = Atomic<Int>(1)
        let isDone = Atomic<Bool>(false)
        let failures = Mutex<[String]>([])
        let readers = (0..<2).map { _ in
            Worker {
                while !isDone.load(ordering: .acquiring) {
                    let before = committed.load(ordering: .acquiring)
                    do {
                        var cursor = try store.samples([.equal("number", "3")], in: .distantPast ... .distantFuture)
                        let found = try cursor.next()?.timestamps.count ?? 0
                        let after = committed.load(ordering: .acquiring) + 1
                        if found < before * 10 || found > after * 10 {
                            failures.withLock { $0.append("\(found) samples, \(before) to \(after) batches") }
                        }
                    } catch {
                        failures.withLock { $0.append("\(error)") }
                    }
                }
            }
        }
        let compactor = Worker {
            while !isDone.load(ordering: .acquiring) {
                do { _ = try store.compactStep(isDraining: true) } catch { failures.withLock { $0.append("\(error)") } }
            }
        }
        for step in 1..<60 {
            try test.commit(from: TestBlocks.start.advanced(byMilliseconds: Int64(step) * 10_000))
            committed.store(step + 1, ordering: .releasing)
        }
        isDone.store(true, ordering: .releasing)
        for worker in readers + [compactor] { worker.wait() }
        #expect(failures.withLock { Array($0.prefix(5)) } == [])
        #expect(try TestBlocks.everything(store) == test.oracle)
        test.close()
    }
}
