import RuntimeSupport
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("event blocks")
struct EventBlockTests {
    /// Plausible events, and some with everything absent, extreme or repeated.
    static func sample(_ count: Int, seed: UInt64) -> [ListeningEvent] {
        var generator = SeededGenerator(seed: seed)
        var events = SampleEvents.make(count, using: &generator)
        for index in events.indices {
            switch Int.random(in: 0..<8, using: &generator) {
            case 0:
                events[index] = ListeningEvent(
                    id: "x", kind: EventKind.allCases.randomElement(using: &generator) ?? .play, revision: .max,
                    at: Timestamp(milliseconds: .min), receivedAt: Timestamp(milliseconds: .max),
                    pseudonymVersion: .max)
            case 1:
                events[index][.title] = ""
                events[index][.genres] = String(repeating: "日", count: 170)
                events[index][.amountMicros] = .min
                events[index][.muted] = .max
            default: break
            }
        }
        return events
    }

    @Test("events come back as they were", arguments: [0, 1, 2, 8, 9, 100, EventBlock.eventsMax])
    func roundTrip(count: Int) throws {
        let events = Self.sample(count, seed: UInt64(count))
        #expect(try EventBlock.decode(EventBlock.encode(events)) == events)
    }

    @Test("an outline says what the events say", arguments: [0, 1, 9, 100, EventBlock.eventsMax])
    func outline(count: Int) throws {
        let events = Self.sample(count, seed: UInt64(count))
        let outline = try EventBlock.encode(events).withUnsafeBytes { try EventOutline(block: $0) }
        #expect(outline == EventOutline(events) && outline.count == count)
        for (position, event) in events.enumerated() {
            #expect(outline.id(position).elementsEqual(event.id.utf8) && outline.revision(position) == event.revision)
        }
        let times = events.map(\.at.milliseconds)
        #expect(outline.times?.lowerBound == times.min() && outline.times?.upperBound == times.max())
        #expect(outline.kinds == events.reduce(0) { $0 | 1 << Int64($1.kind.rawValue) })
    }

    @Test("a check finds what decoding finds, in blocks with any byte changed", arguments: 0..<4 as Range<UInt64>)
    func checked(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let block = try EventBlock.encode(Self.sample(30, seed: seed))
        var valid = 0
        for position in block.indices {
            var changed = block
            changed[position] = UInt8.random(in: .min ... .max, using: &generator)
            if position % 5 == 0 { changed.removeLast(Int.random(in: 0...20, using: &generator)) }
            let decoded = try? EventBlock.decode(changed)
            let count = try? changed.withUnsafeBytes { try EventBlock.check($0) }
            #expect(count == decoded?.count, "seed \(seed), byte \(position)")
            valid += decoded == nil ? 0 : 1
        }
        #expect(valid > 0 && valid < block.count)
    }

    @Test("a block that is cut off anywhere has no outline, or lacks attributes only")
    func cutOutline() throws {
        let events = Self.sample(20, seed: 3)
        let block = try EventBlock.encode(events)
        for length in 0..<block.count {
            let outline = try? block.prefix(length).withUnsafeBytes { try EventOutline(block: $0) }
            #expect(outline == nil || outline == EventOutline(events), "\(length)")
        }
    }

    @Test("an encoder used again gives what a new one gives")
    func reuse() throws {
        let encoder = EventBlockEncoder()
        for seed in UInt64(0)..<10 {
            let events = Self.sample(Int(seed) * 7, seed: seed)
            #expect(try encoder.encode(events) == EventBlock.encode(events))
        }
    }

    @Test("limits are enforced, and after a refusal the encoder still works")
    func limits() throws {
        let encoder = EventBlockEncoder()
        let good = Self.sample(5, seed: 1)
        func check(_ error: WireError, _ change: (inout ListeningEvent) -> Void) throws {
            var events = good
            change(&events[3])
            #expect(throws: error) { try encoder.encode(events) }
            #expect(try encoder.encode(good) == EventBlock.encode(good))
        }
        try check(.invalid("event id")) { $0.id = "" }
        try check(.invalid("event id")) { $0.id = String(repeating: "i", count: EventLimits.idBytesMax + 1) }
        try check(.tooLarge("event text")) { $0[.title] = String(repeating: "t", count: EventLimits.textBytesMax + 1) }
        try check(.invalid("event")) { $0.texts.removeLast() }
        #expect(throws: WireError.tooLarge("events")) {
            try encoder.encode(Array(repeating: good[0], count: EventBlock.eventsMax + 1))
        }
    }

    @Test("sections of a newer minor version are skipped")
    func forward() throws {
        let events = Self.sample(20, seed: 4)
        var writer = ByteWriter()
        writer.bytes = try EventBlock.encode(events)
        writer.write(varint: 0x2ff)
        writer.write(prefixed: [1, 2, 3])
        #expect(try EventBlock.decode(writer.bytes) == events)
    }

    @Test("any bytes give events or an error", arguments: UInt64(0)..<4)
    func total(seed: UInt64) throws {
        let bytes = try EventBlock.encode(Self.sample(12, seed: seed))
        Damage.inflict(on: bytes, rounds: 3000, seed: seed) { damaged in
            if let events = try? EventBlock.decode(damaged) { #expect(events.count <= EventBlock.eventsMax) }
        }
    }

    @Test("the bytes of version 1 stay readable and unchanged")
    func golden() throws {
        let events = Self.sample(12, seed: 9)
        let kept = try ColumnGolden.check("EventBlock-v1", EventBlock.encode(events))
        #expect(try EventBlock.decode(kept) == events)
    }
}
