import Ingest
import Telemetry
import Testing

@Suite("fair queue")
struct FairQueueTests {
    private let flood = TenantID(unchecked: "flood")
    private let quiet = TenantID(unchecked: "quiet")

    private let loud = AgentID(unchecked: "loud")
    private let calm = AgentID(unchecked: "calm")

    @Test("a tenant that floods does not delay another by more than one turn")
    func roundRobin() {
        let queue = FairQueue<String>(itemsPerTenantMax: 100, bytesPerTenantMax: 1000)
        for index in 0..<150 { _ = queue.push("flood \(index)", of: flood, from: loud, bytes: 1) }
        #expect(queue.push("quiet", of: quiet, from: calm, bytes: 1))
        #expect(queue.pop(max: 3, waitMilliseconds: 0) == ["flood 0", "quiet", "flood 1"])
        #expect(queue.depth(of: flood).items == 98 && queue.depth(of: flood).refused == 50)
        #expect(queue.pop(max: 1000, waitMilliseconds: 0).count == 98)
        #expect(queue.pop(max: 1, waitMilliseconds: 1).isEmpty)
    }

    @Test("bytes are bounded too, but one item always fits")
    func bytes() {
        let queue = FairQueue<Int>(itemsPerTenantMax: 100, bytesPerTenantMax: 10)
        #expect(queue.push(1, of: flood, from: loud, bytes: 50))
        #expect(!queue.push(2, of: flood, from: loud, bytes: 1))
        #expect(queue.pop(max: 1, waitMilliseconds: 0) == [1])
        #expect(queue.push(3, of: flood, from: loud, bytes: 6) && queue.push(4, of: flood, from: loud, bytes: 4))
        #expect(!queue.push(5, of: flood, from: loud, bytes: 11))
    }

    @Test("order within a tenant is kept, and closing drains")
    func order() {
        let queue = FairQueue<Int>(itemsPerTenantMax: 10_000, bytesPerTenantMax: 1 << 20)
        var taken: [Int] = []
        for index in 0..<5000 {
            if queue.depth(of: flood).items > 900 { taken += queue.pop(max: 500, waitMilliseconds: 0) }
            #expect(queue.push(index, of: flood, from: loud, bytes: 1))
            if index % 3 == 0 { taken += queue.pop(max: 2, waitMilliseconds: 0) }
        }
        queue.close()
        #expect(!queue.push(9, of: flood, from: loud, bytes: 1))
        while !queue.isFinished { taken += queue.pop(max: 7, waitMilliseconds: 1000) }
        #expect(taken == Array(0..<5000))
    }

    @Test("an agent that floods waits for itself, and a full tenant still takes the others")
    func agents() {
        let queue = FairQueue<String>(itemsPerTenantMax: 2000, bytesPerTenantMax: 1 << 20)
        for _ in 0..<3000 { _ = queue.push("flood", of: flood, from: loud, bytes: 1) }
        #expect(queue.depth(of: flood).items == FairQueue<String>.itemsPerAgentMax)
        for agent in 0..<2 {
            for _ in 0..<3000 {
                _ = queue.push("more", of: flood, from: AgentID(unchecked: "more-\(agent)"), bytes: 1)
            }
        }
        #expect(queue.depth(of: flood).items >= 2000)
        for index in 0..<FairQueue<String>.itemsReserved {
            #expect(queue.push("calm \(index)", of: flood, from: calm, bytes: 1))
        }
        #expect(!queue.push("calm", of: flood, from: calm, bytes: 1))
        #expect(queue.pop(max: 4, waitMilliseconds: 0).contains("calm 0"))
    }

    @Test("a held tenant keeps its messages while others are served")
    func holding() {
        let queue = FairQueue<String>(itemsPerTenantMax: 100, bytesPerTenantMax: 1000)
        #expect(queue.push("flood 0", of: flood, from: loud, bytes: 1))
        queue.setHeld(true, flood)
        #expect(queue.push("flood 1", of: flood, from: loud, bytes: 1))
        #expect(queue.push("quiet", of: quiet, from: calm, bytes: 1))
        #expect(queue.pop(max: 9, waitMilliseconds: 0) == ["quiet"])
        queue.setHeld(false, flood)
        queue.setHeld(false, flood)
        #expect(queue.pop(max: 9, waitMilliseconds: 0) == ["flood 0", "flood 1"])
        #expect(queue.push("flood 2", of: flood, from: loud, bytes: 1))
        queue.setHeld(true, flood)
        queue.close()
        #expect(!queue.isFinished && queue.pop(max: 9, waitMilliseconds: 0) == ["flood 2"] && queue.isFinished)
    }
}
