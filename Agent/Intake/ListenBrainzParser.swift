import JSON
public import Telemetry

/// What a scrobbler submitted.
public struct ListenSubmission: Sendable {
    /// Listens to store.
    public internal(set) var events: [ListeningEvent] = []
    /// "Playing now": not stored, but its listener counts as listening.
    public internal(set) var announcements: [ListeningEvent] = []
    public internal(set) var rejections = IntakeRejections()
    /// The request as a whole is unusable: what to tell the client with status 400.
    public internal(set) var error: String?
}

/// Reads `POST /1/submit-listens` bodies as ListenBrainz documents them (`listen_type` single, playing_now, import;
/// `payload[].listened_at` in seconds, `track_metadata`).
///
/// A listen becomes a play event: `title`, `artist`, `release`; from `additional_info` `isrc`, `track`
/// (`recording_mbid`), `track_ms` (`duration_ms`, else `duration` in seconds), `genres` (`tags`), `source_id`
/// (`music_service`), `device` (`media_player`), `app_version` (`submission_client`). `ms_played` stays absent: the
/// protocol does not carry it. The event's id derives from the user's pseudonym, the time and the track, so a
/// resubmission is the same event. Other members are ignored, as ListenBrainz does.
public struct ListenBrainzParser: Sendable {
    /// ListenBrainz's MAX_LISTENS_PER_REQUEST.
    public static let listensMax = 1000
    private let pseudonymVersion: UInt32
    private let pseudonymise: Pseudonymise

    public init(pseudonymVersion: UInt32, pseudonymise: @escaping Pseudonymise) {
        self.pseudonymVersion = pseudonymVersion
        self.pseudonymise = pseudonymise
    }

    /// - Parameter user: the clear id of whom the request's token stands for; never stored.
    public func parse(_ body: UnsafeRawBufferPointer, user: String, now: Timestamp) -> ListenSubmission {
        var reader = JSONReader(body)
        var type: String?
        var listens: [ListenDraft]?
        do throws(JSONError) {
            try reader.enterObject()
            while let key = try reader.nextKey() {
                let kind = try reader.peekKind()
                if reader.matches(key, "listen_type"), kind == .string {
                    type = try reader.readString()
                } else if reader.matches(key, "payload"), kind == .array {
                    listens = try readPayload(&reader)
                } else {
                    try reader.skipValue()
                }
            }
            reader.skipWhitespace()
            guard reader.isAtEnd else { throw reader.expected("nothing after the object") }
        } catch {
            let line = reader.line(of: error.offset)
            return .refused("Cannot parse JSON document: \(error.reason), at byte \(error.offset), line \(line)")
        }
        guard let type, ["single", "playing_now", "import"].contains(type) else {
            return .refused("JSON document requires a valid listen_type key: single, playing_now or import.")
        }
        guard let listens, !listens.isEmpty else {
            return .refused("JSON document does not contain any listens in payload.")
        }
        guard listens.count <= Self.listensMax else {
            return .refused("Too many listens. Send at most \(Self.listensMax) in one request.")
        }
        guard type == "import" || listens.count == 1 else {
            return .refused(
                "JSON document contains more than one listen for a \(type). Use listen_type import instead.")
        }
        return assemble(listens, isAnnouncement: type == "playing_now", user, now)
    }

    private func assemble(
        _ listens: [ListenDraft], isAnnouncement: Bool, _ user: String, _ now: Timestamp
    ) -> ListenSubmission {
        var submission = ListenSubmission()
        let pseudonym = Self.pseudonym(user, pseudonymise)
        for (index, listen) in listens.enumerated() {
            do throws(IntakeRejection) {
                var event = try listen.finish(index: index, isAnnouncement: isAnnouncement, now: now)
                event.user = pseudonym
                event.pseudonymVersion = pseudonymVersion
                event.id = identifier(of: event)
                if isAnnouncement { submission.announcements.append(event) } else { submission.events.append(event) }
            } catch {
                submission.rejections.append(error)
            }
        }
        if submission.events.isEmpty, submission.announcements.isEmpty, let first = submission.rejections.listed.first {
            submission.error = "Listen \(first.index): \(first.field ?? "listen") \(first.reason)."
        }
        return submission
    }

    /// The same user, second and track give the same id, whenever and wherever submitted, as long as the pseudonym key
    /// stays: it hashes both.
    private func identifier(of event: ListeningEvent) -> String {
        var text = "listen\u{0}\(event.user?.description ?? "")\u{0}\(event.at.milliseconds)"
        for part in [event[.artist], event[.title], event[.release]] { text += "\u{0}\(part ?? "")" }
        return "lb-\(Self.pseudonym(text, pseudonymise).description)"
    }

    private static func pseudonym(_ text: String, _ pseudonymise: Pseudonymise) -> UserPseudonym {
        var text = text
        return text.withUTF8 { pseudonymise(UnsafeRawBufferPointer($0)) }
    }

    private func readPayload(_ reader: inout JSONReader) throws(JSONError) -> [ListenDraft] {
        var listens: [ListenDraft] = []
        try reader.enterArray()
        while try reader.nextElement() {
            guard listens.count <= Self.listensMax else {
                try reader.skipValue()
                continue
            }
            var draft = ListenDraft()
            try draft.read(&reader)
            listens.append(draft)
        }
        return listens
    }
}

extension ListenSubmission {
    static func refused(_ error: String) -> ListenSubmission {
        var submission = ListenSubmission()
        submission.error = error
        return submission
    }
}
