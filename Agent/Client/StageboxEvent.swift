/// A listening event to send to the node's agent. The agent's `INTAKE.md` says what each member means and its bounds.
///
///     var play = StageboxEvent(id: "play-4711", atMilliseconds: startedAt)
///     play.isrc = "NOABC2600001"
///     play.user = "olav"              // the agent replaces it by a pseudonym at once
///     play.millisecondsPlayed = 31_000
///     client.send(play)
public struct StageboxEvent: Sendable, Equatable {
    /// 1 to 64 bytes, unique in the tenant; sending the same id again is the same event.
    public var id: String
    /// `play` and its siblings: `save`, `playlist_add`, `share`, …
    public var kind = "play"
    /// A higher revision supersedes the event of the same id.
    public var revision: UInt32 = 0
    /// When it began, in Unix milliseconds.
    public var atMilliseconds: Int64
    public var user: String?
    public var track: String?
    public var isrc: String?
    public var title: String?
    public var artist: String?
    public var release: String?
    public var genres: [String] = []
    public var session: String?
    public var startReason: String?
    public var endReason: String?
    public var source: String?
    public var sourceID: String?
    public var tier: String?
    public var territory: String?
    public var device: String?
    public var appVersion: String?
    public var item: String?
    public var detail: String?
    public var currency: String?
    public var amountMicros: Int64?
    /// Audible wall time; nil while the play goes on.
    public var millisecondsPlayed: Int64?
    public var trackMilliseconds: Int64?
    /// Request to first audio; -1: it failed to start.
    public var startupMilliseconds: Int64?
    public var shuffle: Bool?
    public var offline: Bool?
    public var muted: Bool?

    public init(id: String, atMilliseconds: Int64) {
        self.id = id
        self.atMilliseconds = atMilliseconds
    }

    var line: [UInt8] {
        var line = JSONLine()
        line.add("id", id)
        line.add("kind", kind)
        line.add("revision", Int64(revision))
        line.add("at", atMilliseconds)
        line.add("user", user)
        line.add("track", track)
        line.add("isrc", isrc)
        line.add("title", title)
        line.add("artist", artist)
        line.add("release", release)
        line.add("genres", genres.isEmpty ? nil : genres.joined(separator: ";"))
        line.add("session", session)
        line.add("start_reason", startReason)
        line.add("end_reason", endReason)
        line.add("source", source)
        line.add("source_id", sourceID)
        line.add("tier", tier)
        line.add("territory", territory)
        line.add("device", device)
        line.add("app_version", appVersion)
        line.add("item", item)
        line.add("detail", detail)
        line.add("currency", currency)
        line.add("amount_micros", amountMicros)
        line.add("ms_played", millisecondsPlayed)
        line.add("track_ms", trackMilliseconds)
        line.add("startup_ms", startupMilliseconds)
        line.add("shuffle", shuffle)
        line.add("offline", offline)
        line.add("muted", muted)
        return line.finished()
    }
}
