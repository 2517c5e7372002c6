import API
import AggregatorCore
import Dispatch
import Store
import Synchronization
import Testing

@Suite("Commits of pushes") struct PushCommitsTests {
    private struct Failed: Error {}

    @Test("what comes while something is committed is committed together, and everyone is answered once")
    func together() throws {
        let (begun, goes, ended) = (
            DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)
        )
        let commits = Mutex(0)
        let answers = Mutex<[Int: Int]>([:])
        let pushes = PushCommits(itemsMax: 5, bytesMax: 1000) { _ in
            let number = commits.withLock { count in
                count += 1
                return count
            }
            if number == 1 {
                begun.signal()
                goes.wait()
            }
            return number == 2 ? .failure(Failed()) : .success(())
        }
        @Sendable func add(_ number: Int) throws {
            try pushes.add([], bytes: 100) { result in
                let isDurable = (try? result.get()) != nil
                answers.withLock { $0[number, default: 0] += isDurable ? 1 : 10 }
            }
        }
        DispatchQueue.global().async {
            try? add(0)
            ended.signal()
        }
        begun.wait()
        for number in 1...5 { try add(number) }
        #expect(throws: PushError.self) { try add(6) }
        #expect(answers.withLock { $0.isEmpty })
        goes.signal()
        ended.wait()
        #expect(answers.withLock { $0 } == [0: 1, 1: 10, 2: 10, 3: 10, 4: 10, 5: 10])
        #expect(commits.withLock { $0 } == 2)
        try add(7)
        #expect(answers.withLock { $0[7] } == 1)
    }

    @Test("too many bytes wait for none, and after the end nothing is committed")
    func bounds() throws {
        let commits = Mutex(0)
        let pushes = PushCommits(itemsMax: 5, bytesMax: 10) { _ in
            commits.withLock { $0 += 1 }
            return .success(())
        }
        try pushes.add([], bytes: 1000) { _ in }
        pushes.close()
        #expect(throws: PushError.self) { try pushes.add([], bytes: 1) { _ in } }
        #expect(throws: PushError.self) { try pushes.commitNow([]).get() }
        #expect(commits.withLock { $0 } == 1)
    }
}
