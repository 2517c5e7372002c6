import Glibc
import MQTT
import RuntimeSupport
import Synchronization

/// A client of the intake on a thread of its own: posts batches of events with unique ids without pause or at a
/// rate, and remembers which the intake answered with 2xx. What gets no such answer is sent again, or given up.
///
/// `Sendable`: all state is guarded by a mutex; the thread ends with ``stop()``.
final class EventLoader: Sendable {
    struct Tally {
        /// Answered 2xx: must be in the export.
        var promised = Set<String>()
        /// Given up without a 2xx: may be in the export, once.
        var unanswered = Set<String>()
        var requests = 0
        var failures = 0
    }
    struct Shape: Sendable {
        var eventsPerRequest = 10
        var pauseMicroseconds: UInt32 = 10_000
        /// Of each event's text fields; random printable text that hardly compresses.
        var padding = 0
        /// Of a hundred failed requests, so many are repeated until answered.
        var repeatedPercent = 50
    }

    private struct State {
        var tally = Tally()
        var isStopping = false
        var thread: pthread_t?
    }
    private let state = Mutex(State())
    private let port: UInt16
    private let shape: Shape
    private let seed: UInt64

    init(port: UInt16, shape: Shape = Shape(), seed: UInt64) {
        self.port = port
        self.shape = shape
        self.seed = seed
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<EventLoader>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        state.withLock { $0.thread = thread }
    }

    var tally: Tally { state.withLock { $0.tally } }

    /// Ends after the request on its way, which may take as long as the client's time limit.
    @discardableResult
    func stop() -> Tally {
        let thread = state.withLock { state in
            state.isStopping = true
            defer { state.thread = nil }
            return state.thread
        }
        if let thread { pthread_join(thread, nil) }
        return tally
    }

    private func run() {
        var generator = SeededGenerator(seed: seed)
        var number = 0
        // Alike in every request but unlike each other: each row is compressed and sealed by itself.
        let rests = (0..<shape.eventsPerRequest).map { _ in Self.rest(padding: shape.padding, &generator) }
        while !state.withLock({ $0.isStopping }) {
            let ids = (0..<shape.eventsPerRequest).map { "e\(seed)-\(number + $0)" }
            number += ids.count
            let body = Self.body(ids, rests)
            var isRepeated = Int.random(in: 0..<100, using: &generator) < shape.repeatedPercent
            var isPromised = post(body)
            while !isPromised, isRepeated {
                usleep(20_000)
                isRepeated = !state.withLock { $0.isStopping }
                isPromised = post(body)
            }
            state.withLock {
                if isPromised { $0.tally.promised.formUnion(ids) } else { $0.tally.unanswered.formUnion(ids) }
            }
            usleep(isPromised ? shape.pauseMicroseconds : 20_000)
        }
    }

    private func post(_ body: [UInt8]) -> Bool {
        let answer = try? HTTPLoopback.send("POST", "/v1/events", body: body, port: port)
        // A 2xx with refused events would be a mistake of ours: counted as a failure, and then missed by the tests.
        let isPromised =
            answer.map { (200..<300).contains($0.status) && $0.text.contains("\"rejected_count\":0") } ?? false
        state.withLock {
            $0.tally.requests += 1
            if !isPromised { $0.tally.failures += 1 }
        }
        return isPromised
    }

    private static func body(_ ids: [String], _ rests: [[UInt8]]) -> [UInt8] {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec / 1_000_000)
        var body: [UInt8] = []
        for (id, rest) in zip(ids, rests) {
            body += "{\"id\":\"\(id)\",\"at\":\(now)".utf8
            body += rest
        }
        return body
    }

    /// An event after its id and time.
    private static func rest(padding: Int, _ generator: inout SeededGenerator) -> [UInt8] {
        var rest = Array(",\"user\":\"listener\",\"ms_played\":31000,\"track_ms\":200000".utf8)
        guard padding > 0 else {
            return rest + Array(",\"track\":\"smoke-track\",\"territory\":\"SE\",\"tier\":\"premium\"}\n".utf8)
        }
        for field in ["track", "title", "artist", "release", "session", "detail", "source_id", "item"] {
            rest += ",\"\(field)\":\"".utf8
            for _ in 0..<padding {
                // Six bits a byte. A backslash would begin an escape: it is the one in that range to avoid.
                let byte = 0x3f + UInt8(generator.next() & 0x3f)
                rest.append(byte == UInt8(ascii: "\\") ? UInt8(ascii: "!") : byte)
            }
            rest.append(UInt8(ascii: "\""))
        }
        return rest + Array("}\n".utf8)
    }
}
