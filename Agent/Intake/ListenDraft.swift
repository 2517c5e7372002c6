import JSON
import Telemetry

/// One element of a ListenBrainz payload while it is read.
struct ListenDraft {
    private var event = ListeningEvent(id: "", kind: .play, at: .distantPast, receivedAt: .distantPast)
    private var listenedAtSeconds: Int64?
    private var hasListenedAt = false
    private var durationSeconds: Double?
    private var problem: (field: String, reason: String)?

    init() {}

    mutating func read(_ reader: inout JSONReader) throws(JSONError) {
        guard try reader.peekKind() == .object else {
            try reader.skipValue()
            return refuse("listen", "is not an object")
        }
        try reader.enterObject()
        while let key = try reader.nextKey() {
            let kind = try reader.peekKind()
            if reader.matches(key, "listened_at") {
                hasListenedAt = kind != .null
                guard kind == .number else {
                    try reader.skipValue()
                    continue
                }
                listenedAtSeconds = try reader.readNumber().wholeValue
            } else if reader.matches(key, "track_metadata"), kind == .object {
                try readMetadata(&reader)
            } else {
                try reader.skipValue()
            }
        }
    }

    /// - Throws: the listen's first fault.
    func finish(index: Int, isAnnouncement: Bool, now: Timestamp) throws(IntakeRejection) -> ListeningEvent {
        func rejection(_ field: String, _ reason: String) -> IntakeRejection {
            IntakeRejection(index: index, field: field, reason: reason)
        }
        if let problem { throw rejection(problem.field, problem.reason) }
        guard event[.artist] != nil else { throw rejection("track_metadata.artist_name", "is required") }
        guard event[.title] != nil else { throw rejection("track_metadata.track_name", "is required") }
        var event = event
        event.receivedAt = now
        if event[.trackMilliseconds] == nil, let seconds = durationSeconds {
            event[.trackMilliseconds] = Int64(exactly: (seconds * 1000).rounded())
        }
        if isAnnouncement {
            guard !hasListenedAt else { throw rejection("listened_at", "must be absent for playing_now") }
            event.at = now
            return event
        }
        guard let seconds = listenedAtSeconds else {
            throw rejection("listened_at", "is required, in whole Unix seconds")
        }
        event.at = Timestamp(seconds: max(-1 << 40, min(seconds, 1 << 40)))
        let age = now.milliseconds(since: event.at)
        guard age >= -EventLimits.futureMillisecondsMax else {
            throw rejection("listened_at", "is in the future; give whole Unix seconds and check the clock")
        }
        guard age <= EventLimits.pastMillisecondsMax else {
            throw rejection("listened_at", "is more than 30 days ago, too old to count")
        }
        return event
    }

    private mutating func readMetadata(_ reader: inout JSONReader) throws(JSONError) {
        try reader.enterObject()
        while let key = try reader.nextKey() {
            let kind = try reader.peekKind()
            if reader.matches(key, "artist_name") {
                event[.artist] = try text("track_metadata.artist_name", kind, &reader)
            } else if reader.matches(key, "track_name") {
                event[.title] = try text("track_metadata.track_name", kind, &reader)
            } else if reader.matches(key, "release_name") {
                event[.release] = try text("track_metadata.release_name", kind, &reader)
            } else if reader.matches(key, "additional_info"), kind == .object {
                try readAdditional(&reader)
            } else {
                try reader.skipValue()
            }
        }
    }

    /// Clients send all kinds of things here, so what does not fit is left out, not refused.
    private mutating func readAdditional(_ reader: inout JSONReader) throws(JSONError) {
        try reader.enterObject()
        while let key = try reader.nextKey() {
            let kind = try reader.peekKind()
            switch kind {
            case .string:
                let value = try optionalText(&reader)
                if reader.matches(key, "isrc") { event[.isrc] = value.flatMap(RecordingCode.normalise) }
                if reader.matches(key, "recording_mbid") { event[.track] = value }
                if reader.matches(key, "music_service") { event[.sourceID] = value }
                if reader.matches(key, "media_player") { event[.device] = value }
                if reader.matches(key, "submission_client") { event[.appVersion] = value }
            case .number:
                let value = try reader.readNumber()
                if reader.matches(key, "duration_ms"), let whole = value.wholeValue,
                    EventBounds.range(of: .trackMilliseconds).contains(whole)
                {
                    event[.trackMilliseconds] = whole
                }
                if reader.matches(key, "duration"), (0...604_800).contains(value.doubleValue) {
                    durationSeconds = value.doubleValue
                }
            case .array where reader.matches(key, "tags"): try readTags(&reader)
            default: try reader.skipValue()
            }
        }
    }

    private mutating func readTags(_ reader: inout JSONReader) throws(JSONError) {
        var joined = ""
        try reader.enterArray()
        while try reader.nextElement() {
            guard try reader.peekKind() == .string else {
                try reader.skipValue()
                continue
            }
            guard let tag = try optionalText(&reader), !tag.utf8.contains(UInt8(ascii: ";")),
                joined.utf8.count + tag.utf8.count < EventLimits.textBytesMax
            else { continue }
            joined += joined.isEmpty ? tag : ";\(tag)"
        }
        event[.genres] = joined.isEmpty ? nil : joined
    }

    private mutating func text(
        _ field: String, _ kind: JSONKind, _ reader: inout JSONReader
    ) throws(JSONError) -> String? {
        guard kind == .string else {
            try reader.skipValue()
            if kind != .null { refuse(field, "must be a string") }
            return nil
        }
        let token = try reader.scanString()
        guard let value = try? reader.decode(token) else {  // refused right here
            refuse(field, "holds text that is not valid Unicode")
            return nil
        }
        guard value.utf8.count <= EventLimits.textBytesMax else {
            refuse(field, "is longer than \(EventLimits.textBytesMax) bytes")
            return nil
        }
        return value.isEmpty ? nil : value
    }

    private func optionalText(_ reader: inout JSONReader) throws(JSONError) -> String? {
        let token = try reader.scanString()
        guard let value = try? reader.decode(token) else { return nil }  // left out
        return value.isEmpty || value.utf8.count > EventLimits.textBytesMax ? nil : value
    }

    private mutating func refuse(_ field: String, _ reason: String) {
        if problem == nil { problem = (field, reason) }
    }
}
