import Foundation
import MQTT
import RuntimeSupport
import Synchronization

/// Generated listening events, posted through the agent's real intake. Ids begin with `sample-`, the source id
/// says `generated`, so nobody takes them for real ones.
final class SampleEvents: Sendable {
    private struct State {
        var accepted = 0
        var isStopped = false
    }
    private let port: Int
    private let state = Mutex(State())
    private let ended = BoundedQueue<Int>(itemsMax: 1)
    private let pause = BoundedQueue<Int>(itemsMax: 1)

    init(port: Int) { self.port = port }

    /// Events that the intake answered with 2xx.
    var accepted: Int { state.withLock { $0.accepted } }

    func start() { Thread.detachNewThread { [self] in run() } }

    func stop() {
        pause.close()
        _ = ended.pop(max: 1, waitMilliseconds: 10_000)
    }

    private func run() {
        var generator = SeededGenerator(seed: UInt64(getpid()))
        let session = Session(url: "http://127.0.0.1:\(port)", token: "")
        var number = 0
        while !pause.isFinished {
            let events = (0..<Int.random(in: 5...20, using: &generator)).map { _ in
                number += 1
                return event(number, &generator)
            }
            if let answer = try? session.json("POST", "/v1/events", json: ["events": events]) {
                state.withLock { $0.accepted += answer["accepted"] as? Int ?? 0 }
            }
            _ = pause.pop(max: 1, waitMilliseconds: 500)
        }
        _ = ended.push(0)
    }

    private func event(_ number: Int, _ generator: inout SeededGenerator) -> [String: Any] {
        let length = Int.random(in: 90_000...320_000, using: &generator)
        let isSkip = Double.random(in: 0..<1, using: &generator) < 0.35  // ANALYTICS.md: 35 % within 30 s
        let played = isSkip ? Int.random(in: 1000...29_000, using: &generator) : length
        func pick(_ values: [String]) -> String { values[Int.random(in: 0..<values.count, using: &generator)] }
        let track = Int.random(in: 1...200, using: &generator)
        return [
            "id": "sample-\(getpid())-\(number)", "kind": "play",
            "at": Int((Date().timeIntervalSince1970 * 1000)) - played,
            "user": "sample-listener-\(Int.random(in: 1...400, using: &generator))", "track": "sample-track-\(track)",
            "artist": "Sample Artist \(track % 40)", "ms_played": played, "track_ms": length,
            "start_reason": "click", "end_reason": isSkip ? "skip_fwd" : "done",
            "source": pick(["search", "library", "playlist", "editorial", "algorithmic", "radio"]),
            "source_id": "generated", "tier": pick(["premium", "premium", "ad", "family"]),
            "territory": pick(["DE", "FR", "GB", "US", "SE", "BR"]),
            "device": pick(["mobile", "desktop", "speaker", "tv", "car"]),
            "startup_ms": Double.random(in: 0..<1, using: &generator) < 0.01
                ? -1 : Int.random(in: 80...900, using: &generator),
        ]
    }
}
