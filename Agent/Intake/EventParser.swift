import JSON
public import Telemetry

/// Turns the clear user identifier (its UTF-8 bytes) into a pseudonym. The bytes must not be kept.
public typealias Pseudonymise = @Sendable (_ clearID: UnsafeRawBufferPointer) -> UserPseudonym

/// What the body of `POST /v1/events` holds.
public struct EventParseResult: Sendable {
    /// The valid events, in the order written.
    public internal(set) var events: [ListeningEvent] = []
    public internal(set) var rejections = IntakeRejections()
    /// Members with a key that the schema does not know, in all events (refused only when strict).
    public internal(set) var unknownFieldCount = 0
    /// Values outside a documented vocabulary (`source`, `tier`, `end_reason`): kept, but counted (strict: refused).
    public internal(set) var unknownValueCount = 0
    /// Whether something at the end of the body was not read; the last rejection says why.
    public internal(set) var isCutShort = false
}

/// Reads listening events from JSON: bytes in, values and reasons out.
///
/// The schema is in `INTAKE.md`. Good events in a bad batch are kept; each bad one is told its index, field and reason.
/// Bounds: ``IntakeLimits`` on the request, ``EventLimits`` on each event. Hostile bytes cost time linear in their
/// number and never trap. The clear user identifier goes through ``Pseudonymise`` and nowhere else.
///
/// - Complexity: O(bytes); about six allocations for each event.
public struct EventParser: Sendable {
    private let pseudonymVersion: UInt32
    private let pseudonymise: Pseudonymise

    public init(pseudonymVersion: UInt32, pseudonymise: @escaping Pseudonymise) {
        self.pseudonymVersion = pseudonymVersion
        self.pseudonymise = pseudonymise
    }

    /// - Parameters:
    ///   - body: one object, an array of objects, `{"events": […]}`, or NDJSON.
    ///   - now: becomes each event's `receivedAt`; events too far from it are refused.
    ///   - isStrict: refuse events with unknown fields or vocabulary instead of counting these.
    public func parse(_ body: UnsafeRawBufferPointer, now: Timestamp, isStrict: Bool = false) -> EventParseResult {
        var result = EventParseResult()
        var sequence = RecordSequence(body)
        let template = ListeningEvent(id: "", kind: .play, at: .distantPast, receivedAt: now)
        sequence.forEach { (sequence) throws(JSONError) in
            try readRecord(&sequence, template, isStrict, into: &result)
        }
        result.rejections = sequence.rejections
        result.isCutShort = sequence.isCutShort
        return result
    }

    /// One object: an event, or (at the top level only) the wrapper of an array of events.
    private func readRecord(
        _ sequence: inout RecordSequence, _ template: ListeningEvent, _ isStrict: Bool,
        into result: inout EventParseResult
    ) throws(JSONError) {
        guard try sequence.reader.peekKind() == .object else {
            try sequence.reader.skipValue()
            refuse(nil, "expected an object; write each event as {\"id\":…,\"at\":…}", &sequence)
            return
        }
        var draft = EventDraft(event: template, isStrict: isStrict)
        let isOutermost = sequence.reader.depth == 0
        let table = EventFieldTable.shared
        try sequence.reader.enterObject()
        while let key = try sequence.reader.nextKey() {
            guard let field = table.find(key, in: sequence.reader) else {
                draft.noteUnknownField(key, in: sequence.reader)
                try sequence.reader.skipValue()
                continue
            }
            if field == .events {
                guard isOutermost, try sequence.reader.peekKind() == .array else {
                    draft.noteUnknownField(key, in: sequence.reader)
                    try sequence.reader.skipValue()
                    continue
                }
                sequence.isWrapped = true
                try sequence.readElements { (sequence) throws(JSONError) in
                    try readRecord(&sequence, template, isStrict, into: &result)
                }
                guard !sequence.isCutShort else { return }
                draft.isWrapper = true
                continue
            }
            try draft.read(field, &sequence.reader, pseudonymise)
        }
        result.unknownFieldCount += draft.unknownFieldCount
        guard !draft.isWrapper else { return }
        if draft.event.user != nil { draft.event.pseudonymVersion = pseudonymVersion }
        draft.finish()
        result.unknownValueCount += draft.unknownValueCount
        if let problem = draft.problems.first {
            refuse(problem.field, problem.reason, &sequence)
        } else {
            result.events.append(draft.event)
            sequence.count += 1
        }
    }

    @inline(never)
    private func refuse(_ field: String?, _ reason: String, _ sequence: inout RecordSequence) {
        sequence.rejections.append(IntakeRejection(index: sequence.count, field: field, reason: reason))
        sequence.count += 1
    }
}
