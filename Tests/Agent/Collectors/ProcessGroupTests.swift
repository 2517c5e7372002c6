import Collectors
import RuntimeSupport
import Telemetry
import TestSupport
import Testing

@Suite("Process groups")
struct ProcessGroupTests {
    private func status(_ identifier: Int, _ command: String, ticks: Int, start: Int, pages: Int) -> String {
        "\(identifier) (\(command)) S 1 1 1 0 -1 0 0 0 0 0 \(ticks) 0 0 0 20 0 1 0 \(start) 4096 \(pages) 0 0\n"
    }

    @Test("a group's time counts what was used since the agent came, also by processes that ended or reused a number")
    func counters() throws {
        let directory = try TemporaryDirectory("processes")
        defer { directory.remove() }
        let machine = FixtureMachine([ProcessGroupCollector(roots: CollectorRoots(below: directory.path))])
        var seen: [Double?] = []
        func look() {
            machine.tick(milliseconds: 10_000)
            seen.append(machine.readings["stagebox_process_group_cpu_seconds_total{group=\"mixer\"}"]?.value)
        }
        try directory.write(status(7, "mixer", ticks: 5000, start: 10, pages: 4), to: "proc/7/stat")
        look()
        try directory.write(status(7, "mixer", ticks: 5100, start: 10, pages: 4), to: "proc/7/stat")
        try directory.write(status(8, "mixer/2:x", ticks: 50, start: 900, pages: 4), to: "proc/8/stat")
        look()
        // Number 7 is another process now.
        try directory.write(status(7, "mixer", ticks: 30, start: 950, pages: 4), to: "proc/7/stat")
        look()
        #expect(seen == [0, 1.5, 1.8])
        #expect(machine.readings["stagebox_process_group_processes{group=\"mixer\"}"]?.value == 2)
    }

    @Test("no more than sixteen groups are shown, the largest")
    func bounded() throws {
        let directory = try TemporaryDirectory("processes")
        defer { directory.remove() }
        for index in 1...40 {
            try directory.write(
                status(index, "p\(index)", ticks: 0, start: 1, pages: index * 10), to: "proc/\(index)/stat")
        }
        let machine = FixtureMachine([ProcessGroupCollector(roots: CollectorRoots(below: directory.path))])
        machine.tick(milliseconds: 10_000)
        let groups = Set(machine.readings.values.flatMap { $0.labels.filter { $0.name == "group" }.map(\.value) })
        #expect(groups == Set((25...40).map { "p\($0)" }))
    }
}
