public import Telemetry

/// Listening events that look like a service's: few territories and tiers, many users, a long tail of tracks.
public enum SampleEvents {
    public static func make(_ count: Int, using generator: inout some RandomNumberGenerator) -> [ListeningEvent] {
        let territories = ["SE", "DE", "US", "BR", "JP", "GB", "FR", "NG"]
        let tiers = ["premium", "ad", "trial", "family"]
        let sources = ["search", "library", "playlist", "editorial", "algorithmic", "radio"]
        let ends = ["done", "skip_fwd", "skip_back", "stop", "remote"]
        return (0..<count).map { index in
            let at = Timestamp(milliseconds: 1_795_343_549_962 + Int64(index) * 37)
            // Two draws make small track numbers likelier, as hits are.
            let track = UInt64.random(in: 0..<(1 + UInt64.random(in: 0..<5000, using: &generator)), using: &generator)
            let user = UInt64.random(in: 0..<500, using: &generator)
            var event = ListeningEvent(
                id: ID128(random: &generator).description, kind: .play, at: at,
                receivedAt: at.advanced(byMilliseconds: Int64.random(in: 5..<900, using: &generator)),
                user: UserPseudonym(high: user &* 0x9e37_79b9_7f4a_7c15, low: ~user), pseudonymVersion: 1)
            event[.track] = "track-\(track)"
            event[.isrc] = "SEABC25\(String(100_000 + track).suffix(5))"
            event[.title] = "Song number \(track)"
            event[.artist] = "Artist \(track % 700)"
            event[.release] = "Release \(track % 1500)"
            event[.genres] = track % 3 == 0 ? "pop;dance" : "rock"
            event[.session] = "session-\(user)-\(index / 400)"
            event[.startReason] = "trackdone"
            event[.endReason] = ends.randomElement(using: &generator)
            event[.source] = sources.randomElement(using: &generator)
            event[.tier] = tiers.randomElement(using: &generator)
            event[.territory] = territories.randomElement(using: &generator)
            event[.device] = user % 2 == 0 ? "phone" : "speaker"
            event[.appVersion] = "8.4.\(user % 5)"
            event[.millisecondsPlayed] = Int64.random(in: 0..<240_000, using: &generator)
            event[.trackMilliseconds] = 180_000 + Int64(track % 90_000)
            event[.shuffle] = Int64(user % 2)
            event[.startupMilliseconds] = Int64.random(in: 40..<800, using: &generator)
            return event
        }
    }
}
