import RuntimeSupport
import Telemetry
import Testing

@Suite("runtime support")
struct RuntimeSupportTests {
    @Test("a queue refuses at its bounds and keeps the order")
    func queue() {
        let queue = BoundedQueue<Int>(itemsMax: 3, bytesMax: 10)
        #expect(queue.push(1, bytes: 4))
        #expect(queue.push(2, bytes: 4))
        #expect(!queue.push(3, bytes: 4), "over the byte bound")
        #expect(queue.push(3, bytes: 2))
        #expect(!queue.push(4, bytes: 0), "over the item bound")
        #expect(queue.depth.items == 3)
        #expect(queue.pop(max: 2, waitMilliseconds: 0) == [1, 2])
        #expect(queue.depth.bytes == 2)
        #expect(queue.pop(max: 9, waitMilliseconds: 0) == [3])
        #expect(queue.pop(max: 1, waitMilliseconds: 0) == [])
    }

    @Test("one element larger than the byte bound still passes an empty queue")
    func largeElement() {
        let queue = BoundedQueue<Int>(itemsMax: 2, bytesMax: 10)
        #expect(queue.push(1, bytes: 100))
        #expect(!queue.push(2, bytes: 1))
    }

    @Test("a closed queue gives out what it holds and takes nothing more")
    func closing() {
        let queue = BoundedQueue<Int>(itemsMax: 2)
        _ = queue.push(1)
        queue.close()
        #expect(!queue.push(2))
        #expect(!queue.isFinished)
        #expect(queue.pop(max: 2, waitMilliseconds: 1000) == [1])
        #expect(queue.isFinished)
    }

    @Test("a long-lived queue reuses its memory in order")
    func reuse() {
        let queue = BoundedQueue<Int>(itemsMax: 5000)
        var next = 0
        for round in 0..<20_000 {
            #expect(queue.push(round))
            if round % 3 == 2 {
                for value in queue.pop(max: 3, waitMilliseconds: 0) {
                    #expect(value == next)
                    next += 1
                }
            }
        }
    }

    @Test("back-off grows to its cap, stays above its floor and starts over")
    func backoff() {
        var generator = SeededGenerator(seed: 7)
        var backoff = Backoff(baseMilliseconds: 100, capMilliseconds: 1000, floorMilliseconds: 10)
        let delays = (0..<200).map { _ in backoff.nextDelayMilliseconds(using: &generator) }
        #expect(delays[0] <= 100)
        #expect(delays.allSatisfy { (10...1000).contains($0) })
        #expect(delays.suffix(100).contains { $0 > 500 })
        backoff.reset()
        let first = backoff.nextDelayMilliseconds(using: &generator)
        #expect(first <= 100)
    }

    @Test("one seed gives one sequence")
    func seeds() {
        var (left, right) = (SeededGenerator(seed: 3), SeededGenerator(seed: 3))
        let pairs = (0..<50).map { _ in (left.next(), right.next()) }
        #expect(pairs.allSatisfy { $0 == $1 })
        // The first output of SplitMix64 for seed 0, as published with the algorithm.
        var zero = SeededGenerator(seed: 0)
        let first = zero.next()
        #expect(first == 0xe220_a839_7b1d_cdaf)
    }

    @Test("manual time moves only when told, and a step leaves the monotonic clock alone")
    func time() {
        let time = ManualTimeSource(now: Timestamp(seconds: 10), monotonicNanoseconds: 5)
        time.advance(milliseconds: 1500)
        #expect(time.now == Timestamp(milliseconds: 11_500))
        #expect(time.monotonicNanoseconds == 1_500_000_005)
        time.stepWallClock(milliseconds: -3_600_000)
        #expect(time.now == Timestamp(milliseconds: 11_500 - 3_600_000))
        #expect(time.monotonicNanoseconds == 1_500_000_005)
    }

    @Test("own metrics add, set, clear and list in order")
    func metrics() {
        let metrics = OwnMetrics()
        metrics.add("b_total", 2, "reason", "x")
        metrics.add("b_total", 3, "reason", "x")
        metrics.set("a", 1)
        #expect(metrics.value("b_total", "reason", "x") == 5)
        #expect(metrics.readings().map(\.key.name) == ["a", "b_total"])
        metrics.clear("b_total")
        #expect(metrics.readings().count == 1)
    }
}
