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
        /// 1/100 s after boot.
        func now() -> Int { Int(machine.time.monotonicNanoseconds / 10_000_000) }
        try directory.write(status(7, "mixer", ticks: 5100, start: 10, pages: 4), to: "proc/7/stat")
        try directory.write(status(8, "mixer/2:x", ticks: 50, start: now() + 1, pages: 4), to: "proc/8/stat")
        look()
        // Number 7 is another process now.
        try directory.write(status(7, "mixer", ticks: 30, start: now() + 5, pages: 4), to: "proc/7/stat")
        look()
        #expect(seen == [0, 1.5, 1.8])
        #expect(machine.readings["stagebox_process_group_processes{group=\"mixer\"}"]?.value == 2)
    }

    @Test("a process that ran at the last look and is seen for the first time adds only what it uses from now on")
    func seenLate() throws {
        let directory = try TemporaryDirectory("processes")
        defer { directory.remove() }
        let machine = FixtureMachine([ProcessGroupCollector(roots: CollectorRoots(below: directory.path))])
        func value() -> Double? { machine.readings["stagebox_process_group_cpu_seconds_total{group=\"mixer\"}"]?.value }
        try directory.write(status(7, "mixer", ticks: 100, start: 10, pages: 4), to: "proc/7/stat")
        machine.tick(milliseconds: 10_000)
        try directory.write(status(9, "mixer", ticks: 900_000, start: 20, pages: 4), to: "proc/9/stat")
        machine.tick(milliseconds: 10_000)
        #expect(value() == 0)
        try directory.write(status(9, "mixer", ticks: 900_200, start: 20, pages: 4), to: "proc/9/stat")
        machine.tick(milliseconds: 10_000)
        #expect(value() == 2)
    }

    @Test("names of programs that ran once do not keep new programs out for ever")
    func manyNames() throws {
        let directory = try TemporaryDirectory("processes")
        defer { directory.remove() }
        let machine = FixtureMachine([ProcessGroupCollector(roots: CollectorRoots(below: directory.path))])
        for round in 0..<70 {
            for slot in 1...20 {
                try directory.write(
                    status(slot, "p\(round)-\(slot)", ticks: 1, start: round * 100 + 1, pages: slot),
                    to: "proc/\(slot)/stat")
            }
            machine.tick(milliseconds: 10_000)
        }
        try directory.write(status(1, "last", ticks: 1, start: 99_999_999, pages: 9999), to: "proc/1/stat")
        machine.tick(milliseconds: 10_000)
        #expect(machine.readings["stagebox_process_group_processes{group=\"last\"}"]?.value == 1)
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
