import Telemetry
import Testing

@Suite("series")
struct SeriesTests {
    @Test("labels are sorted, empty values left out, the first of a repeated name stays")
    func normalisation() {
        let key = SeriesKey(
            name: "up", labels: [Label("z", "1"), Label("a", ""), Label("b", "2"), Label("z", "3")])
        #expect(key.labels == [Label("__name__", "up"), Label("b", "2"), Label("z", "1")])
        #expect(key.name == "up")
        #expect(key["z"] == "1")
        #expect(key["a"] == nil)
    }

    @Test("a registry numbers each series once and refuses beyond its capacity")
    func registry() {
        var registry = SeriesRegistry(capacity: 2)
        let numbers = ["a", "b", "a", "c"].map { registry.register(SeriesKey(name: $0), .gauge) }
        #expect(numbers == [0, 1, 0, nil])
        #expect(registry.descriptors.map(\.key.name) == ["a", "b"])
    }

    @Test("hot values stay small")
    func layout() {
        #expect(MemoryLayout<Sample>.size == 16)
        #expect(MemoryLayout<Timestamp>.size == 8)
        #expect(MemoryLayout<ID128>.size == 16)
        #expect(MemoryLayout<BatchKey>.size <= 32)
    }

    @Test("events keep attributes by number")
    func events() {
        var event = ListeningEvent(id: "1", kind: .play, at: Timestamp(seconds: 1), receivedAt: Timestamp(seconds: 2))
        event[.artist] = "x"
        event[.millisecondsPlayed] = 5
        #expect(event[.artist] == "x")
        #expect(event[.title] == nil)
        #expect(event[.millisecondsPlayed] == 5)
        #expect(Set(EventText.allCases.map(\.name)).count == EventText.allCases.count)
        #expect(EventKind.allCases.allSatisfy { EventKind(name: $0.name) == $0 })
    }
}
