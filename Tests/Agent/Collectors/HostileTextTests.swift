import Collectors
import RuntimeSupport
import TestSupport
import Testing

@Suite("Kernel text that is not what it should be")
struct HostileTextTests {
    /// Every file of the tree, relative.
    private static let files = [
        "proc/stat", "proc/meminfo", "proc/vmstat", "proc/loadavg", "proc/diskstats", "proc/net/dev",
        "proc/net/netstat", "proc/net/snmp", "proc/net/snmp6", "proc/net/sockstat", "proc/net/sockstat6",
        "proc/net/softnet_stat", "proc/pressure/cpu", "proc/pressure/io", "proc/pressure/memory", "proc/schedstat",
        "proc/sys/fs/file-nr", "proc/mounts", "proc/1/stat", "proc/314/stat", "proc/self/stat", "proc/self/io",
        "proc/self/smaps_rollup", "run/udev/data/b254:0", "etc/os-release", "sys/class/net/eth0/ifindex",
        "sys/class/net/eth0/flags", "sys/class/net/eth0/speed", "sys/class/net/eth0/operstate",
        "sys/class/hwmon/hwmon0/temp1_input", "sys/class/hwmon/hwmon0/temp1_label", "sys/class/hwmon/hwmon0/name",
        "sys/class/thermal/thermal_zone0/temp", "sys/class/thermal/thermal_zone0/type",
        "sys/fs/cgroup/cgroup.controllers", "sys/fs/cgroup/system.slice/cpu.stat",
        "sys/fs/cgroup/system.slice/io.stat", "sys/fs/cgroup/system.slice/memory.current",
        "sys/fs/cgroup/system.slice/cpu.pressure",
    ]

    @Test("mutated files never trap and every value stays attached to a series", arguments: 0..<40 as Range<UInt64>)
    func mutations(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let directory = try TemporaryDirectory("hostile")
        defer { directory.remove() }
        for file in Self.files {
            try directory.write(try Files.read("\(FixtureMachine.root)/machine/\(file)"), to: file)
        }
        let machine = FixtureMachine(tree: directory.path)
        machine.tick()
        for _ in 0..<8 {
            for file in Self.files {
                let text = try Files.read("\(FixtureMachine.root)/machine/\(file)")
                try directory.write(mutated(text, &generator), to: file)
            }
            // A minute on, so that collectors that backed off come again.
            machine.tick(milliseconds: 600_000)
        }
        for scrape in machine.scrapes {
            #expect(scrape.handles.count == scrape.values.count)
            #expect(scrape.handles.count == scrape.startTimestamps.count)
            #expect(Set(scrape.handles).count == scrape.handles.count)
            _ = machine.readings(of: scrape)
        }
    }

    private func mutated(_ text: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var text = text
        switch Int.random(in: 0..<9, using: &generator) {
        case 0: return []
        case 1: return Array(text.prefix(Int.random(in: 0...text.count, using: &generator)))
        case 2:
            return (0..<Int.random(in: 0..<3000, using: &generator)).map { _ in .random(in: 0...255, using: &generator)
            }
        case 3:
            // Numbers beyond 64 bits.
            return text.flatMap { (48...57).contains($0) ? Array("98765432109876543210".utf8) : [$0] }
        case 4: return text.map { (48...57).contains($0) ? 57 : $0 }
        case 5: return text.map { $0 == 32 ? 10 : $0 }
        case 6: return text.map { (48...57).contains($0) ? UInt8(ascii: "-") : $0 }
        case 7: return text + text + text
        default:
            for _ in 0..<8 where !text.isEmpty {
                text[Int.random(in: 0..<text.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            return text
        }
    }

    @Test("lines that cannot be understood are counted and the others read")
    func counted() throws {
        let directory = try TemporaryDirectory("hostile")
        defer { directory.remove() }
        try directory.write("MemTotal: 5 kB\nnonsense\nMemFree: x kB\nCached: 7 kB\n", to: "proc/meminfo")
        let machine = FixtureMachine([MemoryCollector(roots: CollectorRoots(below: directory.path))])
        machine.tick()
        #expect(machine.readings["node_memory_MemTotal_bytes"]?.value == 5120)
        #expect(machine.readings["node_memory_Cached_bytes"]?.value == 7168)
        #expect(machine.runner.entries.first { $0.name == "meminfo" }?.malformedLines == 2)
    }

    @Test("a file that grows beyond the buffer is read whole")
    func large() throws {
        let directory = try TemporaryDirectory("hostile")
        defer { directory.remove() }
        let lines = (0..<3000).map { "Field\($0): \($0) kB\n" }.joined()
        try directory.write(lines, to: "proc/meminfo")
        let machine = FixtureMachine([MemoryCollector(roots: CollectorRoots(below: directory.path))])
        machine.tick()
        #expect(machine.readings["node_memory_Field2999_bytes"]?.value == 3_070_976)
    }

    @Test("series beyond the bound are refused and counted, the others stay")
    func bounded() throws {
        let directory = try TemporaryDirectory("hostile")
        defer { directory.remove() }
        try directory.write((0..<50).map { "Field\($0): \($0) kB\n" }.joined(), to: "proc/meminfo")
        let series = CollectorSeries(capacity: 10)
        let machine = FixtureMachine([MemoryCollector(roots: CollectorRoots(below: directory.path))], series: series)
        machine.tick(milliseconds: 1000)
        #expect(series.count == 10)
        #expect(series.refused >= 40)
        #expect(machine.scrapes.first { $0.intervalMilliseconds == 1000 }?.values.count ?? 99 <= 10)
    }
}
