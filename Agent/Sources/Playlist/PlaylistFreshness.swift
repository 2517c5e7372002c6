public import Telemetry

/// Whether a live HLS playlist moves on; `playlist` is its name in the settings. Of a master playlist its first variant
/// is looked at.
///
/// | series | meaning |
/// | --- | --- |
/// | `hls_playlist_up` | 1 if it was fetched and read |
/// | `hls_playlist_target_duration_seconds`, `hls_playlist_duration_seconds`, `hls_playlist_segments`, `hls_playlist_media_sequence`, `hls_playlist_ended` | as it says |
/// | `hls_playlist_unchanged_seconds` | since the fetch that first saw its present state |
/// | `hls_playlist_stale` | 1 if it did not end and is unchanged for more than 1.5 target durations (RFC 8216, section 6.2.2) |
/// | `hls_playlist_age_seconds` | from the end of its last segment till now, if it carries program times |
public struct PlaylistFreshness: PolledDocument {
    public static let source = "playlist"
    private static let staleFactor = 1.5

    private let labels: [Label]
    private var playlist: HLSPlaylist?
    private var last: HLSPlaylist?
    private var changedMilliseconds: Int64 = 0

    public init(name: String) { labels = [Label("playlist", name)] }

    public var accept: String { "application/vnd.apple.mpegurl, */*;q=0.5" }

    public mutating func begin() { playlist = nil }

    public mutating func take(_ answer: HTTPAnswer, from address: HTTPTarget) throws(PolledFault) -> HTTPTarget? {
        let found = try HLSPlaylist(answer.body)
        guard let variant = found.variants.first else {
            playlist = found
            return nil
        }
        guard let next = address.resolving(variant) else {
            throw PolledFault("the first variant has no plain http address")
        }
        return next
    }

    public mutating func readings(isUp: Bool, now: Timestamp, monotonicMilliseconds: Int64) -> [SourceReading] {
        func gauge(_ name: String, _ value: Double) -> SourceReading {
            SourceReading(SeriesKey(name: "hls_playlist_\(name)", labels: labels), .gauge, value)
        }
        guard isUp, let playlist else { return [gauge("up", 0)] }
        if playlist != last {
            last = playlist
            changedMilliseconds = monotonicMilliseconds
        }
        let unchanged = Double(max(0, monotonicMilliseconds - changedMilliseconds)) / 1000
        let target = playlist.targetSeconds ?? 0
        let isStale = !playlist.hasEnded && target > 0 && unchanged > Self.staleFactor * target
        var readings = [
            gauge("up", 1), gauge("target_duration_seconds", target),
            gauge("duration_seconds", playlist.durationSeconds), gauge("segments", Double(playlist.segmentCount)),
            gauge("media_sequence", playlist.mediaSequence), gauge("ended", playlist.hasEnded ? 1 : 0),
            gauge("unchanged_seconds", unchanged), gauge("stale", isStale ? 1 : 0),
        ]
        if let end = playlist.end {
            readings.append(gauge("age_seconds", Double(now.milliseconds(since: end)) / 1000))
        }
        return readings
    }

    public mutating func takeDrops() -> DropCounts { DropCounts() }
}
