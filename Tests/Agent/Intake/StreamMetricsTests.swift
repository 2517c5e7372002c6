import Intake
import RuntimeSupport
import Telemetry
import Testing

@Suite("Streaming metrics from events")
struct StreamMetricsTests {
    private let now = EventSamples.now

    private func play(
        _ id: String, revision: UInt32 = 0, secondsAgo: Int64 = 0, played: Int64? = nil, track: Int64? = nil,
        user: UInt64? = nil, end: String? = nil, territory: String = "NO"
    ) -> ListeningEvent {
        var event = ListeningEvent(
            id: id, kind: .play, revision: revision, at: now.advanced(byMilliseconds: -secondsAgo * 1000),
            receivedAt: now, user: user.map { UserPseudonym(high: 0, low: $0) })
        event[.millisecondsPlayed] = played
        event[.trackMilliseconds] = track
        event[.endReason] = end
        event[.territory] = territory
        return event
    }

    private func take(_ events: [ListeningEvent], _ streams: inout StreamMetrics) -> Int {
        let admission = streams.admit(events)
        streams.record(admission.events, now: now)
        return admission.duplicates
    }

    @Test("plays, qualified streams, skips, time and failures are counted by label")
    func counters() {
        var streams = StreamMetrics()
        var failed = play("f", played: 0, territory: "SE")
        failed[.startupMilliseconds] = -1
        _ = take(
            [
                play("a", played: 30_000, track: 100_000, end: "done"),
                play("b", played: 29_999, track: 100_000, end: "skip_fwd"),
                play("c", played: 95_000, track: 100_000, end: "skip_fwd"), failed,
            ], &streams)
        #expect(streams.value("stagebox_stream_plays_total") == 4)
        #expect(streams.value("stagebox_stream_plays_total", "territory", "NO") == 3)
        #expect(streams.value("stagebox_stream_qualified_total") == 2)
        #expect(streams.value("stagebox_stream_skips_total") == 1)
        #expect(streams.value("stagebox_stream_played_milliseconds_total") == 154_999)
        #expect(streams.value("stagebox_stream_startup_failures_total", "territory", "SE") == 1)
    }

    @Test("a repeated event counts once, a revision only what it adds")
    func idempotence() {
        var streams = StreamMetrics()
        #expect(take([play("a"), play("a")], &streams) == 1)
        #expect(take([play("a", revision: 1, played: 20_000)], &streams) == 0)
        #expect(take([play("a", revision: 2, played: 40_000, end: "skip_fwd")], &streams) == 0)
        #expect(take([play("a", revision: 1, played: 99_000), play("a", revision: 2, played: 1)], &streams) == 2)
        #expect(take([play("a", revision: 3, played: 10_000)], &streams) == 0)
        #expect(streams.value("stagebox_stream_plays_total") == 1)
        #expect(streams.value("stagebox_stream_played_milliseconds_total") == 40_000)
        #expect(streams.value("stagebox_stream_skips_total") == 1)
        #expect(streams.correctionsIgnoredTotal == 1)
    }

    @Test("an event that could not be stored is new when it comes again")
    func withdrawal() {
        var streams = StreamMetrics()
        streams.withdraw(streams.admit([play("a"), play("b")]).events)
        #expect(take([play("a"), play("b")], &streams) == 0)
        streams.withdraw(streams.admit([play("a", revision: 4)]).events)
        #expect(take([play("a", revision: 4, played: 5), play("a")], &streams) == 1)
        #expect(streams.value("stagebox_stream_plays_total") == 2)
    }

    @Test("the window forgets the oldest ids first")
    func window() {
        var streams = StreamMetrics(idsMax: 4)
        #expect(take(["a", "b", "c", "d"].map { play($0) }, &streams) == 0)
        #expect(take([play("a")], &streams) == 1)
        #expect(take([play("e")], &streams) == 0)
        #expect(take([play("b"), play("a")], &streams) == 1)
    }

    @Test("combinations beyond the bound share one and are counted")
    func overflow() {
        var streams = StreamMetrics(combinationsMax: 2)
        _ = take(["NO", "SE", "DK", "FI", "NO"].enumerated().map { play("\($0)", territory: $1) }, &streams)
        streams.tick(now: now)
        #expect(streams.value("stagebox_stream_plays_total", "territory", "other") == 2)
        #expect(streams.value("stagebox_stream_plays_total", "territory", "NO") == 2)
        #expect(streams.value("stagebox_stream_label_overflow_events_total") == 2)
    }

    private func listeners(_ streams: inout StreamMetrics, after seconds: Int64) -> Double? {
        streams.tick(now: now.advanced(byMilliseconds: seconds * 1000))
        return streams.value("stagebox_stream_concurrent_listeners")
    }

    @Test("an announced play counts its listener until its end")
    func announced() {
        var streams = StreamMetrics()
        _ = take([play("a", track: 200_000, user: 1), play("b", user: 2)], &streams)
        #expect(listeners(&streams, after: 179) == 2)
        #expect(listeners(&streams, after: 181) == 1)
        #expect(listeners(&streams, after: 201) == 0)
        _ = take([play("c", track: 200_000, user: 1)], &streams)
        _ = take([play("c", revision: 1, played: 50_000, user: 1, end: "done")], &streams)
        #expect(listeners(&streams, after: 49) == 1)
        #expect(listeners(&streams, after: 51) == 0)
    }

    @Test("a play reported at its end bridges to the next, unless it was stopped")
    func reportedAtEnd() {
        var streams = StreamMetrics()
        _ = take(
            [
                play("a", secondsAgo: 100, played: 100_000, user: 1, end: "done"),
                play("b", secondsAgo: 100, played: 100_000, user: 2, end: "stop"),
            ], &streams)
        #expect(listeners(&streams, after: 0) == 1)
        #expect(listeners(&streams, after: 239) == 1)
        _ = take([play("c", secondsAgo: 0, played: 100_000, user: 1)], &streams)
        #expect(listeners(&streams, after: 241) == 1)
        #expect(listeners(&streams, after: 341) == 0)
    }

    @Test("counts of listeners agree with a plain model", arguments: 0..<50)
    func model(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var streams = StreamMetrics(listenersMax: 8)
        var until: [UInt64: Int64] = [:]
        var clock: Int64 = 0
        for step in 0..<300 {
            clock += Int64.random(in: 0...40, using: &random)
            until = until.filter { $0.value > clock }
            let user = UInt64.random(in: 0..<12, using: &random)
            let length = Int64.random(in: 1...300, using: &random)
            var event = play("\(step)", track: length * 1000, user: user)
            event.at = now.advanced(byMilliseconds: clock * 1000)
            let moment = now.advanced(byMilliseconds: clock * 1000)
            streams.tick(now: moment)
            streams.record(streams.admit([event]).events, now: moment)
            if until[user] != nil || until.count < 8 { until[user] = max(until[user] ?? 0, clock + length) }
            #expect(listeners(&streams, after: clock) == Double(until.count), "seed \(seed) step \(step)")
        }
    }
}
