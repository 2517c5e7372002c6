import RuntimeSupport
import Sources
import Telemetry
import Testing

@Suite("sources: documents fetched once per report")
struct PolledTests {
    private let now = Timestamp(seconds: 1_767_225_600)
    private let address = HTTPTarget(host: "h", port: 80, path: "/live/index.m3u8")

    private func answer(_ text: String) -> HTTPAnswer { HTTPAnswer(status: 200, body: Array(text.utf8)) }

    private func values(_ readings: [SourceReading]) -> [String: Double] {
        var values: [String: Double] = [:]
        for reading in readings {
            values[reading.key.name + (reading.key["mount"].map { "{\($0)}" } ?? "")] = reading.value
        }
        return values
    }

    // MARK: Icecast

    private func icecast(_ text: String) throws(PolledFault) -> [String: Double] {
        var status = IcecastStatus(name: "radio")
        status.begin()
        _ = try status.take(answer(text), from: address)
        return values(status.readings(isUp: true, now: now, monotonicMilliseconds: 0))
    }

    @Test("Icecast: no mount, one as an object, several as an array")
    func mounts() throws {
        let one =
            #"{"listenurl":"http://localhost:8000/a.mp3","listeners":3,"listener_peak":5,"bitrate":"128","title":null,"stream_start_iso8601":"2026-01-01T00:00:10+0000"}"#
        let two = #"{"listenurl":"http://localhost:8000/b.ogg","listeners":1,"ice-bitrate":64,"genre":"x"}"#
        let none = try icecast(#"{"icestats":{"server_start_iso8601":"2026-01-01T01:00:00+0100","dummy":null}}"#)
        #expect(none == ["icecast_up": 1, "icecast_sources": 0, "icecast_server_start_time_seconds": 1_767_225_600])
        let single = try icecast(#"{"icestats":{"admin":"x","source":\#(one)}}"#)
        #expect(single["icecast_listeners{/a.mp3}"] == 3 && single["icecast_listener_peak{/a.mp3}"] == 5)
        #expect(single["icecast_source_bitrate_bits_per_second{/a.mp3}"] == 128_000)
        #expect(single["icecast_source_start_time_seconds{/a.mp3}"] == 1_767_225_610)
        let several = try icecast(#"{"icestats":{"source":[\#(one),\#(two),3]}}"#)
        #expect(several["icecast_sources"] == 2 && several["icecast_listeners{/b.ogg}"] == 1)
        #expect(several["icecast_source_bitrate_bits_per_second{/b.ogg}"] == 64_000)
    }

    @Test("Icecast: what is not JSON is a fault, a source without an address is dropped")
    func icecastFaults() throws {
        #expect(throws: PolledFault.self) { try icecast(#"{"icestats":{"source":{"title": - }}}"#) }
        #expect(throws: PolledFault.self) { try icecast("<html>") }
        var status = IcecastStatus(name: "radio")
        _ = try status.take(answer(#"{"icestats":{"source":{"listeners":1}}}"#), from: address)
        #expect(status.mounts.isEmpty)
        let drops = status.takeDrops()
        #expect(drops[.malformed] == 1)
        let down = values(status.readings(isUp: false, now: now, monotonicMilliseconds: 0))
        #expect(down == ["icecast_up": 0])
    }

    // MARK: HLS

    private let live = """
        #EXTM3U
        #EXT-X-VERSION:3
        #EXT-X-TARGETDURATION:6
        #EXT-X-MEDIA-SEQUENCE:120
        #EXT-X-PROGRAM-DATE-TIME:2025-12-31T23:59:40.000Z
        #EXTINF:6.0,title
        s120.ts
        #EXTINF:5.5,
        s121.ts

        """

    @Test("a media playlist says what it holds and when it ends")
    func media() throws {
        let playlist = try HLSPlaylist(Array(live.replacing("\n", with: "\r\n").utf8))
        #expect(playlist.targetSeconds == 6 && playlist.mediaSequence == 120 && playlist.segmentCount == 2)
        #expect(playlist.durationSeconds == 11.5 && playlist.lastSegment == "s121.ts" && !playlist.hasEnded)
        #expect(playlist.end == now.advanced(byMilliseconds: -8500))
    }

    @Test("a master playlist leads to its first variant")
    func master() throws {
        var freshness = PlaylistFreshness(name: "main")
        freshness.begin()
        let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/a.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhigh/a.m3u8\n"
        let next = try freshness.take(answer(master), from: address)
        #expect(next?.path == "/live/low/a.m3u8")
        let last = try freshness.take(answer(live), from: try #require(next))
        #expect(last == nil)
        let up = values(freshness.readings(isUp: true, now: now, monotonicMilliseconds: 0))
        #expect(up["hls_playlist_up"] == 1)
    }

    @Test("a live playlist that stands still becomes stale, one that moves or has ended does not")
    func freshness() throws {
        var freshness = PlaylistFreshness(name: "main")
        func poll(_ text: String, at seconds: Int64) throws -> [String: Double] {
            freshness.begin()
            _ = try freshness.take(answer(text), from: address)
            return values(
                freshness.readings(
                    isUp: true, now: now.advanced(byMilliseconds: seconds * 1000), monotonicMilliseconds: seconds * 1000
                ))
        }
        let first = try poll(live, at: 0)
        #expect(first["hls_playlist_unchanged_seconds"] == 0 && first["hls_playlist_age_seconds"] == 8.5)
        let still = try poll(live, at: 9)
        #expect(still["hls_playlist_unchanged_seconds"] == 9 && still["hls_playlist_stale"] == 0)
        let stale = try poll(live, at: 10)
        #expect(stale["hls_playlist_stale"] == 1 && stale["hls_playlist_age_seconds"] == 18.5)
        let moved = try poll(live + "#EXTINF:6,\ns122.ts\n", at: 12)
        #expect(moved["hls_playlist_stale"] == 0 && moved["hls_playlist_segments"] == 3)
        _ = try poll(live + "#EXT-X-ENDLIST\n", at: 20)
        let ended = try poll(live + "#EXT-X-ENDLIST\n", at: 200)
        #expect(ended["hls_playlist_ended"] == 1 && ended["hls_playlist_stale"] == 0)
    }

    @Test(
        "what is no playlist is a fault",
        arguments: [
            "", "<html>", "#EXTM3U\n", "#EXTM3U\n#EXT-X-TARGETDURATION:x\n", "#EXTM3U\n#EXTINF:nan,\na.ts\n",
            "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:-1\n", "#EXTM3U\n#EXTINF:1e300,\na.ts\n",
        ])
    func playlistFaults(text: String) {
        #expect(throws: PolledFault.self) { try HLSPlaylist(Array(text.utf8)) }
    }

    @Test("any bytes give readings or a fault", arguments: 0..<300)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let status = #"{"icestats":{"source":[{"listenurl":"http://h:1/a","listeners":3,"bitrate":"12"}]}}"#
        var bytes = Array((seed % 2 == 0 ? live : status).utf8)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        var icecast = IcecastStatus(name: "x")
        var playlist = PlaylistFreshness(name: "x")
        let answer = HTTPAnswer(status: 200, body: bytes)
        let isStatus = (try? icecast.take(answer, from: address)) != nil
        _ = try? playlist.take(answer, from: address)
        let readings =
            icecast.readings(isUp: isStatus, now: now, monotonicMilliseconds: 1)
            + playlist.readings(isUp: true, now: now, monotonicMilliseconds: 1)
        #expect(readings.count >= 2)
    }
}
