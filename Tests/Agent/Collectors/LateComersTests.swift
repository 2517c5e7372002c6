import Collectors
import RuntimeSupport
import Synchronization
import Telemetry
import TestSupport
import Testing

@Suite("What comes and goes while the collectors run")
struct LateComersTests {
    private func machine(_ directory: TemporaryDirectory, _ make: (CollectorRoots) -> any Collector) -> FixtureMachine {
        FixtureMachine([make(CollectorRoots(below: directory.path))])
    }

    @Test("a file of a module that is loaded later is found within five minutes")
    func module() throws {
        let directory = try TemporaryDirectory("late")
        defer { directory.remove() }
        try directory.write(Array("1 0 9\n".utf8), to: "proc/sys/fs/file-nr")
        let machine = machine(directory) { KernelLimitCollector(roots: $0) }
        machine.tick(milliseconds: 1000)
        #expect(
            machine.readings["node_nf_conntrack_entries"] == nil && machine.readings["node_filefd_maximum"]?.value == 9)
        try directory.write(Array("17\n".utf8), to: "proc/sys/net/netfilter/nf_conntrack_count")
        for _ in 0..<302 { machine.tick(milliseconds: 1000) }
        #expect(machine.readings["node_nf_conntrack_entries"]?.value == 17)
    }

    @Test("what udev learns of a disk later, or of another disk under its name, is seen within five minutes")
    func disks() throws {
        let directory = try TemporaryDirectory("late")
        defer { directory.remove() }
        try directory.write(Array("8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n".utf8), to: "proc/diskstats")
        let machine = machine(directory) { DiskCollector(roots: $0) }
        func serials() -> Set<String> {
            Set(
                machine.readings.values.filter { $0.name == "node_disk_info" }.flatMap(\.labels)
                    .filter { $0.name == "serial" }.map(\.value))
        }
        machine.tick(milliseconds: 1000)
        #expect(serials() == [])
        for serial in ["A1", "B2"] {
            try directory.write(Array("E:ID_SERIAL_SHORT=\(serial)\n".utf8), to: "run/udev/data/b8:0")
            machine.forget()
            for _ in 0..<301 { machine.tick(milliseconds: 1000) }
            machine.forget()
            machine.tick(milliseconds: 1000)
            #expect(serials() == [serial])
        }
    }

    @Test("a sensor that appears beside others is found within ten minutes")
    func sensors() throws {
        let directory = try TemporaryDirectory("late")
        defer { directory.remove() }
        func sensor(_ number: Int) throws {
            try directory.write(Array("chip\(number)\n".utf8), to: "sys/class/hwmon/hwmon\(number)/name")
            try directory.write(Array("42000\n".utf8), to: "sys/class/hwmon/hwmon\(number)/temp1_input")
        }
        try sensor(0)
        let machine = machine(directory) { HardwareMonitorCollector(roots: $0) }
        machine.tick(milliseconds: 10_000)
        try sensor(1)
        for _ in 0..<61 { machine.tick(milliseconds: 10_000) }
        let chips = machine.readings.values.filter { $0.name == "node_hwmon_temp_celsius" }
        #expect(chips.count == 2 && chips.allSatisfy { $0.value == 42 })
    }

    @Test("rows of things that went away give way: the six thousandth processor is still collected")
    func rows() throws {
        let directory = try TemporaryDirectory("late")
        defer { directory.remove() }
        let machine = machine(directory) { SchedulerCollector(roots: $0) }
        for round in 0..<60 {
            let lines = (0..<100).map { "cpu\(round * 100 + $0) 0 0 0 0 0 0 1000000000 0 1" }
            try directory.write(Array((lines.joined(separator: "\n") + "\n").utf8), to: "proc/schedstat")
            machine.tick(milliseconds: 1000)
        }
        #expect(machine.readings["node_schedstat_running_seconds_total{cpu=\"5999\"}"]?.value == 1)
    }

    /// New series at each collection, as containers' devices make them; forgets nothing by itself.
    private struct Churning: Collector {
        let name = "churning"
        let defaultIntervalMilliseconds: Int64 = 1000
        let round: Round
        final class Round: Sendable {
            private let count = Mutex(0)
            func next() -> Int {
                count.withLock { count in
                    count += 1
                    return count
                }
            }
        }
        mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
            sink.append(sink.gauge("steady"), 1.0)
            let round = round.next()
            sink.append(sink.gauge("device\(round)"), Double(round))
        }
    }

    @Test("numbers of series that went away are given again, to the right names, and none is refused")
    func renewal() throws {
        let round = Churning.Round()
        let series = CollectorSeries(capacity: 1000)
        let machine = FixtureMachine([Churning(round: round)], series: series) { [Churning(round: round)] }
        for _ in 0..<3000 {
            machine.tick(milliseconds: 1000)
            guard let last = machine.scrapes.last(where: { $0.intervalMilliseconds == 1000 }) else { continue }
            let readings = machine.readings(of: last)
            #expect(readings.first { $0.name == "steady" }?.value == 1)
            let device = readings.first { $0.name.hasPrefix("device") }
            #expect(device.map { "device\(Int($0.value))" == $0.name } == true)
            machine.forget()
        }
        machine.tick(milliseconds: 1000)
        #expect(machine.scrapes.last.map { $0.generation > 1 } == true)
        for _ in 0..<10 { machine.tick(milliseconds: 1000) }
        #expect(machine.readings["stagebox_agent_collector_series_refused_total"] == nil)
    }

    @Test("without room new series are refused, and that is told")
    func refusals() {
        let machine = FixtureMachine([Churning(round: Churning.Round())], series: CollectorSeries(capacity: 20))
        for _ in 0..<40 { machine.tick(milliseconds: 1000) }
        #expect(machine.runner.entries.allSatisfy { $0.failures == 0 })
        #expect(machine.scrapes.last?.generation == 0)
    }

    @Test("counters of losses become series once they have counted something, others never")
    func losses() throws {
        let metrics = OwnMetrics()
        let machine = FixtureMachine([OwnMetricsCollector(metrics)])
        metrics.add("stagebox_agent_intake_events_total", 5)
        machine.tick(milliseconds: 10_000)
        #expect(machine.readings.values.allSatisfy { !$0.name.hasPrefix("stagebox_agent_intake") })
        metrics.add("stagebox_agent_source_dropped_total", 2, "source", "statsd", "reason", "malformed")
        for _ in 0..<7 { machine.tick(milliseconds: 10_000) }
        let name = "stagebox_agent_source_dropped_total{reason=\"malformed\",source=\"statsd\"}"
        #expect(machine.readings[name]?.value == 2)
        #expect(machine.readings.values.allSatisfy { !$0.name.hasPrefix("stagebox_agent_intake") })
    }
}
