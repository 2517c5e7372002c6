import AgentCore
import Glibc
import MQTT
import RuntimeSupport
import Sealing
import Telemetry
import Uplink
import WireFormat

/// Drives all agents of one run from one thread; libmosquitto has a thread for each connection.
final class Loader {
    /// As a real uplink's first resend; then as long again.
    private static let silenceNanoseconds = UInt64(UplinkLimits.resendBaseMilliseconds) * 1_000_000
    private static let deadlineSeconds: UInt64 = 90

    private let plan: LoadPlan
    private let events = BoundedQueue<(agent: Int, event: TransportEvent)>(itemsMax: 1 << 20)
    private var agents: [LoadAgent] = []
    private let time = SystemTimeSource()

    init(_ plan: LoadPlan, _ identities: [AgentIdentity], _ workload: Workload) throws {
        self.plan = plan
        var generator = SecureGenerator()
        let events = events
        for (number, identity) in identities.enumerated() {
            let agent = try LoadAgent(
                number: number, identity: identity, sink: { _ = events.push((number, $0)) }, generator: &generator)
            try agent.seal(plan, workload)
            agents.append(agent)
        }
    }

    struct Result {
        var settledBatches = 0
        var seconds = 0.0
    }

    /// Connects, publishes everything, waits for the last acknowledgement and disconnects.
    func run() throws -> Result {
        try connect()
        var result = Result()
        let start = time.monotonicNanoseconds
        var last = start
        var heard = start
        var resent = start
        for agent in agents { try agent.send() }
        while !agents.allSatisfy(\.isFinished), time.monotonicNanoseconds - start < Self.deadlineSeconds * 1_000_000_000
        {
            var touched = Set<Int>()
            for (number, event) in events.pop(max: 4096, waitMilliseconds: plan.resendMilliseconds == nil ? 500 : 10) {
                touched.insert(number)
                let settled = try take(event, agents[number])
                guard settled > 0 else { continue }
                result.settledBatches += settled
                last = time.monotonicNanoseconds
                heard = last
            }
            for number in touched { try agents[number].send() }
            let silence = plan.resendMilliseconds.map { $0 * 1_000_000 } ?? Self.silenceNanoseconds
            if time.monotonicNanoseconds - (plan.resendMilliseconds == nil ? heard : resent) > silence {
                heard = time.monotonicNanoseconds
                resent = heard
                for agent in agents { try agent.resend() }
            }
        }
        result.seconds = Double(last - start) / 1e9
        agents.forEach { $0.client.disconnect() }
        return result
    }

    private func connect() throws {
        for agent in agents { try agent.connect() }
        var online = Set<Int>()
        while online.count < agents.count {
            for (number, event) in events.pop(max: 64, waitMilliseconds: 20_000) {
                if case .connected = event {
                    online.insert(number)
                    try agents[number].announce()
                } else {
                    _ = try take(event, agents[number])
                }
            }
        }
        // Keys and tables arrive before the clock runs, as they do for an agent that has been up for a while.
        let until = time.monotonicNanoseconds + 2_000_000_000
        while time.monotonicNanoseconds < until {
            for (number, event) in events.pop(max: 64, waitMilliseconds: 100) { _ = try take(event, agents[number]) }
        }
    }

    private func take(_ event: TransportEvent, _ agent: LoadAgent) throws -> Int {
        switch event {
        case .message(let topic, let payload, _) where topic == agent.topics.acknowledgement:
            return try agent.take(acknowledgement: payload)
        case .connectFailed(let failure), .disconnected(let failure), .subscriptionRefused(let failure),
            .publishRefused(_, let failure):
            throw failure
        default: return 0
        }
    }

    /// One line of JSON for the script.
    func report(_ result: Result) -> String {
        let records = result.settledBatches * plan.recordsPerBatch
        let fields: [(String, String)] = [
            ("mode", "\"\(plan.name)\""), ("agents", "\(agents.count)"), ("batches", "\(result.settledBatches)"),
            ("planned", "\(agents.count * plan.batchesPerAgent)"), ("records", "\(records)"),
            ("bytes", "\(agents.reduce(0) { $0 + $1.sealedBytes })"), ("seconds", "\(result.seconds)"),
            ("resent", "\(agents.reduce(0) { $0 + $1.resentCount })"),
            ("rejected", "\(agents.reduce(0) { $0 + $1.rejectedCount })"),
        ]
        return "{" + fields.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}"
    }
}
