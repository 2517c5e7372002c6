import Collectors
import RuntimeSupport
import Telemetry
import TestSupport
import Testing

@Suite("Collectors on a tree of kernel files")
struct FixtureTests {
    @Test("every series has the value, labels and type that the golden file states")
    func golden() throws {
        let machine = FixtureMachine(tree: FixtureMachine.root + "/machine")
        machine.tick(milliseconds: 300_000)
        let lines =
            machine.readings.values.map { "\($0.series) \($0.value) \($0.type)" }.sorted()
            // Time spent is the one thing that depends on the machine that runs the test; its clock stands still.
            .joined(separator: "\n") + "\n"
        let path = FixtureMachine.root + "/machine.expected"
        if DataDirectories.isRecording { try Files.write(Array(lines.utf8), to: path) }
        let expected = try Files.text(path)
        #expect(lines == expected)
    }

    @Test("node_exporter on the same tree has the same series and values")
    func reference() throws {
        let machine = FixtureMachine(tree: FixtureMachine.root + "/machine")
        machine.tick(milliseconds: 300_000)
        let ours = machine.readings
        var families = Set<Substring>()
        var compared = 0
        for line in try Files.text(FixtureMachine.root + "/machine.node_exporter").split(separator: "\n") {
            guard !line.hasPrefix("#"), let blank = line.lastIndex(of: " "),
                let value = Double(line[line.index(after: blank)...])
            else { continue }
            let series = withoutEmptyLabels(String(line[..<blank]))
            families.insert(line.prefix { $0 != "{" && $0 != " " })
            let reading = try #require(ours[series], "\(series) is missing")
            // Times are divided here and multiplied by 0.001 there: one unit in the last place.
            #expect(abs(reading.value - value) <= value.ulp * 2, "\(series)")
            compared += 1
        }
        #expect(compared > 250)
        // Nothing beyond it in the families that both have.
        let extra = ours.values.filter { families.contains(Substring($0.name)) }
        #expect(extra.count == compared)
    }

    /// Series without a value for a label do not have that label (Prometheus's data model).
    private func withoutEmptyLabels(_ series: String) -> String {
        guard let open = series.firstIndex(of: "{") else { return series }
        let labels = series[series.index(after: open)...].dropLast(2).split(separator: "\",").map { $0 + "\"" }
        return "\(series[..<open]){\(labels.filter { !$0.hasSuffix("=\"\"") }.joined(separator: ","))}"
    }

    @Test("R21: kernel counters state the boot time as their start, gauges none")
    func startTimestamps() {
        let machine = FixtureMachine(tree: FixtureMachine.root + "/machine")
        machine.tick()
        let boot = machine.time.now.milliseconds - Int64(machine.time.monotonicNanoseconds / 1_000_000)
        let readings = machine.readings
        #expect(readings["node_context_switches_total"]?.start == boot)
        #expect(readings["node_load1"]?.start == 0)
        #expect(readings["stagebox_agent_cpu_seconds_total"]?.start == boot + 1000)
    }

    @Test("R21: a counter that the kernel lets slip back a little is held, one that starts anew is followed")
    func jumpBack() throws {
        let directory = try TemporaryDirectory("collectors")
        defer { directory.remove() }
        let machine = FixtureMachine([StatCollector(roots: CollectorRoots(below: directory.path))])
        var seen: [Double] = []
        for idle in [1000, 990, 1001, 5] {
            try directory.write("cpu0 1 2 3 \(idle) 5\n", to: "proc/stat")
            machine.tick(milliseconds: 1000)
            seen.append(machine.readings["node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}"]?.value ?? .nan)
        }
        #expect(seen == [10, 10, 10.01, 0.05])
    }

    @Test("devices that come and go keep their series")
    func churn() throws {
        let directory = try TemporaryDirectory("collectors")
        defer { directory.remove() }
        let header = "Inter-|\n face |\n"
        let machine = FixtureMachine([NetworkDeviceCollector(roots: CollectorRoots(below: directory.path))])
        for devices in [["a", "b"], ["b"], ["c", "b", "a"]] {
            try directory.write(
                header + devices.map { "\($0): 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n" }.joined(), to: "proc/net/dev")
            machine.tick(milliseconds: 1000)
        }
        let scrapes = machine.scrapes.filter { $0.intervalMilliseconds == 1000 }
        #expect(scrapes.map(\.values.count) == [32, 16, 48])
        #expect(scrapes.map(\.newDescriptors.count) == [32, 0, 16])
        #expect(Set(scrapes.map(\.layout)).count == 3)
        #expect(scrapes[1].handles == Array(scrapes[0].handles[16...]))
    }

    @Test("a series that stands twice in the kernel's text is delivered once")
    func duplicates() throws {
        let directory = try TemporaryDirectory("collectors")
        defer { directory.remove() }
        try directory.write("A: 1 kB\nB: 2 kB\nA: 3 kB\n", to: "proc/meminfo")
        let machine = FixtureMachine([MemoryCollector(roots: CollectorRoots(below: directory.path))])
        machine.tick(milliseconds: 1000)
        #expect(machine.scrapes.first { $0.intervalMilliseconds == 1000 }?.values == [1024, 2048])
    }
}
