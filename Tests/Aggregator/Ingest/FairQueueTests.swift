import Ingest
import Telemetry
import Testing

@Suite("fair queue")
struct FairQueueTests {
    private let flood = TenantID(unchecked: "flood")
    private let quiet = TenantID(unchecked: "quiet")

    @Test("a tenant that floods does not delay another by more than one turn")
    func roundRobin() {
        let queue = FairQueue<String>(itemsPerTenantMax: 100, bytesPerTenantMax: 1000)
        for index in 0..<150 { _ = queue.push("flood \(index)", of: flood, bytes: 1) }
        #expect(queue.push("quiet", of: quiet, bytes: 1))
        #expect(queue.pop(max: 3, waitMilliseconds: 0) == ["flood 0", "quiet", "flood 1"])
        #expect(queue.depth(of: flood).items == 98 && queue.depth(of: flood).refused == 50)
        #expect(queue.pop(max: 1000, waitMilliseconds: 0).count == 98)
        #expect(queue.pop(max: 1, waitMilliseconds: 1).isEmpty)
    }

    @Test("bytes are bounded too, but one item always fits")
    func bytes() {
        let queue = FairQueue<Int>(itemsPerTenantMax: 100, bytesPerTenantMax: 10)
        #expect(queue.push(1, of: flood, bytes: 50))
        #expect(!queue.push(2, of: flood, bytes: 1))
        #expect(queue.pop(max: 1, waitMilliseconds: 0) == [1])
        #expect(queue.push(3, of: flood, bytes: 6) && queue.push(4, of: flood, bytes: 4))
        #expect(!queue.push(5, of: flood, bytes: 1))
    }

    @Test("order within a tenant is kept, and closing drains")
    func order() {
        let queue = FairQueue<Int>(itemsPerTenantMax: 10_000, bytesPerTenantMax: 1 << 20)
        var taken: [Int] = []
        for index in 0..<5000 {
            #expect(queue.push(index, of: flood, bytes: 1))
            if index % 3 == 0 { taken += queue.pop(max: 2, waitMilliseconds: 0) }
        }
        queue.close()
        #expect(!queue.push(9, of: flood, bytes: 1))
        while !queue.isFinished { taken += queue.pop(max: 7, waitMilliseconds: 1000) }
        #expect(taken == Array(0..<5000))
    }
}
