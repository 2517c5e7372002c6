import JSON
import Telemetry

/// An event while its members are read. The last of several members with one key counts, as with most JSON readers.
struct EventDraft {
    struct Problem {
        var field: String
        var reason: String
    }

    var event: ListeningEvent
    let isStrict: Bool
    var isWrapper = false
    var problems: [Problem] = []
    var unknownFieldCount = 0
    var unknownValueCount = 0
    private var hasID = false
    private var hasTime = false

    init(event: ListeningEvent, isStrict: Bool) {
        self.event = event
        self.isStrict = isStrict
    }

    @inline(__always)
    mutating func read(
        _ field: EventField, _ reader: inout JSONReader, _ pseudonymise: Pseudonymise
    ) throws(JSONError) {
        if !problems.isEmpty { problems.removeAll { $0.field == field.name } }
        let kind = try reader.peekKind()
        if kind == .null {
            try reader.readNull()
            clear(field)
            return
        }
        switch field {
        case .text(let text): try readText(text, kind, &reader)
        case .number(let number): try readNumber(number, kind, &reader)
        case .id:
            hasID = false
            guard let text = try string(field, kind, &reader, bytesMax: EventLimits.idBytesMax) else { return }
            guard !text.isEmpty else { return refuse(field, "is empty; use 1 to \(EventLimits.idBytesMax) bytes") }
            event.id = text
            hasID = true
        case .kind:
            guard let text = try string(field, kind, &reader, bytesMax: EventLimits.textBytesMax) else { return }
            guard let named = text == "play" ? .play : EventKind(name: text) else {
                return refuse(
                    field, "no such kind; use one of \(EventKind.allCases.map(\.name).joined(separator: ", "))")
            }
            event.kind = named
        case .revision:
            guard let value = try wholeNumber(field, kind, &reader) else { return }
            guard let revision = UInt32(exactly: value) else { return refuse(field, "must be 0 to 4294967295") }
            event.revision = revision
        case .at: try readTime(kind, &reader)
        case .user:
            guard let text = try string(field, kind, &reader, bytesMax: EventLimits.textBytesMax) else { return }
            event.user = text.isEmpty ? nil : Self.pseudonym(text, pseudonymise)
        case .events: try reader.skipValue()
        }
    }

    @inline(__always)
    private static func pseudonym(_ text: String, _ pseudonymise: Pseudonymise) -> UserPseudonym {
        var text = text
        return text.withUTF8 { pseudonymise(UnsafeRawBufferPointer($0)) }
    }

    private mutating func clear(_ field: EventField) {
        switch field {
        case .text(let text): event[text] = nil
        case .number(let number): event[number] = nil
        case .id: hasID = false
        case .kind: event.kind = .play
        case .revision: event.revision = 0
        case .at: hasTime = false
        case .user: event.user = nil
        case .events: break
        }
    }

    // MARK: values

    @inline(__always)
    private mutating func readText(_ text: EventText, _ kind: JSONKind, _ reader: inout JSONReader) throws(JSONError) {
        if text == .genres, kind == .array { return try readGenres(&reader) }
        guard let value = try string(.text(text), kind, &reader, bytesMax: EventLimits.textBytesMax) else { return }
        guard !value.isEmpty else {
            event[text] = nil
            return
        }
        switch text {
        case .isrc:
            guard let code = RecordingCode.normalise(value) else {
                return refuse(
                    .text(text), "is no ISRC: two letters, three letters or digits, seven digits (check O/0 and I/1)")
            }
            event[text] = code
        case .territory:
            guard let code = CodeList.territories.normalise(value) else {
                return refuse(
                    .text(text), "is no ISO 3166-1 alpha-2 code such as NO, US, or GB for the United Kingdom")
            }
            event[text] = code
        case .currency:
            guard let code = CodeList.currencies.normalise(value) else {
                return refuse(.text(text), "is no ISO 4217 code of a circulating currency, such as EUR")
            }
            event[text] = code
        case .source, .tier, .endReason:
            if !EventVocabulary.knows(value, text) {
                unknownValueCount += 1
                guard !isStrict else {
                    return refuse(.text(text), "use one of \(EventVocabulary.listing(text)), or drop ?strict=1")
                }
            }
            event[text] = value
        default: event[text] = value
        }
    }

    private mutating func readGenres(_ reader: inout JSONReader) throws(JSONError) {
        var joined = ""
        var isGood = true
        try reader.enterArray()
        while try reader.nextElement() {
            let kind = try reader.peekKind()
            guard let tag = try string(.text(.genres), kind, &reader, bytesMax: EventLimits.textBytesMax) else {
                isGood = false
                continue
            }
            if tag.utf8.contains(UInt8(ascii: ";")) { isGood = refuseOnce("a tag must not hold a semicolon", isGood) }
            if !joined.isEmpty, !tag.isEmpty { joined += ";" }
            if isGood { joined += tag }
            if joined.utf8.count > EventLimits.textBytesMax {
                isGood = refuseOnce("longer than \(EventLimits.textBytesMax) bytes in all; send fewer tags", isGood)
            }
        }
        if isGood { event[.genres] = joined.isEmpty ? nil : joined }
    }

    private mutating func refuseOnce(_ reason: String, _ isGood: Bool) -> Bool {
        if isGood { refuse(.text(.genres), reason) }
        return false
    }

    @inline(__always)
    private mutating func readNumber(
        _ number: EventNumber, _ kind: JSONKind, _ reader: inout JSONReader
    ) throws(JSONError) {
        let bounds = EventBounds.range(of: number)
        if kind == .boolean, number == .shuffle || number == .offline || number == .muted {
            event[number] = try reader.readBoolean() ? 1 : 0
            return
        }
        guard let value = try wholeNumber(.number(number), kind, &reader) else { return }
        guard bounds.contains(value) else {
            return refuse(.number(number), "must be \(bounds.lowerBound) to \(bounds.upperBound)")
        }
        event[number] = value
    }

    @inline(__always)
    private mutating func readTime(_ kind: JSONKind, _ reader: inout JSONReader) throws(JSONError) {
        hasTime = false
        switch kind {
        case .number:
            guard let value = try wholeNumber(.at, kind, &reader) else { return }
            event.at = Timestamp(milliseconds: value)
        case .string:
            let token = try reader.scanString()
            guard let time = Self.time(token, reader) else {
                return refuse(.at, "is no RFC 3339 time; write 2026-01-31T08:15:30.250Z or a number of milliseconds")
            }
            event.at = time
        default:
            try reader.skipValue()
            return refuse(.at, "expected an RFC 3339 string or Unix milliseconds, found \(kind.name)")
        }
        hasTime = true
    }

    /// Some encoders write `+` as `\u002B`, so escapes are decoded here too.
    @inline(__always)
    private static func time(_ token: JSONString, _ reader: JSONReader) -> Timestamp? {
        guard token.hasEscapes else {
            return InternetTime.parse(UnsafeRawBufferPointer(rebasing: reader.bytes[token.start..<token.end]))
        }
        guard token.rawByteCount <= 200, let text = try? reader.decode(token) else { return nil }  // nil: refused
        return InternetTime.parse(text)
    }

    /// - Returns: nil when the value was no decodable string within bounds; that was noted then.
    @inline(__always)
    private mutating func string(
        _ field: EventField, _ kind: JSONKind, _ reader: inout JSONReader, bytesMax: Int
    ) throws(JSONError) -> String? {
        guard kind == .string else {
            try reader.skipValue()
            refuse(field, "expected a string in quotes, found \(kind.name)")
            return nil
        }
        let token = try reader.scanString()
        do throws(JSONError) {
            // An escape shrinks at most six bytes to one, so longer raw text cannot fit and is not even decoded.
            guard token.rawByteCount <= (token.hasEscapes ? 6 * bytesMax : bytesMax) else {
                refuse(field, "longer than \(bytesMax) bytes")
                return nil
            }
            let text = try reader.decode(token)
            guard text.utf8.count <= bytesMax else {
                refuse(field, "longer than \(bytesMax) bytes")
                return nil
            }
            return text
        } catch {
            refuse(field, error.description)
            return nil
        }
    }

    @inline(__always)
    private mutating func wholeNumber(
        _ field: EventField, _ kind: JSONKind, _ reader: inout JSONReader
    ) throws(JSONError) -> Int64? {
        guard kind == .number else {
            try reader.skipValue()
            refuse(field, "expected a number, found \(kind.name)")
            return nil
        }
        guard let value = try reader.readNumber().wholeValue else {
            refuse(field, "expected a whole number that fits 64 bits")
            return nil
        }
        return value
    }

    // MARK: verdict

    @inline(never)
    private mutating func refuse(_ field: EventField, _ reason: String) {
        problems.append(Problem(field: field.name, reason: reason))
    }

    @inline(never)
    mutating func noteUnknownField(_ key: JSONString, in reader: JSONReader) {
        unknownFieldCount += 1
        guard isStrict, problems.isEmpty else { return }
        let name = (try? reader.decode(key)) ?? "?"  // only shown
        problems.append(Problem(field: String(name.prefix(40)), reason: "unknown field; remove it or drop ?strict=1"))
    }

    /// What can be judged only once every member is read.
    @inline(__always)
    mutating func finish() {
        guard problems.isEmpty else { return }
        guard hasID else { return refuse(.id, "missing; give each event its own id of 1 to 64 bytes") }
        guard hasTime else { return refuse(.at, "missing; say when it began, in RFC 3339 or Unix milliseconds") }
        let age = event.receivedAt.milliseconds(since: event.at)
        guard age <= EventLimits.pastMillisecondsMax, age >= -EventLimits.futureMillisecondsMax else {
            return refuseTime(age)
        }
        if event.kind == .play, event[.track] == nil, event[.isrc] == nil, event[.title] == nil {
            return refuse(.text(.track), "missing; a play names its track, isrc or title")
        }
        if event[.amountMicros] != nil, event[.currency] == nil {
            return refuse(.text(.currency), "missing; an amount needs its currency")
        }
    }

    @inline(never)
    private mutating func refuseTime(_ age: Int64) {
        if age < 0 { return refuse(.at, "more than 5 minutes in the future; check the sender's clock") }
        let looksLikeSeconds = (1_000_000_000...9_999_999_999).contains(event.at.milliseconds)
        refuse(
            .at,
            looksLikeSeconds
                ? "looks like seconds; a number here means milliseconds" : "more than 30 days ago; too old to count")
    }
}
