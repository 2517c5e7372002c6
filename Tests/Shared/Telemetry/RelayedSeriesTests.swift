import Telemetry
import Testing

@Suite("series that are handed on")
struct RelayedSeriesTests {
    private let load = SeriesKey(name: "node_load1", labels: [Label("instance", "edge-1"), Label("job", "cdn")])

    @Test("they keep their labels and bear the relay's name")
    func relayed() {
        let relayed = load.relayed(by: "relay-eu")
        #expect(relayed.labels == (load.labels + [Label("stagebox_relay", "relay-eu")]).sorted())
        #expect(load.withoutRelay == load)
    }

    @Test("over two relays the names of both stay, and over three")
    func chain() {
        let twice = load.relayed(by: "relay-eu").relayed(by: "relay-world")
        #expect(twice["stagebox_relay"] == "relay-world" && twice["exported_stagebox_relay"] == "relay-eu")
        let thrice = twice.relayed(by: "c")
        #expect(thrice["exported_stagebox_relay"] == "relay-eu")
        #expect(thrice["exported_exported_stagebox_relay"] == "relay-world" && thrice["stagebox_relay"] == "c")
        #expect(thrice.labels.count == load.labels.count + 3)
    }

    @Test("a table's bounds on labels are told")
    func limits() {
        let many = (0..<SeriesLimits.labelCountMax - 1).map { Label("l\($0)", "v") }
        #expect(SeriesKey(name: "m", labels: many).isWithinLimits)
        #expect(!SeriesKey(name: "m", labels: many).relayed(by: "r").isWithinLimits)
        let long = String(repeating: "v", count: SeriesLimits.labelValueBytesMax + 1)
        #expect(!SeriesKey(name: "m", labels: [Label("l", long)]).isWithinLimits)
    }
}
