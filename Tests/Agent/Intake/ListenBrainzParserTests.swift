import Intake
import RuntimeSupport
import Telemetry
import Testing

@Suite("ListenBrainz submissions")
struct ListenBrainzParserTests {
    private let now = EventSamples.now
    private let parser = ListenBrainzParser(pseudonymVersion: 2) { clear in
        let sum = clear.reduce(UInt64(7)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
        return UserPseudonym(high: sum, low: UInt64(clear.count))
    }
    private func parse(_ body: String, user: String = "olav") -> ListenSubmission {
        Array(body.utf8).withUnsafeBytes { parser.parse($0, user: user, now: now) }
    }
    private func listen(_ at: String, _ more: String = "") -> String {
        #"{"listened_at":\#(at),"track_metadata":{"artist_name":"A","track_name":"T","release_name":"R"\#(more)}}"#
    }

    @Test("a single listen becomes a play")
    func single() throws {
        let info =
            #","additional_info":{"isrc":"no-abc-26-00001","duration":200.5,"recording_mbid":"m","music_service":"x.org","tags":["a","b",5],"tracknumber":3,"artist_mbids":[]}"#
        let result = parse(#"{"payload":[\#(listen("1767225000", info))],"listen_type":"single"}"#)
        let event = try #require(result.events.first)
        #expect(result.error == nil && event.at.milliseconds == 1_767_225_000_000 && event.kind == .play)
        #expect(event[.artist] == "A" && event[.title] == "T" && event[.release] == "R" && event[.track] == "m")
        #expect(event[.isrc] == "NOABC2600001" && event[.trackMilliseconds] == 200_500 && event[.genres] == "a;b")
        #expect(event[.sourceID] == "x.org" && event.user != nil && event.pseudonymVersion == 2)
        #expect(event[.millisecondsPlayed] == nil && event.id.hasPrefix("lb-") && event.id.utf8.count == 35)
    }

    @Test("the same listen by the same user has the same id; another time, track or user another")
    func identity() {
        func id(_ at: String, _ more: String = "", user: String = "olav") -> String? {
            parse(#"{"listen_type":"single","payload":[\#(listen(at, more))]}"#, user: user).events.first?.id
        }
        #expect(id("1767225000") == id("1767225000", #","additional_info":{"x":1}"#))
        #expect(Set([id("1767225000"), id("1767225001"), id("1767225000", user: "kari")]).count == 3)
    }

    @Test("playing_now announces a listener and stores nothing")
    func playingNow() {
        let body = #"{"listen_type":"playing_now","payload":[{"track_metadata":{"artist_name":"A","track_name":"T"}}]}"#
        let result = parse(body)
        #expect(result.events.isEmpty && result.announcements.count == 1 && result.error == nil)
        var streams = StreamMetrics()
        streams.announce(result.announcements, now: now)
        streams.tick(now: now)
        #expect(streams.value("stagebox_stream_concurrent_listeners") == 1)
        #expect(streams.value("stagebox_stream_plays_total") == 0)
    }

    @Test("an import keeps its good listens")
    func importing() {
        let body = #"{"listen_type":"import","payload":[\#(listen("5")),\#(listen("1767225000")),7,{}]}"#
        let result = parse(body)
        #expect(result.events.count == 1 && result.error == nil)
        #expect(result.rejections.listed.map(\.index) == [0, 2, 3])
    }

    @Test(
        "an unusable request says why",
        arguments: [
            ("", "byte 0"), ("[]", "expected an object"), ("{}", "listen_type"),
            (#"{"listen_type":"single"}"#, "payload"),
            (#"{"listen_type":"dance","payload":[1]}"#, "listen_type"),
            (#"{"listen_type":"single","payload":[]}"#, "payload"),
            (#"{"listen_type":"single","payload":[1,2]}"#, "more than one"),
            (#"{"listen_type":"single","payload":[{}]}"#, "artist_name"),
            (
                #"{"listen_type":"single","payload":[{"track_metadata":{"artist_name":"A","track_name":"T"}}]}"#,
                "listened_at"
            ),
            (
                #"{"listen_type":"playing_now","payload":[{"listened_at":1,"track_metadata":{"artist_name":"A","track_name":"T"}}]}"#,
                "absent"
            ),
            (
                #"{"listen_type":"single","payload":[{"listened_at":1,"track_metadata":{"artist_name":5,"track_name":"T"}}]}"#,
                "must be a string"
            ),
            (
                #"{"listen_type":"single","payload":[{"listened_at":9223372036854775807,"track_metadata":{"artist_name":"A","track_name":"T"}}]}"#,
                "future"
            ),
        ])
    func refused(body: String, reason: String) {
        let result = parse(body)
        #expect(result.events.isEmpty && result.error?.contains(reason) == true, "\(result.error ?? "none")")
    }

    @Test("any bytes give listens or a reason", arguments: 0..<300)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = Array(#"{"listen_type":"import","payload":[\#(listen("1767225000")),\#(listen("5"))]}"#.utf8)
        for _ in 0..<Int.random(in: 1...5, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        let result = bytes.withUnsafeBytes { parser.parse($0, user: "u", now: now) }
        #expect(result.error != nil || !result.events.isEmpty || !result.announcements.isEmpty)
    }
}
